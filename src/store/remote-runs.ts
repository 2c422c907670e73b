/**
 * Judges the entries that a peer sent: which are new, which are known, and which cannot be accepted.
 *
 * Invariants:
 * - Accepted entries continue our chain: same stamp and same hash at the place where they join.
 * - The hash of every entry is computed again, so an altered payload goes no further.
 * - Every node reaches the same verdict, because it depends on protocol constants only; content is never refused.
 *   (Whether a payload is JSON matters to queries only, which treat any other text as a document without fields.)
 */
import { type AuthorKey, authorKeyOf, parseAuthorKey, scopeOf } from '../core/author.js';
import { chainStart, endOf, hashEntry, type Position, type Run } from '../core/entry.js';
import { type Hlc, isHlc, isTooFarAhead } from '../core/hlc.js';
import type { CollectionName } from '../core/ids.js';
import { limits } from '../core/limits.js';

export interface Judgement {
  /** Stretches to append, in order, each contiguous with what is before it. */
  readonly runs: readonly Run[];
  readonly gaps: readonly AuthorKey[];
  readonly parked: readonly AuthorKey[];
  readonly diverged: readonly AuthorKey[];
}

export interface JudgeContext {
  readonly wallMs: number;
  positionOf(author: AuthorKey): Position;
  /** The hash in our chain at a stamp; undefined if there is none, `pruned` before the stored chain begins. */
  hashAt(author: AuthorKey, hlc: Hlc): string | undefined;
  /** Whether the run's author is one of our own whose every entry we have: it cannot have others. */
  isComplete(run: Run): boolean;
}

/** The answer of `hashAt` for stamps before the stored chain begins. */
export const pruned = 'pruned';

export function judgeRuns(runs: readonly Run[], context: JudgeContext): Judgement {
  const accepted: Run[] = [];
  const positions = new Map<AuthorKey, Position>();
  const gaps = new Set<AuthorKey>();
  const parked = new Set<AuthorKey>();
  const diverged = new Set<AuthorKey>();
  for (const run of runs) {
    const key = authorKeyOf(run.author);
    // Entries after a refused stretch cannot be accepted either.
    if (parked.has(key) || diverged.has(key)) continue;
    const position = positions.get(key) ?? context.positionOf(key);
    const hashAt = (hlc: Hlc) => hashIn(accepted, key, hlc) ?? context.hashAt(key, hlc);
    const joins = joinOf(run, position, hashAt);
    if (joins === 'gap') {
      gaps.add(key);
      continue;
    }
    if (joins === 'diverged' || !isChain(run, key) || (joins < run.entries.length && context.isComplete(run))) {
      diverged.add(key);
      continue;
    }
    const end = endOfPresent(run, joins, context.wallMs);
    if (end < run.entries.length) parked.add(key);
    if (end === joins) continue;
    const whole = joins === 0 && end === run.entries.length;
    const stretch = whole ? run : { author: run.author, after: position, entries: run.entries.slice(joins, end) };
    accepted.push(stretch);
    positions.set(key, endOf(stretch));
  }
  return { runs: accepted, gaps: [...gaps], parked: [...parked], diverged: [...diverged] };
}

/** The index of the first entry that we lack, if the run agrees with our chain. */
function joinOf(run: Run, position: Position, hashAt: (hlc: Hlc) => string | undefined): number | 'gap' | 'diverged' {
  const { after, entries } = run;
  if (after.hlc > position.hlc) return 'gap';
  if (after.hlc === position.hlc) return after.hash === position.hash ? 0 : 'diverged';
  const end = endOf(run);
  if (end.hlc <= position.hlc) {
    const ours = end.hlc === position.hlc ? position.hash : hashBefore(end.hlc, hashAt);
    return ours === pruned || ours === end.hash ? entries.length : 'diverged';
  }
  const index = entries.findIndex((entry) => entry.hlc >= position.hlc);
  const meeting = entries[index];
  return meeting?.hlc === position.hlc && meeting.hash === position.hash ? index + 1 : 'diverged';
}

function hashBefore(hlc: Hlc, hashAt: (hlc: Hlc) => string | undefined): string | undefined {
  return hlc === chainStart.hlc ? chainStart.hash : hashAt(hlc);
}

/** Entries of an earlier run of the same call are not in the oplog yet. */
function hashIn(accepted: readonly Run[], key: AuthorKey, hlc: Hlc): string | undefined {
  for (const { author, entries } of accepted) {
    const entry = authorKeyOf(author) === key ? entries.find((candidate) => candidate.hlc === hlc) : undefined;
    if (entry !== undefined) return entry.hash;
  }
  return undefined;
}

/**
 * Whether stamps rise, hashes bind, and no entry crosses the scope of its author (which would carry it out of the
 * cluster).
 */
function isChain({ author, after, entries }: Run, key: AuthorKey): boolean {
  if (parseAuthorKey(key) === undefined) return false;
  let { hlc, hash } = after;
  let collection: CollectionName | undefined;
  for (const entry of entries) {
    if (!isHlc(entry.hlc) || entry.hlc <= hlc) return false;
    if (entry.collection !== collection) {
      collection = entry.collection;
      if (scopeOf(collection) !== author.scope) return false;
    }
    if (hashEntry(entry, key, hash) !== entry.hash) return false;
    hlc = entry.hlc;
    hash = entry.hash;
  }
  return true;
}

/** The index of the first entry from `start` that lies too far in the future. */
function endOfPresent({ entries }: Run, start: number, wallMs: number): number {
  const last = entries.at(-1);
  // Stamps rise, so the last one decides for all.
  if (last === undefined || !isTooFarAhead(last.hlc, wallMs, limits.clockDriftMaxMs)) return entries.length;
  const index = entries.findIndex((entry) => isTooFarAhead(entry.hlc, wallMs, limits.clockDriftMaxMs));
  return Math.max(index, start);
}
