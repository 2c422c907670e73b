/**
 * What a sender believes the other side has, and what follows from it.
 *
 * Invariant: a sender sends only entries that are contiguous with what the other side has or has in flight, so it never
 * makes a gap. Entries that it leaves out (relays that reach the other side by another path) are remembered as skipped.
 * They are not sent again before a vector clock has shown what is really missing.
 */
import { type Author, type AuthorKey, authorKeyOf, parseAuthorKey } from './author.js';
import { endOf, type Position, type Run } from './entry.js';
import type { NodeId } from './ids.js';
import { positionOf, type VectorClock } from './vector-clock.js';

/** A batch that is sent and not yet acknowledged, with the positions to which it takes the other side. */
export interface InFlight {
  readonly sequence: number;
  readonly entries: number;
  readonly ends: ReadonlyMap<AuthorKey, Position>;
}

export interface Progress {
  /** What the other side has, or will have when the batches in flight have arrived. */
  readonly theirs: VectorClock;
  readonly inFlight: readonly InFlight[];
  /** Authors with entries left out since the last vector clock. */
  readonly skipped: ReadonlySet<AuthorKey>;
}

export function startProgress(theirs: VectorClock): Progress {
  return { theirs, inFlight: [], skipped: new Set() };
}

/** Records a sent batch. */
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
 * Takes over a vector clock of the other side. It is the truth, except for the batches that were still in flight when
 * the other side wrote it.
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

/** Records runs that the other side has sent us: it has those entries. */
export function credited(progress: Progress, runs: readonly Run[]): Progress {
  return { ...progress, theirs: furthest(progress.theirs, endsOf(runs)) };
}

/**
 * The peer that a commit came from. On the local network it is a NodeId. Over a cloud link it contains a slash, which a
 * NodeId cannot: the nodes of two clusters that meet on a cloud node may share one NodeId.
 */
export type Origin = string;

/** The origin of entries that a database took over from its predecessor. A NodeId is never empty. */
export const predecessorOrigin: Origin = '';

/** What to do about a commit, given that the other side had everything before it. */
export interface Push {
  readonly progress: Progress;
  /** To send at once, from memory. */
  readonly runs: readonly Run[];
  /** The other side lacks entries before these: read them from the store. */
  readonly lagging: boolean;
  /** The other side may lack entries that were left out before: ask for its vector clock. */
  readonly unsure: boolean;
}

export interface PushContext {
  /** This node. Entries of its own earlier incarnations reach the other side from no other node. */
  readonly selfId: NodeId;
  /**
   * Undefined over a cloud link: nodes of several clusters may share a NodeId, so there it does not identify an author.
   */
  readonly peerId: NodeId | undefined;
  /** The origin that stands for the other side. */
  readonly peerOrigin: Origin;
  /** Where the commit came from; undefined for local writes. */
  readonly origin: Origin | undefined;
  /** The peers with which the other side has sessions of its own: their writes reach it without us. */
  readonly neighbors: ReadonlySet<NodeId>;
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

/** Whether an author's writes reach the other side without us. The other side may be the author itself. */
function reachesOtherwise({ nodeId }: Author, { selfId, peerId, neighbors }: Ways): boolean {
  return nodeId !== selfId && (nodeId === peerId || neighbors.has(nodeId));
}

type Ways = Pick<PushContext, 'selfId' | 'peerId' | 'neighbors'>;

/**
 * Records that a digest has matched: the other side has what we have. Skipped authors stay skipped: more of their
 * entries would be skipped, too, and none is missing.
 */
export function matched(progress: Progress, ours: VectorClock): Progress {
  return { ...progress, theirs: ours };
}

/** Whether the other side may lack entries that were left out, because the path that brought them is gone. */
export function isCutOff({ skipped }: Progress, ways: Ways): boolean {
  return [...skipped].some((key) => !reachesOtherwise(parseAuthorKey(key) as Author, ways));
}

/**
 * The authors of which no further commits need attention while neither the skipped authors nor the neighbors change:
 * another relay of theirs would be skipped like the one before.
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
