/**
 * Which node ought to lead: the rule of the bully election (Garcia-Molina, 1982) with two additions. A node whose
 * uplink has failed ranks behind every node whose uplink has not. A node whose own database is impaired does not lead
 * at all. See docs/architecture.md.
 */
import type { ErrorCode } from './errors.js';
import { compareCodeUnits, type NodeId } from './ids.js';
import { limits } from './limits.js';

/** A node's connection to the cloud. `unknown`: the node has not tried, or not for long enough to tell. */
export type Uplink = 'unknown' | 'ok' | 'failed';

/** `claiming`: asks the present leader to step down in this node's favor. */
export type ElectionRole = 'following' | 'claiming' | 'leading';

/** What the configuration of a node says about its part in elections. */
export interface Candidacy {
  /** Whether the node may lead. */
  readonly isEligible: boolean;
}

/** What a node tells about itself in every heartbeat. */
export interface MemberState extends Candidacy {
  /** Why its own database cannot be read or written at present; undefined while it can. */
  readonly impairment?: ErrorCode | undefined;
  readonly uplink: Uplink;
  readonly electionRole: ElectionRole;
  /** The highest term that the node knows. Advisory: it tells two leaderships apart, and decides nothing. */
  readonly term: number;
}

/** The cluster as one node sees it: the node itself and the other live nodes. */
export interface ClusterView extends Candidate {
  readonly live: ReadonlyMap<NodeId, MemberState>;
}

export interface Candidate extends Pick<MemberState, keyof Candidacy | 'impairment' | 'uplink'> {
  readonly nodeId: NodeId;
}

/** The candidacy of a node with the default configuration. */
export const usualCandidacy: Candidacy = { isEligible: true };

/** The member state of a node that has heard and tried nothing yet. */
export const newcomer: MemberState = {
  ...usualCandidacy,
  impairment: undefined,
  uplink: 'unknown',
  electionRole: 'following',
  term: 0,
};

/** Whether a node can lead: its configuration allows it, and its database can keep what the node receives. */
export function mayLead({ isEligible, impairment }: Pick<MemberState, 'isEligible' | 'impairment'>): boolean {
  return isEligible && impairment === undefined;
}

/**
 * Whether one node ought to lead rather than another, given that both may lead: first by uplink, then by the smaller
 * NodeId in code units.
 */
export function precedes(a: Candidate, b: Candidate): boolean {
  const [aFailed, bFailed] = [a.uplink === 'failed', b.uplink === 'failed'];
  return aFailed === bFailed ? compareCodeUnits(a.nodeId, b.nodeId) < 0 : bFailed;
}

/** The node that ought to lead; undefined if none may lead. */
export function rightfulLeader(candidates: Iterable<Candidate>): NodeId | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (mayLead(candidate) && (best === undefined || precedes(candidate, best))) best = candidate;
  }
  return best?.nodeId;
}

/** Whether the node that holds this cluster view ought to lead. */
export function isRightful(view: ClusterView): boolean {
  return mayLead(view) && rightfulLeader([view, ...candidates(view.live)]) === view.nodeId;
}

/**
 * The live node that leads. The present leader stays the answer while it still leads; otherwise, of several leaders,
 * the one that precedes the others. Undefined when no live node leads.
 */
export function leaderAmong(live: ReadonlyMap<NodeId, MemberState>, present: NodeId | undefined): NodeId | undefined {
  const leading = candidates(live).filter((other) => mayLead(other) && other.electionRole === 'leading');
  return leading.some(({ nodeId }) => nodeId === present) ? present : rightfulLeader(leading);
}

/**
 * Whether a leading node must step down because its uplink has failed and another node's may work. If all uplinks have
 * failed, there is no better node, and it stays.
 */
export function mustYield({ uplink, live }: ClusterView): boolean {
  return uplink === 'failed' && candidates(live).some((other) => mayLead(other) && other.uplink !== 'failed');
}

/** Whether a node that precedes this one asks it to step down. */
export function isClaimed(view: ClusterView): boolean {
  return candidates(view.live).some(
    (other) => mayLead(other) && other.electionRole === 'claiming' && precedes(other, view),
  );
}

/**
 * Whether a leading node must step down because another node leads, too, as after a healed partition.
 *
 * Intuition: of two leaders, the one that precedes the other steps down, then waits before it claims. So a node that
 * comes and goes does not take the leadership each time. A leader whose uplink has failed does not count if ours has
 * not: it yields by itself.
 */
export function isSecondLeader(view: ClusterView): boolean {
  return candidates(view.live).some(
    (other) =>
      mayLead(other) &&
      other.electionRole === 'leading' &&
      precedes(view, other) &&
      (view.uplink === 'failed') === (other.uplink === 'failed'),
  );
}

/**
 * How long a node that precedes the leader waits before it claims. The wait doubles each time the node begins it again.
 */
export function stableMs(returns: number): number {
  return Math.min(limits.stableFirstMs * 2 ** Math.max(0, returns - 1), limits.stableMaxMs);
}

/** The highest term known after hearing the member states of other nodes. */
export function highestTerm(term: number, live: ReadonlyMap<NodeId, MemberState>): number {
  let highest = term;
  for (const memberState of live.values()) highest = Math.max(highest, memberState.term);
  return highest;
}

/** The term of a new leadership. It stops at the largest number that a frame can carry. */
export function nextTerm(term: number): number {
  return Math.min(term + 1, Number.MAX_SAFE_INTEGER);
}

/** Copies the member state out of an object that has more fields. */
export function memberStateOf({ isEligible, impairment, uplink, electionRole, term }: MemberState): MemberState {
  return { isEligible, impairment, uplink, electionRole, term };
}

export function isSameMemberState(a: MemberState, b: MemberState): boolean {
  return (
    a.isEligible === b.isEligible &&
    a.impairment === b.impairment &&
    a.uplink === b.uplink &&
    a.electionRole === b.electionRole &&
    a.term === b.term
  );
}

function candidates(live: ReadonlyMap<NodeId, MemberState>): (Candidate & MemberState)[] {
  return [...live].map(([nodeId, memberState]) => ({ nodeId, ...memberState }));
}
