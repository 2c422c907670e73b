/**
 * Who ought to lead: the rule of the bully election (Garcia-Molina, 1982), as in the seed document "Leader Election", with one
 * addition: a node whose way to the cloud has failed stands behind all whose has not.
 */
import { compareCodeUnits, type NodeId } from './ids.js';

/** A node's way to the cloud. `unknown`: it has not tried, or not for long enough to tell. */
export type Uplink = 'unknown' | 'ok' | 'failed';

/** `claiming`: asks the present leader to step down in its favour. */
export type Stance = 'following' | 'claiming' | 'leading';

/** What a node says of itself in every heartbeat. */
export interface Standing {
  /** Whether it may lead at all. */
  readonly isEligible: boolean;
  readonly uplink: Uplink;
  readonly stance: Stance;
  /** The highest term it knows of. Advisory: it tells two leaderships apart, and decides nothing. */
  readonly term: number;
}

export interface Candidate extends Pick<Standing, 'isEligible' | 'uplink'> {
  readonly nodeId: NodeId;
}

/** Whether one eligible node ought to lead rather than another: its uplink first, then the smaller NodeId by code units. */
export function precedes(a: Candidate, b: Candidate): boolean {
  const [aFailed, bFailed] = [a.uplink === 'failed', b.uplink === 'failed'];
  return aFailed === bFailed ? compareCodeUnits(a.nodeId, b.nodeId) < 0 : bFailed;
}

/** The one that ought to lead; undefined when nobody is eligible. */
export function rightfulLeader(candidates: Iterable<Candidate>): NodeId | undefined {
  let best: Candidate | undefined;
  for (const candidate of candidates) {
    if (candidate.isEligible && (best === undefined || precedes(candidate, best))) best = candidate;
  }
  return best?.nodeId;
}
