/**
 * How many bytes were written, and how many of them a node lacks: for invariants that depend on how much a line has to
 * carry.
 */
import { type AuthorKey, authorKeyOf } from '../core/author.js';
import type { Run } from '../core/entry.js';
import type { Hlc } from '../core/hlc.js';
import type { NodeProcess } from './node.js';

/** Bytes of an entry besides its document: author, names, hashes, stamps and a frame. */
const entryOverheadBytes = 400;

interface Written {
  readonly hlc: Hlc;
  /** Written by this author, up to this entry. */
  readonly bytes: number;
}

export class Backlog {
  writtenBytes = 0;
  readonly #authors = new Map<AuthorKey, Written[]>();

  wrote({ author, entries }: Run): void {
    const key = authorKeyOf(author);
    const written = this.#authors.get(key) ?? [];
    this.#authors.set(key, written);
    for (const { hlc, payload } of entries) {
      const bytes = payload.length + entryOverheadBytes;
      this.writtenBytes += bytes;
      written.push({ hlc, bytes: (written.at(-1)?.bytes ?? 0) + bytes });
    }
  }

  lackedBy({ store }: NodeProcess): number {
    if (store === undefined) return this.writtenBytes;
    const clock = store.clock();
    let lacked = 0;
    for (const [author, written] of this.#authors) {
      const all = written.at(-1)?.bytes ?? 0;
      lacked += all - bytesUpTo(written, clock.get(author)?.hlc ?? 0);
    }
    return lacked;
  }
}

function bytesUpTo(written: readonly Written[], hlc: number): number {
  let [low, high] = [0, written.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((written[middle]?.hlc ?? 0) <= hlc) low = middle + 1;
    else high = middle;
  }
  return written[low - 1]?.bytes ?? 0;
}
