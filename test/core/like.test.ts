import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isLike } from '../../src/core/like.js';

const characters = ['a', 'B', '_', '%', '\\', '\0', '\n', '\u{1F600}', 'é'];

test('isLike: any text and pattern -> agrees with the equivalent regular expression', () => {
  const texts = fc.array(fc.constantFrom(...characters), { maxLength: 8 }).map((parts) => parts.join(''));
  const patterns = fc.array(fc.constantFrom('%', '_', '\\%', '\\_', '\\\\', 'A', 'b', '\0', '\u{1F600}', 'É'), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(texts, patterns, (text, parts) => {
      const source = parts.map((part) => {
        if (part === '%') return '[^]*';
        if (part === '_') return '[^]';
        if (/^[A-Za-z]$/.test(part)) return `[${part.toLowerCase()}${part.toUpperCase()}]`;
        return part.length === 2 && part.startsWith('\\') ? `\\x${part.charCodeAt(1).toString(16)}` : part;
      });
      expect(isLike(text, parts.join(''))).toBe(new RegExp(`^${source.join('')}$`, 'u').test(text));
    }),
    { numRuns: 2_000 },
  );
});

test('isLike: any text, escaped -> matches that text literally, and no other', () => {
  const texts = fc.string({ unit: fc.constantFrom(...characters), maxLength: 6 });
  const escaped = (text: string) => text.replace(/[\\%_]/g, '\\$&');
  fc.assert(
    fc.property(texts, texts, (text, other) => {
      expect(isLike(text, escaped(text))).toBe(true);
      expect(isLike(`${other}${text}${other}`, `%${escaped(text)}%`)).toBe(true);
      expect(isLike(other, escaped(text))).toBe(other.toLowerCase() === text.toLowerCase());
    }),
  );
});

test('isLike: a pattern with many % -> an answer at once', () => {
  expect(isLike('a'.repeat(5_000), `${'%a'.repeat(500)}%b`)).toBe(false);
});
