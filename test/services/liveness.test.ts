import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { LivenessReport } from '../../src/actors/mailboxes.js';
import { limits } from '../../src/core/limits.js';
import { createLiveness } from '../../src/services/liveness.js';
import { recorder } from '../machines/bench.js';
import { us } from '../machines/walk/samples.js';
import { following, HeartbeatMesh } from './heartbeat-mesh.js';

const electionIntervalMs = 5_000;

/** Node `b` with the service, among others. */
function setup(nodes: string) {
  const mesh = new HeartbeatMesh(nodes);
  const parent = recorder<LivenessReport>();
  const start = () => {
    const logic = createLiveness({ heartbeats: mesh.heartbeats.b as never, time: mesh.time });
    return createActor(logic, { input: { parent: parent.mailbox, identity: us, electionIntervalMs } }).start();
  };
  const reports = () => parent.take().map(({ live }) => Object.fromEntries(live));
  return { mesh, start, parent, reports };
}

describe('liveness', () => {
  it('a memberState is set -> the other nodes receive it soon', () => {
    const { mesh, start } = setup('ab');
    const actor = start();
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(100);
    expect(mesh.live('a')).toBe('');
    actor.send({ type: 'memberState.changed', memberState: { ...following, electionRole: 'leading', term: 4 } });
    mesh.run(100);
    expect(mesh.memberState('a', 'b')).toEqual({ ...following, electionRole: 'leading', term: 4 });
  });

  it('a node comes, changes, goes -> is reported each time, but not its counter', () => {
    const { mesh, start, reports } = setup('abc');
    start();
    mesh.participate('a', 'c');
    mesh.link('a', 'b');
    mesh.run(100);
    expect(reports()).toEqual([{ a: following }]);
    mesh.run(4_000);
    expect(reports()).toEqual([]);
    mesh.say('a', { uplink: 'failed' });
    mesh.run(100);
    expect(reports()).toEqual([{ a: { ...following, uplink: 'failed' } }]);
    mesh.link('a', 'c');
    mesh.run(200);
    expect(reports()).toEqual([{ a: { ...following, uplink: 'failed' }, c: following }]);
    mesh.cut('a', 'b');
    expect(reports()).toEqual([{}]);
  });

  it('a report -> does not change afterwards', () => {
    const { mesh, start, parent } = setup('ab');
    start();
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(100);
    mesh.cut('a', 'b');
    expect(parent.events.map(({ live }) => live.size)).toEqual([1, 0]);
  });

  it('no change -> is reported again every interval', () => {
    const { mesh, start, reports } = setup('b');
    start();
    mesh.run(3 * electionIntervalMs);
    expect(reports()).toEqual([{}, {}, {}]);
  });

  it('a start after the sessions -> reports the live nodes at once', () => {
    const { mesh, start, reports } = setup('ab');
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(100);
    start();
    expect(reports()).toEqual([{ a: following }]);
  });

  it('a stop -> no more reports, and the node counts as live no more', () => {
    const { mesh, start, reports } = setup('ab');
    const actor = start();
    actor.send({ type: 'memberState.changed', memberState: following });
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(100);
    expect(mesh.live('a')).toBe('b');
    reports();
    actor.stop();
    mesh.run(2 * limits.promptBeatMs);
    expect(mesh.live('a')).toBe('');
    mesh.cut('a', 'b');
    mesh.run(2 * electionIntervalMs);
    expect(reports()).toEqual([]);
    expect(mesh.clock.nextAtMs).toBeUndefined();
  });

  it('a restart -> the new one reports, and the counters continue', () => {
    const { mesh, start, reports } = setup('ab');
    const before = start();
    before.send({ type: 'memberState.changed', memberState: following });
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(1_500);
    const after = start();
    before.stop();
    after.send({ type: 'memberState.changed', memberState: { ...following, term: 1 } });
    mesh.run(100);
    expect(mesh.memberState('a', 'b')?.term).toBe(1);
    expect(reports().at(-1)).toEqual({ a: following });
    const counters = mesh.sent.filter(({ from }) => from === 'b').map(({ beat }) => beat.presence?.counter ?? 0);
    expect(counters.at(-1)).toBeGreaterThan(Math.max(...counters.slice(0, -1)));
  });

  it('another interval -> reports at that interval from then on', () => {
    const { mesh, start, reports } = setup('ab');
    const actor = start();
    mesh.participate('a');
    mesh.link('a', 'b');
    mesh.run(100);
    reports();
    actor.send({ type: 'electionInterval.changed', electionIntervalMs: 500 });
    mesh.run(1_600);
    expect(reports()).toHaveLength(3);
  });
});
