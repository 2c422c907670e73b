import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  type Candidate,
  type ClusterView,
  highestTerm,
  isClaimed,
  isRightful,
  isSecondLeader,
  leaderAmong,
  type MemberState,
  mustYield,
  newcomer,
  nextTerm,
  precedes,
  rightfulLeader,
  stableMs,
} from '../../src/core/election-rule.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';

const [a, b, c] = ['a', 'b', 'c'] as [NodeId, NodeId, NodeId];

function memberState(fields: Partial<MemberState> = {}): MemberState {
  return { ...newcomer, ...fields };
}

function view(
  nodeId: NodeId,
  others: Record<string, Partial<MemberState>>,
  fields: Partial<Candidate> = {},
): ClusterView {
  const live = new Map(Object.entries(others).map(([id, other]) => [id as NodeId, memberState(other)]));
  return { ...newcomer, nodeId, ...fields, live };
}

const uplinks = fc.constantFrom('unknown', 'ok', 'failed');
const candidates = fc
  .record({
    nodeId: fc.constantFrom('a', 'B', 'b', 'b.1', 'c') as fc.Arbitrary<NodeId>,
    isEligible: fc.boolean(),
    uplink: uplinks,
  })
  .map((fields) => ({ ...newcomer, ...fields }) as Candidate);
const clusters = fc.uniqueArray(
  fc
    .record({
      nodeId: fc.constantFrom(...'abcdef') as fc.Arbitrary<NodeId>,
      isEligible: fc.boolean(),
      uplink: uplinks,
      electionRole: fc.constantFrom('following', 'claiming', 'leading'),
      term: fc.nat(3),
    })
    .map((fields) => ({ ...newcomer, ...fields }) as Candidate & MemberState),
  { selector: ({ nodeId }) => nodeId, minLength: 1 },
);

/** The cluster as each of its nodes sees it, if all see each other. */
function views(cluster: readonly (Candidate & MemberState)[]): (ClusterView & MemberState)[] {
  return cluster.map((self) => ({
    ...self,
    live: new Map(cluster.filter((other) => other !== self).map((other) => [other.nodeId, other])),
  }));
}

describe('which node ought to lead', () => {
  test('precedes: uplinks and NodeIds -> a node whose uplink has not failed first, then by code units', () => {
    const of = (nodeId: string, uplink: Candidate['uplink']) => ({ ...newcomer, nodeId: nodeId as NodeId, uplink });
    expect(precedes(of('z', 'unknown'), of('a', 'failed'))).toBe(true);
    expect(precedes(of('a', 'failed'), of('z', 'unknown'))).toBe(false);
    expect(precedes(of('a', 'unknown'), of('b', 'ok'))).toBe(true);
    expect(precedes(of('Z', 'ok'), of('a', 'ok'))).toBe(true);
    expect(precedes(of('a', 'failed'), of('b', 'failed'))).toBe(true);
  });

  test('precedes: any two nodes -> exactly one precedes; any three nodes -> a consistent order', () => {
    fc.assert(
      fc.property(candidates, candidates, candidates, (x, y, z) => {
        if (x.nodeId !== y.nodeId) expect(precedes(x, y)).toBe(!precedes(y, x));
        if (precedes(x, y) && precedes(y, z)) expect(precedes(x, z)).toBe(true);
      }),
    );
  });

  test('rightful leader: any nodes, in any order -> an eligible one, and only that node finds itself rightful', () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const leader = rightfulLeader(cluster);
        expect(rightfulLeader([...cluster].reverse())).toBe(leader);
        const rightful = views(cluster).filter(isRightful);
        expect(rightful.map(({ nodeId }) => nodeId)).toEqual(leader === undefined ? [] : [leader]);
      }),
    );
  });
});

