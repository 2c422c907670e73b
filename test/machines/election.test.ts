import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback } from 'xstate';
import type { LeadershipChanged, LivenessCommand } from '../../src/actors/mailboxes.js';
import { type MemberState, newcomer, usualCandidacy } from '../../src/core/election-rule.js';
import type { NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { electionMachine } from '../../src/machines/election.machine.js';
import { manualClock, recorder } from './bench.js';
import { ElectionCluster, newsMs } from './election-cluster.js';
import { us } from './walk/samples.js';

const { candidacyMs, hearingSteadyMs, stableFirstMs, stableMaxMs } = limits;

/** A cluster that has elected its leader and settled. */
function elected(nodes: string, options = {}): ElectionCluster {
  const cluster = new ElectionCluster(nodes, options).run(candidacyMs + hearingSteadyMs + 4 * newsMs);
  cluster.changes.length = 0;
  cluster.takeLeadersMax();
  return cluster;
}

/** The election of node `b`, with a liveness that the test plays. */
function setup() {
  const clock = manualClock();
  const parent = recorder<LeadershipChanged>();
  const memberStates: MemberState[] = [];
  let isBroken = false;
  const liveness = fromCallback<LivenessCommand>(({ receive }) =>
    receive((command) => {
      if (isBroken) throw new Error('It broke.');
      if (command.type === 'memberState.changed') memberStates.push(command.memberState);
    }),
  );
  const actor = createActor(electionMachine.provide({ actors: { liveness: liveness as never } }), {
    clock,
    input: { parent: parent.mailbox, identity: us, candidacy: usualCandidacy, electionIntervalMs: 5_000, term: 0 },
  }).start();
  const hear = (others: Record<string, Partial<MemberState>>) => {
    const live = new Map(Object.entries(others).map(([id, fields]) => [id as NodeId, { ...newcomer, ...fields }]));
    actor.send({ type: 'liveness.changed', live });
  };
  const breakDown = () => {
    isBroken = true;
  };
  return { actor, clock, parent, memberStates, hear, breakDown };
}

describe('election: no leader', () => {
  it('several nodes start -> the smallest leads after the candidacy, and all follow it', () => {
    const cluster = new ElectionCluster('bac').run(candidacyMs - 1);
    expect(cluster.leaders()).toBe('');
    cluster.run(1);
    expect(cluster.leaders()).toBe('a');
    cluster.run(newsMs);
    expect(cluster.followed()).toEqual(['a', 'a', 'a']);
    expect(cluster.states()).toEqual(['b: follower', 'a: leader', 'c: follower']);
  });

  it('a node alone -> leads', () => {
    const cluster = new ElectionCluster('c').run(candidacyMs);
    expect(cluster.changes).toEqual([{ atMs: candidacyMs, node: 'c', isLeader: true, leaderId: 'c', term: 1 }]);
  });

  it('a smaller one joins during the candidacy -> leads instead', () => {
    const cluster = new ElectionCluster('b').run(candidacyMs - newsMs - 1);
    cluster.add('a');
    cluster.run(2 * candidacyMs);
    expect(cluster.leaders()).toBe('a');
    expect(cluster.changes.filter(({ isLeader }) => isLeader).map(({ node }) => node)).toEqual(['a']);
  });

  it('the leader is lost -> the next one leads after the candidacy, in a later term', () => {
    const cluster = elected('abc');
    cluster.leave('a');
    cluster.run(candidacyMs);
    expect(cluster.changes).toMatchObject([
      { node: 'b', isLeader: false, leaderId: undefined },
      { node: 'c', isLeader: false, leaderId: undefined },
      { node: 'b', isLeader: true, leaderId: 'b', term: 2 },
    ]);
    cluster.run(newsMs);
    expect(cluster.followed()).toEqual(['a', 'b', 'b']);
  });

  it('settled -> no more reports', () => {
    const cluster = elected('abcd').run(10 * stableMaxMs);
    expect(cluster.changes).toEqual([]);
  });
});

describe('election: handing over', () => {
  it('a smaller one joins -> waits, claims, and leads once the leader has stepped down', () => {
    const cluster = elected('bc');
    cluster.add('a');
    cluster.run(newsMs + stableFirstMs - 1);
    expect(cluster.stateOf('a')).toBe('a: waiting');
    expect(cluster.leaders()).toBe('b');
    cluster.run(1);
    expect(cluster.memberState('a')?.electionRole).toBe('claiming');
    cluster.run(newsMs);
    expect(cluster.states()).toEqual(['b: follower', 'c: follower', 'a: claiming']);
    cluster.run(2 * newsMs);
    expect(cluster.leaders()).toBe('a');
    expect(cluster.takeLeadersMax()).toBe(1);
    cluster.run(newsMs);
    expect(cluster.followed()).toEqual(['a', 'a', 'a']);
    expect(cluster.changes.at(-1)?.term).toBe(2);
  });

  it('a larger one joins -> nothing changes', () => {
    const cluster = elected('ab');
    cluster.add('c');
    cluster.run(stableMaxMs);
    expect(cluster.changes).toMatchObject([{ node: 'c', isLeader: false, leaderId: 'a' }]);
  });

  it('the leader is lost while a smaller one waits -> it leads after the candidacy', () => {
    const cluster = elected('bc');
    cluster.add('a');
    cluster.run(newsMs + 500);
    cluster.leave('b');
    expect(cluster.stateOf('a')).toBe('a: canvassing');
    cluster.run(candidacyMs);
    expect(cluster.stateOf('a')).toBe('a: leader');
  });

  it('the leader is lost while a smaller one claims -> it leads at once', () => {
    const cluster = elected('bc');
    cluster.add('a');
    cluster.run(newsMs + stableFirstMs);
    cluster.leave('b');
    expect(cluster.stateOf('a')).toBe('a: leader');
  });

  it('the leader is lost while a smaller one claims, and an even smaller one is live -> the smallest leads', () => {
    const { actor, clock, hear } = setup();
    hear({ c: { electionRole: 'leading' } });
    clock.advance(stableFirstMs);
    expect(actor.getSnapshot().value).toEqual({ candidate: 'claiming' });
    hear({ a: {} });
    expect(actor.getSnapshot().value).toBe('follower');
  });

  it('a smaller one comes and goes 20 times, once a second -> the larger one leads throughout', () => {
    const cluster = elected('bc');
    cluster.add('a');
    for (let flap = 0; flap < 20; flap += 1) {
      cluster.run(500);
      cluster.leave('a');
      cluster.run(500);
      cluster.join('a');
    }
    expect(cluster.changes.filter(({ node }) => node !== 'a')).toEqual([]);
    expect(cluster.leaders()).toContain('b');
  });

  it('a smaller one is alone long enough to lead, each time -> the larger one leads throughout, too', () => {
    const cluster = elected('bc');
    cluster.add('a');
    for (let flap = 0; flap < 20; flap += 1) {
      cluster.run(400);
      cluster.leave('a');
      cluster.run(candidacyMs + 100);
      expect(cluster.leaders()).toBe('ba');
      cluster.join('a');
    }
    expect(cluster.changes.filter(({ node }) => node !== 'a')).toEqual([]);
  });

  it('a smaller one returns repeatedly -> waits twice as long each time, until a quiet time', () => {
    const cluster = elected('bc');
    cluster.add('a');
    const waits: number[] = [];
    for (let round = 0; round < 7; round += 1) {
      const beganAtMs = cluster.nowMs + newsMs;
      while (cluster.stateOf('a') !== 'a: claiming' && cluster.nowMs - beganAtMs < 2 * stableMaxMs) cluster.run(1);
      waits.push(cluster.nowMs - beganAtMs);
      // The claim is lost.
      cluster.leave('a');
      cluster.run(candidacyMs);
      cluster.join('a');
    }
    // The returning node leads, and notices the other leader first.
    const [first, ...others] = [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    expect(waits).toEqual([first, ...others.map((waitMs) => hearingSteadyMs + waitMs)]);
    cluster.run(hearingSteadyMs + stableMaxMs + 4 * newsMs);
    expect(cluster.leaders()).toBe('a');
    cluster.run(stableMaxMs);
    cluster.leave('a');
    cluster.run(candidacyMs + newsMs);
    cluster.join('a');
    cluster.run(newsMs + hearingSteadyMs + stableFirstMs);
    expect(cluster.stateOf('a')).toBe('a: claiming');
  });
});

describe('election: two leaders', () => {
  it('a partition heals -> the smaller gives way, waits, and leads again', () => {
    const cluster = elected('abcd');
    cluster.divide('ab', 'cd', true);
    cluster.run(5_000);
    expect(cluster.leaders()).toBe('ac');
    expect(cluster.followed()).toEqual(['a', 'a', 'c', 'c']);
    cluster.changes.length = 0;
    cluster.divide('ab', 'cd', false);
    cluster.run(hearingSteadyMs);
    expect(cluster.leaders()).toBe('ac');
    cluster.run(2 * newsMs);
    expect(cluster.leaders()).toBe('c');
    expect(cluster.followed()).toEqual(['c', 'c', 'c', 'c']);
    expect(cluster.stateOf('a')).toBe('a: waiting');
    cluster.takeLeadersMax();
    cluster.run(stableFirstMs + 4 * newsMs);
    expect(cluster.takeLeadersMax()).toBe(1);
    expect(cluster.followed()).toEqual(['a', 'a', 'a', 'a']);
    expect(cluster.changes.filter(({ node }) => node === 'a').map(({ term }) => term)).toEqual([2, 3]);
  });

  it('a follower sees both -> keeps its leader while that one leads', () => {
    const cluster = elected('abc');
    cluster.divide('c', 'ab', true);
    cluster.run(candidacyMs);
    cluster.add('d');
    cluster.divide('d', 'ab', true);
    cluster.run(2 * newsMs);
    expect(cluster.followed()[3]).toBe('c');
    cluster.divide('d', 'ab', false);
    cluster.run(2 * newsMs);
    expect(cluster.followed()[3]).toBe('c');
    cluster.cut('c', 'd');
    expect(cluster.followed()[3]).toBe('a');
  });

  it('the uplink of one of them has failed -> that one gives way, and the other stays', () => {
    const cluster = elected('abcd');
    cluster.divide('ab', 'cd', true);
    cluster.run(5_000);
    cluster.uplink('c', 'failed');
    cluster.run(candidacyMs + 2 * newsMs);
    expect(cluster.leaders()).toBe('ad');
    cluster.uplink('a', 'failed');
    cluster.uplink('b', 'failed');
    cluster.run(candidacyMs + 2 * newsMs);
    expect(cluster.leaders()).toBe('ad');
    cluster.changes.length = 0;
    cluster.divide('ab', 'cd', false);
    cluster.run(10_000);
    expect(cluster.leaders()).toBe('d');
    expect(cluster.changes.filter(({ node }) => node === 'd')).toEqual([]);
  });
});

describe('election: sessions that come and go', () => {
  it('a larger one leads each time it is alone, and returns for a moment -> the smaller one keeps leading', () => {
    const cluster = elected('ab');
    for (let round = 0; round < 20; round += 1) {
      cluster.leave('b');
      cluster.run(candidacyMs + newsMs);
      expect(cluster.leaders()).toBe('ab');
      cluster.join('b');
      cluster.run(newsMs + hearingSteadyMs - 1);
    }
    expect(cluster.changes.filter(({ node }) => node === 'a')).toEqual([]);
  });

  it('a smaller one claims as soon as it is heard -> the leader waits until it has been heard for a while', () => {
    const { actor, clock, hear } = setup();
    clock.advance(candidacyMs);
    expect(actor.getSnapshot().value).toBe('leader');
    for (let round = 0; round < 20; round += 1) {
      hear({ a: { electionRole: 'claiming' } });
      clock.advance(hearingSteadyMs - 1);
      expect(actor.getSnapshot().value).toBe('leader');
      hear({});
    }
    hear({ a: { electionRole: 'claiming' } });
    clock.advance(hearingSteadyMs);
    expect(actor.getSnapshot().value).toBe('follower');
  });

  it('this wait never delays a claim -> a claiming node has been heard for longer', () => {
    expect(hearingSteadyMs + 2 * newsMs).toBeLessThan(stableFirstMs);
  });
});

describe('election: a database that is impaired', () => {
  it('that of the leader -> it steps down at once with the reason, and the next one leads', () => {
    const cluster = elected('abc');
    cluster.impaired('a', 'diskFull');
    expect(cluster.stateOf('a')).toBe('a: observer');
    expect(cluster.memberState('a')).toMatchObject({ electionRole: 'following', impairment: 'diskFull' });
    cluster.run(2 * newsMs + candidacyMs);
    expect(cluster.followed()).toEqual(['b', 'b', 'b']);
    expect(cluster.takeLeadersMax()).toBe(1);
  });

  it('it recovers -> it waits, claims and leads again', () => {
    const cluster = elected('abc');
    cluster.impaired('a', 'databaseUnavailable');
    cluster.run(stableMaxMs);
    cluster.impaired('a', undefined);
    cluster.run(stableFirstMs - newsMs);
    expect(cluster.leaders()).toBe('b');
    cluster.run(4 * newsMs);
    expect(cluster.followed()).toEqual(['a', 'a', 'a']);
  });

  it('that of a follower, or of a node alone -> no other node changes, and a node alone does not lead', () => {
    const cluster = elected('abc');
    cluster.impaired('c', 'databaseCorrupt');
    cluster.run(stableMaxMs);
    expect(cluster.changes).toEqual([]);
    cluster.leave('c');
    cluster.run(stableMaxMs);
    cluster.join('c');
    cluster.run(stableMaxMs);
    expect(cluster.changes.filter(({ node }) => node !== 'c')).toEqual([]);
    expect(cluster.changes.filter(({ isLeader }) => isLeader)).toEqual([]);
  });

  it('it comes and goes 20 times, once a second -> one change of leader, not twenty', () => {
    const cluster = elected('abc');
    for (let flap = 0; flap < 20; flap += 1) {
      cluster.impaired('a', 'diskFull');
      cluster.run(500);
      cluster.impaired('a', undefined);
      cluster.run(500);
    }
    const leaders = cluster.changes.filter(({ isLeader }) => isLeader);
    expect(leaders.map(({ node }) => node)).toEqual(['b']);
  });
});

describe('election: uplinks', () => {
  it('one after the other fails -> each leads in turn, and in the end the smallest does, and stays', () => {
    const cluster = elected('abc');
    const order: string[] = [];
    for (const node of 'abc') {
      expect(cluster.leaders()).toBe(node);
      cluster.uplink(node, 'failed');
      cluster.run(stableFirstMs + candidacyMs + 4 * newsMs);
      order.push(cluster.leaders());
    }
    expect(order).toEqual(['b', 'c', 'a']);
    expect(cluster.takeLeadersMax()).toBe(1);
    cluster.changes.length = 0;
    cluster.run(10 * stableMaxMs);
    expect(cluster.changes).toEqual([]);
  });

  it('all have failed, and one is back -> it leads, soon', () => {
    const cluster = elected('abc');
    for (const node of 'abc') cluster.uplink(node, 'failed');
    cluster.run(20_000);
    expect(cluster.leaders()).toBe('a');
    cluster.uplink('c', 'ok');
    cluster.run(candidacyMs + 4 * newsMs);
    expect(cluster.leaders()).toBe('c');
    expect(cluster.takeLeadersMax()).toBe(1);
  });

  it('the uplink of the node that yielded recovers -> it leads again after a wait', () => {
    const cluster = elected('ab');
    cluster.uplink('a', 'failed');
    cluster.run(candidacyMs + 4 * newsMs);
    expect(cluster.leaders()).toBe('b');
    cluster.uplink('a', 'ok');
    cluster.run(stableFirstMs - newsMs);
    expect(cluster.leaders()).toBe('b');
    cluster.run(4 * newsMs);
    expect(cluster.leaders()).toBe('a');
  });

  it('the uplink of a node alone fails -> it keeps leading', () => {
    const cluster = elected('a');
    cluster.uplink('a', 'failed');
    cluster.run(stableMaxMs);
    expect(cluster.leaders()).toBe('a');
  });

  it('the uplink fails, and the only other node is not eligible -> it keeps leading', () => {
    const cluster = elected('ab', { ineligible: 'b' });
    cluster.uplink('a', 'failed');
    cluster.run(stableMaxMs);
    expect(cluster.changes).toEqual([]);
  });
});

describe('election: eligibility', () => {
  it('the smallest is not eligible -> observes, and the next one leads', () => {
    const cluster = new ElectionCluster('abc', { ineligible: 'a' }).run(stableFirstMs);
    expect(cluster.states()).toEqual(['a: observer', 'b: leader', 'c: follower']);
    expect(cluster.followed()).toEqual(['b', 'b', 'b']);
  });

  it('no node is eligible -> no leader', () => {
    const cluster = new ElectionCluster('ab', { ineligible: 'ab' }).run(stableMaxMs);
    expect(cluster.changes).toEqual([]);
  });

  it('the leader becomes ineligible -> steps down at once, and the next one leads', () => {
    const cluster = elected('ab');
    cluster.eligible('a', false);
    expect(cluster.leaders()).toBe('');
    expect(cluster.stateOf('a')).toBe('a: observer');
    cluster.run(newsMs + candidacyMs);
    expect(cluster.leaders()).toBe('b');
  });

  it('the smallest becomes eligible -> waits, claims, leads', () => {
    const cluster = elected('ab', { ineligible: 'a' });
    cluster.eligible('a', true);
    cluster.run(stableFirstMs + 4 * newsMs);
    expect(cluster.leaders()).toBe('a');
    expect(cluster.takeLeadersMax()).toBe(1);
  });

  it('a candidate becomes ineligible, in any state of its candidacy -> observes, and claims nothing', () => {
    for (const [waitMs, state] of [
      [newsMs, 'a: canvassing'],
      [newsMs + 500, 'a: waiting'],
      [newsMs + stableFirstMs, 'a: claiming'],
    ] as const) {
      const cluster = elected(state === 'a: canvassing' ? '' : 'b');
      cluster.add('a');
      cluster.run(waitMs);
      expect(cluster.stateOf('a')).toBe(state);
      cluster.eligible('a', false);
      expect(cluster.stateOf('a')).toBe('a: observer');
      expect(cluster.memberState('a')).toMatchObject({ electionRole: 'following', isEligible: false });
    }
  });
});

describe('election: reports', () => {
  it('a member state -> once for each change', () => {
    const { actor, memberStates, hear } = setup();
    hear({});
    actor.send({ type: 'uplink.changed', uplink: 'ok' });
    actor.send({ type: 'uplink.changed', uplink: 'ok' });
    expect(memberStates).toEqual([newcomer, { ...newcomer, uplink: 'ok' }]);
  });

  it('the leader stays the same -> no report, even if other facts change', () => {
    const { parent, hear } = setup();
    hear({ a: { electionRole: 'leading', term: 1 } });
    hear({ a: { electionRole: 'leading', term: 1, uplink: 'ok' }, c: {} });
    expect(parent.events).toEqual([{ type: 'leadership.changed', isLeader: false, leaderId: 'a', term: 1 }]);
  });

  it('the highest term of others -> adopted, and announced', () => {
    const { memberStates, hear } = setup();
    hear({ a: { term: 4 }, c: { term: 9 } });
    hear({ a: { term: 4 } });
    expect(memberStates.at(-1)).toMatchObject({ term: 9 });
    expect(memberStates).toHaveLength(2);
  });

  it('liveness fails -> reports no leader, and ends with the reason', () => {
    const { actor, parent, hear, breakDown } = setup();
    hear({ a: { electionRole: 'leading', term: 3 } });
    breakDown();
    actor.send({ type: 'uplink.changed', uplink: 'failed' });
    expect(actor.getSnapshot()).toMatchObject({
      status: 'done',
      value: 'failed',
      output: { failure: { code: 'internal' } },
    });
    expect(parent.events.at(-1)).toEqual({ type: 'leadership.changed', isLeader: false, leaderId: undefined, term: 3 });
  });
});
