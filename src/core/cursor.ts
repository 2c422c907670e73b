/**
 * Cursors: places in the order in which entries have arrived in one database file. Opaque to those who keep them.
 *
 * Invariant: a cursor names the incarnation of its file and the entry at its place. So one of another node, of a file that was replaced since by
 * a backup or an empty one, or of a copy that has gone another way, is told apart from one that can be resumed.
 */
import type { Cursor } from './ids.js';

/** What a cursor says. */
export interface CursorParts {
  /** Drawn when the file was made, and again when a backup was put back. */
  readonly incarnation: string;
  /** Counted from 1, without holes; 0 before the first entry. */
  readonly place: number;
  /** Of the entry at the place, the beginning of its hash; empty at 0. */
  readonly mark: string;
}

export function formatCursor({
  incarnation,
  place,
  hash,
}: Omit<CursorParts, 'mark'> & { readonly hash: string }): Cursor {
  return `c${incarnation}.${place}.${hash.slice(0, markLength)}` as Cursor;
}

/** @returns undefined for what was never a cursor */
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
