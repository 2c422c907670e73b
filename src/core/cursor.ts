/**
 * Cursors: places in the order in which entries arrived in one database file. Opaque to the programs that keep them.
 *
 * Invariant: a cursor names the incarnation of its file and the entry at its place. So a cursor that can be resumed is
 * told apart from one of another node, one of a file that was since replaced by a backup or an empty file, and one of a
 * copy that has diverged.
 */
import type { Cursor } from './ids.js';

/** The fields of a cursor. */
export interface CursorParts {
  /** Drawn when the file is made, and again when a backup is restored. */
  readonly incarnation: string;
  /** Counted from 1, without holes; 0 before the first entry. */
  readonly place: number;
  /** The beginning of the hash of the entry at this place; empty at place 0. */
  readonly mark: string;
}

export function formatCursor({
  incarnation,
  place,
  hash,
}: Omit<CursorParts, 'mark'> & { readonly hash: string }): Cursor {
  return `c${incarnation}.${place}.${hash.slice(0, markLength)}` as Cursor;
}

/** @returns The fields of a cursor; undefined for a text that never was one */
export function parseCursor(text: string): CursorParts | undefined {
  const [, incarnation, place, mark] = pattern.exec(text) ?? [];
  if (incarnation === undefined || place === undefined || mark === undefined) return undefined;
  return { incarnation, place: Number(place), mark };
}

export function isMarkOf(mark: string, hash: string): boolean {
  return mark === hash.slice(0, markLength);
}

const markLength = 8;
const pattern = /^c([A-Za-z0-9_-]{1,32})\.(\d{1,15})\.([A-Za-z0-9_+/=-]{0,8})$/;
