/**
 * Who ought to lead: the rule of the bully election (Garcia-Molina, 1982), as in the seed document "Leader Election", with one
 * additions: a node whose way to the cloud has failed stands behind all whose has not, and a node whose own database is impaired
 * does not lead at all.
 */
import type { ErrorCode } from './errors.js';
import { compareCodeUnits, type NodeId } from './ids.js';
import { limits } from './limits.js';

/** A node's way to the cloud. `unknown`: it has not tried, or not for long enough to tell. */
export type Uplink = 'unknown' | 'ok' | 'failed';

/** `claiming`: asks the present leader to step down in its favour. */
export type Stance = 'following' | 'claiming' | 'leading';

/** What a node says of itself in every heartbeat. */
export interface Standing {
  /** Whether it may lead, as its configuration says. */
  readonly isEligible: boolean;
  /** Why its own database cannot be read or written at present; undefined while it can. */
  readonly impairment?: ErrorCode | undefined;
  readonly uplink: Uplink;
  readonly stance: Stance;
  /** The highest term it knows of. Advisory: it tells two leaderships apart, and decides nothing. */
  readonly term: number;
}

/** The cluster as one node sees it: itself, and who else is live. */
export interface Ballot extends Candidate {
  readonly live: ReadonlyMap<NodeId, Standing>;
}

export interface Candidate extends Pick<Standing, 'isEligible' | 'impairment' | 'uplink'> {
  readonly nodeId: NodeId;
}

/** Whether a node can lead: it is allowed to, and can keep what it gets. */
export function mayLead({ isEligible, impairment }: Pick<Standing, 'isEligible' | 'impairment'>): boolean {
  return isEligible && impairment === undefined;
}

/** Whether one node that may lead ought to lead rather than another: its uplink first, then the smaller NodeId by code units. */
export function precedes(a: Candidate, b: Candidate): boolean {
  const [aFailed, bFailed] = [a.uplink === 'failed', b.uplink === 'failed'];
  return aFailed === bFailed ? compareCodeUnits(a.nodeId, b.nodeId) < 0 : bFailed;
}

/** The one that ought to lead; undefined when nobody may lead. */
export function rightfulLeader(candidates: Iterable<Candidate>): NodeId | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (mayLead(candidate) && (best === undefined || precedes(candidate, best))) best = candidate;
  }
  return best?.nodeId;
}

/** Whether a node itself ought to lead. */
export function isRightful(ballot: Ballot): boolean {
  return mayLead(ballot) && rightfulLeader([ballot, ...candidates(ballot.live)]) === ballot.nodeId;
}

/**
 * The live node that leads: the one known to do so until now, as long as it does; otherwise, of several, the one that precedes the
 * others. Undefined when nobody does.
 */
export function leaderAmong(live: ReadonlyMap<NodeId, Standing>, present: NodeId | undefined): NodeId | undefined {
  const leading = candidates(live).filter((other) => mayLead(other) && other.stance === 'leading');
  return leading.some(({ nodeId }) => nodeId === present) ? present : rightfulLeader(leading);
}

/** Whether a node that leads has no way to the cloud, and somebody may have one. When all have failed, there is nobody to yield to. */
export function mustYield({ uplink, live }: Ballot): boolean {
  return uplink === 'failed' && candidates(live).some((other) => mayLead(other) && other.uplink !== 'failed');
}

/** Whether one that precedes a node asks it to step down. */
export function isClaimed(ballot: Ballot): boolean {
  return candidates(ballot.live).some(
    (other) => mayLead(other) && other.stance === 'claiming' && precedes(other, ballot),
  );
}

/**
 * Of two that lead, after a partition has healed, the one that precedes the other steps down and waits. So one that comes and goes
 * takes no leadership with it. A leader whose uplink has failed does not count where ours has not: it yields by itself.
 */
export function isSecondLeader(ballot: Ballot): boolean {
  return candidates(ballot.live).some(
    (other) =>
      mayLead(other) &&
      other.stance === 'leading' &&
      precedes(ballot, other) &&
      (ballot.uplink === 'failed') === (other.uplink === 'failed'),
  );
}

/** How long one that precedes the leader waits before it claims: longer with each time that it has begun to wait. */
export function stableMs(returns: number): number {
  return Math.min(limits.stableFirstMs * 2 ** Math.max(0, returns - 1), limits.stableMaxMs);
}

/** The highest term known after hearing the standings of others. */
export function highestTerm(term: number, live: ReadonlyMap<NodeId, Standing>): number {
  let highest = term;
  for (const standing of live.values()) highest = Math.max(highest, standing.term);
  return highest;
}

/** The term of a new leadership. A higher one could not be put into a frame. */
export function nextTerm(term: number): number {
  return Math.min(term + 1, Number.MAX_SAFE_INTEGER);
}

/** A standing, and nothing else of what has one. */
export function standingOf({ isEligible, impairment, uplink, stance, term }: Standing): Standing {
  return { isEligible, impairment, uplink, stance, term };
}

export function isSameStanding(a: Standing, b: Standing): boolean {
  return (
    a.isEligible === b.isEligible &&
    a.impairment === b.impairment &&
    a.uplink === b.uplink &&
    a.stance === b.stance &&
    a.term === b.term
  );
}

function candidates(live: ReadonlyMap<NodeId, Standing>): (Candidate & Standing)[] {
  return [...live].map(([nodeId, standing]) => ({ nodeId, ...standing }));
}
