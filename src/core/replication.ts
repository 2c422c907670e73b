/**
 * What a sender believes the other side has, and what follows from it.
 *
 * Invariant: nothing is sent that is not contiguous with what the other side has or has on its way, so a sender never
 * makes a gap. What is left out (relays that the other side gets elsewhere) is remembered as skipped, and is not sent
 * again before a vector clock has shown what is really missing.
 */
import { type Author, type AuthorKey, authorKeyOf, parseAuthorKey } from './author.js';
import { endOf, type Position, type Run } from './entry.js';
import type { NodeId } from './ids.js';
import { positionOf, type VectorClock } from './vector-clock.js';

/** A batch sent and not yet acknowledged: where it takes the other side. */
export interface InFlight {
  readonly sequence: number;
  readonly entries: number;
  readonly ends: ReadonlyMap<AuthorKey, Position>;
}

export interface Progress {
  /** What the other side has, or will have when the batches in flight have arrived. */
  readonly theirs: VectorClock;
  readonly inFlight: readonly InFlight[];
  /** Authors of whom entries were left out since the last vector clock. */
  readonly skipped: ReadonlySet<AuthorKey>;
}

export function startProgress(theirs: VectorClock): Progress {
  return { theirs, inFlight: [], skipped: new Set() };
}

/** After sending a batch. */
export function sent(progress: Progress, sequence: number, runs: readonly Run[]): Progress {
  const ends = endsOf(runs);
  const entries = runs.reduce((total, run) => total + run.entries.length, 0);
  return {
    ...progress,
    theirs: furthest(progress.theirs, ends),
    inFlight: [...progress.inFlight, { sequence, entries, ends }],
  };
}

export function acknowledged(progress: Progress, sequence: number): Progress {
  return { ...progress, inFlight: progress.inFlight.filter((batch) => batch.sequence > sequence) };
}

/**
 * After a vector clock of the other side: it is the truth, but for the batches that were still on their way when it was
 * written.
 */
export function reconciled(
  progress: Progress,
  clock: Iterable<readonly [AuthorKey, Position]>,
  received: number,
): Progress {
  const onTheirWay = progress.inFlight.filter((batch) => batch.sequence > received);
  const theirs = onTheirWay.reduce<VectorClock>((known, { ends }) => furthest(known, ends), new Map(clock));
  return { ...progress, theirs, skipped: new Set() };
}

/** After the other side has sent us something: it has that. */
export function credited(progress: Progress, runs: readonly Run[]): Progress {
  return { ...progress, theirs: furthest(progress.theirs, endsOf(runs)) };
}

/**
 * Whom a commit came from: a NodeId on the local network. Over a cloud link it has a slash, which a NodeId has not, since the
 * nodes of two clusters that meet on a cloud node may have one NodeId.
 */
export type Origin = string;

/** Where a database has from what it took over from the one before it: no NodeId is empty. */
export const predecessorOrigin: Origin = '';

/** What to do about a commit, once the other side had everything before it. */
export interface Push {
  readonly progress: Progress;
  /** To send at once, from memory. */
  readonly runs: readonly Run[];
  /** The other side lacks entries before these: read them from the store. */
  readonly lagging: boolean;
  /** It may lack entries that were left out before: ask for its vector clock. */
  readonly unsure: boolean;
}

export interface PushContext {
  /** What we wrote ourselves, in an earlier incarnation, the other side gets from nobody but us. */
  readonly selfId: NodeId;
  /** Undefined over a cloud link: nodes of several clusters may have one NodeId, so that it says nothing of an author there. */
  readonly peerId: NodeId | undefined;
  /** What the other side is the origin of. */
  readonly peerOrigin: Origin;
  /** Where the commit came from; undefined for local writes. */
  readonly origin: Origin | undefined;
  /** The peers with whom the other side has a session of its own: what they write reaches it without us. */
  readonly neighbours: ReadonlySet<NodeId>;
}

export function push(progress: Progress, runs: readonly Run[], context: PushContext): Push {
  if (context.origin === context.peerOrigin) {
    return { progress: credited(progress, runs), runs: [], lagging: false, unsure: false };
  }
  const toSend: Run[] = [];
  const left: AuthorKey[] = [];
  let lagging = false;
  let unsure = false;
  for (const run of runs) {
    const author = authorKeyOf(run.author);
    const theirs = positionOf(progress.theirs, author);
    if (theirs.hlc >= endOf(run).hlc) continue;
    const skips = progress.skipped.has(author);
    if (context.origin !== undefined && reachesOtherwise(run.author, context)) {
      if (!skips) left.push(author);
    } else if (theirs.hlc === run.after.hlc) {
      toSend.push(run);
    } else if (skips) {
      unsure = true;
    } else {
      lagging = true;
    }
  }
  const skipped = left.length === 0 ? progress.skipped : new Set([...progress.skipped, ...left]);
  return { progress: { ...progress, skipped }, runs: toSend, lagging, unsure };
}

/** Whether what an author writes reaches the other side without us; it may be the author itself. */
function reachesOtherwise({ nodeId }: Author, { selfId, peerId, neighbours }: Ways): boolean {
  return nodeId !== selfId && (nodeId === peerId || neighbours.has(nodeId));
}

type Ways = Pick<PushContext, 'selfId' | 'peerId' | 'neighbours'>;

/**
 * After a digest has matched: the other side has what we have. What was skipped stays so: more of it would be skipped, too, and
 * nothing of it is missing.
 */
export function matched(progress: Progress, ours: VectorClock): Progress {
  return { ...progress, theirs: ours };
}

/** Whether the other side may lack entries that were left out, since what it got them by is gone. */
export function isCutOff({ skipped }: Progress, ways: Ways): boolean {
  return [...skipped].some((key) => !reachesOtherwise(parseAuthorKey(key) as Author, ways));
}

/**
 * The authors of whom nothing more need be heard as long as neither the skipped ones nor the neighbours change: another relay of
 * theirs would be skipped like the one before.
 */
export function authorsLeftOut({ skipped }: Progress, context: Ways): ReadonlySet<AuthorKey> {
  return new Set([...skipped].filter((key) => reachesOtherwise(parseAuthorKey(key) as Author, context)));
}

function endsOf(runs: readonly Run[]): Map<AuthorKey, Position> {
  return new Map(runs.map((run) => [authorKeyOf(run.author), endOf(run)]));
}

function furthest(clock: VectorClock, ends: ReadonlyMap<AuthorKey, Position>): VectorClock {
  const result = new Map(clock);
  for (const [author, position] of ends) {
    if (position.hlc > positionOf(clock, author).hlc) result.set(author, position);
  }
  return result;
}
