/** How much of a third party's text may be repeated. */
import { describe, expect, it } from '@jest/globals';
import { foreignText, oAuth2ErrorOf, reveals } from '../../src/core/foreign-text.js';
import { Secret } from '../../src/core/secret.js';

const text = 'p-_.!*~lanted secret/+"ü0123456789';
const secret = new Secret(text);
const hex = Buffer.from(text).toString('hex');
const percents = hex.replace(/../g, (byte) => `%${byte}`);
const base64 = (prefix: string) => Buffer.from(`${prefix}${text}zzz`).toString('base64');

describe('foreignText', () => {
  it.each<[string, string, string]>([
    ['colors of a terminal', 'a\u001b[31mred\u001b[0m b', 'ared b'],
    ['a title of a terminal', 'a\u001b]0;title\u0007b', 'ab'],
    ['a link of a terminal', 'a\u001b]8;;https://evil.example\u001b\\b', 'ab'],
    ['a string of a device that never ends', 'a\u001bPq#0;2;0', 'a'],
    ['8-bit control sequences', 'a\u009b31mb\u009d0;t\u009cc', 'abc'],
    ['an escape at the end', 'a\u001b', 'a'],
    ['lines', 'a\r\nb\u2028c\u0085d\0e', 'a b c d e'],
    ['turned directions and no width', 'a\u202eb\u200bc\ufeffd\u2066e', 'a b c d e'],
    ['half a surrogate', 'a\ud800b', 'a b'],
    ['a whole one', 'a😀b', 'a😀b'],
    ['a bearer token', 'no: Bearer abc.def-ghi', 'no: Bearer [redacted]'],
    ['basic credentials', 'no: basic c2hvcDpzZXNhbWU=', 'no: basic [redacted]'],
    ['a token', 'no: eyJhbGciOi.eyJpc3Mi.c2ln.', 'no: [redacted]'],
    ['a password in a URL', 'see https://shop:sesame@host/', 'see https://[redacted]@host/'],
    ['nothing', '', ''],
  ])('text: with %s -> one plain line', (_, given, expected) => {
    expect(foreignText(given)).toBe(expected);
  });

  it('text: too long -> cut between characters, with an ellipsis', () => {
    expect(foreignText('😀'.repeat(300))).toBe(`${'😀'.repeat(200)}…`);
    expect(foreignText('x'.repeat(10), { lengthMax: 4 })).toBe('xxxx…');
    expect(foreignText('\u0001'.repeat(1_000_000)).length).toBeLessThan(3);
  });

  it.each([
    [null, '[null]'],
    [undefined, '[undefined]'],
    [7, '[number]'],
    [['a'], '[a list]'],
    [{}, '[object]'],
  ])('text: %j, which is not a text -> named by its type', (given, expected) => {
    expect(foreignText(given)).toBe(expected);
  });

  it.each<[string, string]>([
    ['as it is', text],
    ['percents', encodeURIComponent(text)],
    ['percents, all of it', percents],
    ['percents, in capitals', percents.toUpperCase()],
    ['percents, twice', encodeURIComponent(percents)],
    ['a form', new URLSearchParams({ a: text }).toString()],
    ['JSON', JSON.stringify({ a: text })],
    ['JSON escapes', text.replace(/./gs, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)],
    ['HTML', text.replace(/./gs, (one) => `&#${one.charCodeAt(0)};`)],
    ['HTML names', text.replace('"', '&quot;')],
    ['hexadecimal', hex],
    ['hexadecimal, behind half a byte', `f${hex.toUpperCase()}`],
    ['base64', base64('')],
    ['base64, one further', base64('a')],
    ['base64, two further', base64('ab')],
    ['base64 behind other text', `x${base64('')}`],
    ['base64url', Buffer.from(`ab:${text}`).toString('base64url')],
    ['base64 of a form', Buffer.from(new URLSearchParams({ a: text }).toString()).toString('base64')],
    ['with escapes in between', text.replace('secret', 'sec\u001b[0mret')],
  ])('secret: repeated in %s -> withheld, with all text around it', (_, form) => {
    expect(reveals(`no: ${form} !`.replace('\u001b[0m', ''), secret)).toBe(true);
    expect(foreignText(`no: ${form} !`, { secrets: [undefined, secret] })).toBe('[withheld: it repeats a secret]');
  });

  it('secret: not in the text -> the text is repeated', () => {
    expect(foreignText('no: planted', { secrets: [secret, new Secret('')] })).toBe('no: planted');
  });
});

describe('oAuth2ErrorOf', () => {
  it.each([
    ['invalid_client', 'invalid_client'],
    ['p-lanted', undefined],
    ['constructor', undefined],
    [7, undefined],
  ])('error: %j -> %j', (error, expected) => {
    expect(oAuth2ErrorOf(error)).toBe(expected);
  });
});
