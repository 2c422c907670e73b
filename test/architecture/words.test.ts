/**
 * Comments of src/ are plain English: they name the node, the file or the caller that they mean. A word such as
 * "whoever" shows that a sentence does not.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const source = resolve('src');

const telltale = /\b(whoever|whatever|anew|nobody|somebody)\b/gi;

/** In a room that holds the rule: telltale words per hundred lines of comment. */
const perHundredLinesMax = 1;

const rooms = readdirSync(source, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

describe('comments of src/', () => {
  it.each([
    ['/** Whoever asks is told. */', 1, 1],
    ['// One line, and nobody.\n/**\n * Two more: whatever,\n * anew.\n */', 3, 3],
    ["const nobody = 'whoever'; // Code is not counted.", 0, 1],
    ["const url = 'https://somebody.example';", 0, 0],
  ])('%j -> %d telltale words in %d lines', (text, words, lines) => {
    expect(countsOf(text)).toEqual({ words, lines });
  });

  it.each(rooms)('room %s -> at most one telltale word in 100 lines', (room) => {
    const { words, lines } = countsOf(textOf(room));
    expect(lines).toBeGreaterThan(0);
    expect((100 * words) / lines).toBeLessThanOrEqual(perHundredLinesMax);
  });
});

function textOf(room: string): string {
  const names = readdirSync(join(source, room), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(source, room, name), 'utf8'))
    .join('\n');
}

/** Telltale words in comments, and the lines of comment that have a word. */
function countsOf(text: string): { words: number; lines: number } {
  const comments = text.match(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm) ?? [];
  const lines = comments.flatMap((comment) => comment.split('\n')).filter((line) => /\p{L}/u.test(line));
  return { words: lines.reduce((sum, line) => sum + (line.match(telltale)?.length ?? 0), 0), lines: lines.length };
}
