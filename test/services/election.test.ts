/** Elections over real heartbeats: the promises of the rules must hold with their delays and losses. */
import { describe, expect, it } from '@jest/globals';
import { type ActorRefFrom, createActor, fromCallback } from 'xstate';
import type { LeadershipChanged } from '../../src/actors/mailboxes.js';
import { usualCandidacy } from '../../src/core/election-rule.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { type ElectionMachine, electionMachine } from '../../src/machines/election.machine.js';
import { createLiveness } from '../../src/services/liveness.js';
import { HeartbeatMesh } from './heartbeat-mesh.js';

class Cluster extends HeartbeatMesh {
  /** Which nodes say that they lead, at each change. */
  readonly leaders: { atMs: number; leaders: string }[] = [];
  readonly elections: Readonly<Record<string, ActorRefFrom<ElectionMachine>>>;
  readonly #leadership: Record<string, LeadershipChanged> = {};

  constructor(nodes: string) {
    super(nodes);
    this.elections = Object.fromEntries([...nodes].map((node) => [node, this.#elect(node)]));
  }

  get leader(): string {
    return this.leaders.at(-1)?.leaders ?? '';
  }

  followed(): string {
    return Object.keys(this.elections)
      .map((node) => this.#leadership[node]?.leaderId ?? '-')
      .join('');
  }

  #elect(node: string): ActorRefFrom<ElectionMachine> {
    const parent = createActor(
      fromCallback<LeadershipChanged>(({ receive }) =>
        receive((event) => {
          this.#leadership[node] = event;
          const leaders = Object.entries(this.#leadership).flatMap(([id, { isLeader }]) => (isLeader ? [id] : []));
          if (leaders.join('') !== this.leader) {
            this.leaders.push({ atMs: this.clock.nowMs, leaders: leaders.sort().join('') });
          }
        }),
      ),
    ).start();
    const liveness = createLiveness({ heartbeats: this.heartbeats[node] as never, time: this.time });
    return createActor(electionMachine.provide({ actors: { liveness } }), {
      clock: this.time as never,
      input: {
        parent: parent as never,
        identity: { nodeId: node as NodeId, boot: `boot-${node}` as Boot, port: 1 },
        candidacy: usualCandidacy,
        electionIntervalMs: 5_000,
        term: 0,
      },
    }).start();
  }
}

describe('election over heartbeats', () => {
  it('a mesh starts -> the smallest leads, and no other node has led', () => {
    const cluster = new Cluster('abcde');
    cluster.mesh('abcde');
    cluster.run(10_000);
    expect(cluster.leaders.map(({ leaders }) => leaders)).toEqual(['a']);
    expect(cluster.followed()).toBe('aaaaa');
  });

  it('a chain starts, the smallest at one end and the next at the other -> one leader, which all follow', () => {
    const cluster = new Cluster('abcde');
    for (const [x, y] of ['ac', 'cd', 'de', 'eb'] as const) cluster.link(x as string, y as string);
    cluster.run(10_000);
    expect(cluster.leaders.map(({ leaders }) => leaders)).toEqual(['a']);
    expect(cluster.followed()).toBe('aaaaa');
  });

  it('the link between the leader and the next one breaks, in a mesh -> the leader leads throughout', () => {
    const cluster = new Cluster('abc');
    cluster.mesh('abc');
    cluster.run(10_300);
    cluster.cut('a', 'b');
    cluster.run(10_000);
    expect(cluster.leaders.map(({ leaders }) => leaders)).toEqual(['a']);
    expect(cluster.followed()).toBe('aaa');
  });

  it('the leader at the end of a chain dies -> the next one leads within a second', () => {
    const cluster = new Cluster('abcd');
    for (const [x, y] of ['ab', 'bd', 'cd'] as const) cluster.link(x as string, y as string);
    cluster.run(10_300);
    cluster.elections.a?.stop();
    cluster.kill('a');
    cluster.run(1_000);
    expect(cluster.followed().slice(1)).toBe('bbb');
  });

  it('a partition heals -> two leaders until then, one after it, and the smaller in the end, without an overlap', () => {
    const cluster = new Cluster('abcd');
    cluster.mesh('abcd');
    cluster.run(10_300);
    for (const [x, y] of ['ac', 'ad', 'bc', 'bd'] as const) cluster.cut(x as string, y as string);
    cluster.run(5_000);
    expect([cluster.leader, cluster.followed()]).toEqual(['ac', 'aacc']);
    for (const [x, y] of ['ac', 'ad', 'bc', 'bd'] as const) cluster.link(x as string, y as string);
    cluster.run(500);
    expect([cluster.leader, cluster.followed()]).toEqual(['ac', 'aacc']);
    cluster.run(limits.hearingSteadyMs);
    expect([cluster.leader, cluster.followed()]).toEqual(['c', 'cccc']);
    cluster.run(limits.stableFirstMs);
    expect(cluster.leaders.map(({ leaders }) => leaders)).toEqual(['a', 'ac', 'c', '', 'a']);
    expect(cluster.followed()).toBe('aaaa');
    const [stepped, followed] = cluster.leaders.slice(-2);
    expect((followed?.atMs ?? 0) - (stepped?.atMs ?? 0)).toBeLessThan(2 * limits.promptBeatMs);
  });

  it('the leader has no way to the cloud -> the next one leads within a second', () => {
    const cluster = new Cluster('abc');
    cluster.mesh('abc');
    cluster.run(10_300);
    cluster.elections.a?.send({ type: 'uplink.changed', uplink: 'failed' });
    cluster.run(1_000);
    expect(cluster.followed()).toBe('bbb');
  });

  it('the smallest comes and goes 20 times, once a second -> the larger one leads throughout', () => {
    const cluster = new Cluster('abc');
    cluster.mesh('bc');
    cluster.run(5_300);
    for (let flap = 0; flap < 20; flap += 1) {
      cluster.link('a', 'b');
      cluster.link('a', 'c');
      cluster.run(500);
      cluster.kill('a');
      cluster.run(500);
    }
    const since = cluster.leaders.filter(({ atMs }) => atMs > 5_300).map(({ leaders }) => leaders);
    expect(since.filter((leaders) => !leaders.includes('b'))).toEqual([]);
    expect(cluster.followed().slice(1)).toBe('bb');
  });
});
