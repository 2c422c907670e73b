/**
 * Comments of src/ are plain English: they name the node, the file or the caller that they mean. A word such as
 * "whoever" shows that a sentence does not. They fit the column that the formatter keeps for code.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const source = resolve('src');

const telltale = /\b(whoever|whatever|anew|nobody|somebody)\b/gi;

/** In a room that holds the rule: telltale words per hundred lines of comment. */
const perHundredLinesMax = 1;

const commentColumnsMax = 120;

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

  it.each([
    [`/**\n * ${'a'.repeat(117)}\n */`, []],
    [`/**\n * ${'a'.repeat(118)}\n */`, [2]],
    [`  // ${'a'.repeat(116)}`, [1]],
    [`const a = 1; // ${'a'.repeat(105)}`, [1]],
    [`const url = 'https://${'a'.repeat(120)}';`, []],
  ])('%j -> too long in lines %j', (text, lines) => {
    expect(tooLongIn(text)).toEqual(lines);
  });

  it.each(rooms)('room %s -> no line is longer than 120 columns', (room) => {
    expect(filesOf(room).flatMap(({ name, text }) => tooLongIn(text).map((line) => `${name}:${line}`))).toEqual([]);
  });

  it.each(rooms)('room %s -> at most one telltale word in 100 lines', (room) => {
    const { words, lines } = countsOf(textOf(room));
    expect(lines).toBeGreaterThan(0);
    expect((100 * words) / lines).toBeLessThanOrEqual(perHundredLinesMax);
  });
});

function filesOf(room: string): { name: string; text: string }[] {
  const names = readdirSync(join(source, room), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name: join(room, name), text: readFileSync(join(source, room, name), 'utf8') }));
}

function textOf(room: string): string {
  return filesOf(room)
    .map(({ text }) => text)
    .join('\n');
}

const comment = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/ .*$/gm;

/** The numbers of the lines that a comment makes too long. */
function tooLongIn(text: string): number[] {
  const lines = text.split('\n');
  const commented = [...text.matchAll(comment)].flatMap(({ 0: found, index }) => {
    const first = text.slice(0, index).split('\n').length;
    return found.split('\n').map((_, offset) => first + offset);
  });
  return commented.filter((number) => (lines[number - 1]?.length ?? 0) > commentColumnsMax);
}

/** Telltale words in comments, and the lines of comment that have a word. */
function countsOf(text: string): { words: number; lines: number } {
  const comments = text.match(comment) ?? [];
  const lines = comments.flatMap((comment) => comment.split('\n')).filter((line) => /\p{L}/u.test(line));
  return { words: lines.reduce((sum, line) => sum + (line.match(telltale)?.length ?? 0), 0), lines: lines.length };
}