describe('which node leads', () => {
  test('leader among: the present leader and a preceding one lead -> the present one stays', () => {
    const { live } = view(c, { a: { electionRole: 'leading' }, b: { electionRole: 'leading' } });
    expect(leaderAmong(live, b)).toBe(b);
    expect(leaderAmong(live, undefined)).toBe(a);
    expect(leaderAmong(live, c)).toBe(a);
  });

  test('leader among: the leader is gone, follows, or is not eligible -> it leads no more', () => {
    expect(leaderAmong(new Map(), b)).toBeUndefined();
    expect(leaderAmong(view(a, { b: {} }).live, b)).toBeUndefined();
    expect(leaderAmong(view(a, { b: { electionRole: 'leading', isEligible: false } }).live, b)).toBeUndefined();
    expect(leaderAmong(view(a, { b: { electionRole: 'claiming' } }).live, b)).toBeUndefined();
  });
});

describe('when a leader steps down', () => {
  test('its uplink has failed -> steps down if an eligible node has one that has not', () => {
    const failed = { uplink: 'failed' } as const;
    expect(mustYield(view(a, { b: {} }, failed))).toBe(true);
    expect(mustYield(view(a, { b: failed, c: { isEligible: false } }, failed))).toBe(false);
    expect(mustYield(view(a, {}, failed))).toBe(false);
    expect(mustYield(view(b, { a: { uplink: 'ok' } }))).toBe(false);
  });

  test('a node claims -> the leader steps down if that node is eligible and precedes it', () => {
    expect(isClaimed(view(b, { a: { electionRole: 'claiming' } }))).toBe(true);
    expect(isClaimed(view(b, { a: { electionRole: 'claiming', isEligible: false } }))).toBe(false);
    expect(isClaimed(view(b, { a: { electionRole: 'claiming', uplink: 'failed' } }))).toBe(false);
    expect(isClaimed(view(b, { a: {}, c: { electionRole: 'claiming' } }))).toBe(false);
  });

  test('another node leads -> the one that precedes steps down, unless the other must yield anyway', () => {
    expect(isSecondLeader(view(a, { b: { electionRole: 'leading' } }))).toBe(true);
    expect(isSecondLeader(view(b, { a: { electionRole: 'leading' } }))).toBe(false);
    expect(isSecondLeader(view(b, { a: { electionRole: 'leading', uplink: 'failed' } }))).toBe(false);
    expect(isSecondLeader(view(a, { b: { electionRole: 'leading', uplink: 'failed' } }, { uplink: 'failed' }))).toBe(
      true,
    );
  });

  test('any leaders that see each other -> one stays, or there is a better node to yield to', () => {
    fc.assert(
      fc.property(clusters, (cluster) => {
        const leaders = views(cluster).filter(
          ({ electionRole, isEligible }) => electionRole === 'leading' && isEligible,
        );
        const staying = leaders.filter((leader) => !mustYield(leader) && !isSecondLeader(leader));
        const others = cluster.some(({ isEligible, uplink }) => isEligible && uplink !== 'failed');
        expect(staying.length).toBeLessThanOrEqual(1);
        if (leaders.some(({ uplink }) => uplink !== 'failed') || (leaders.length > 0 && !others)) {
          expect(staying).toHaveLength(1);
        }
      }),
    );
  });
});

describe('how long it takes', () => {
  test('stable wait: each return -> twice as long, up to the maximum', () => {
    expect([1, 2, 3, 5, 6, 7, 1_000].map(stableMs)).toEqual([2_000, 4_000, 8_000, 32_000, 60_000, 60_000, 60_000]);
    expect(stableMs(0)).toBe(limits.stableFirstMs);
  });

  test('term: terms of other nodes -> the highest, and the next one fits into a frame', () => {
    expect(highestTerm(3, view(a, { b: { term: 7 }, c: { term: 2 } }).live)).toBe(7);
    expect(highestTerm(9, view(a, { b: { term: 7 } }).live)).toBe(9);
    expect(nextTerm(7)).toBe(8);
    expect(nextTerm(Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER);
  });
});
