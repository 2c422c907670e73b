/** What heartbeats report about live nodes: to which peers, when, and how much. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { following, HeartbeatMesh, latencyMs } from './heartbeat-mesh.js';

/** The time that news takes from node to node. */
const hopMs = limits.promptBeatMs + latencyMs;

function chain(nodes: string): HeartbeatMesh {
  const mesh = new HeartbeatMesh(nodes);
  mesh.participate(...nodes);
  for (let index = 1; index < nodes.length; index += 1) mesh.link(nodes[index - 1] as string, nodes[index] as string);
  return mesh;
}

describe('heartbeats and liveness', () => {
  it('no participant -> no presence, and no more than the regular heartbeats', () => {
    const mesh = new HeartbeatMesh('abc');
    mesh.link('a', 'b');
    mesh.link('b', 'c');
    mesh.run(2_500);
    mesh.cut('a', 'b');
    mesh.run(1_000);
    expect(mesh.sent.every(({ beat }) => beat.presence === undefined && beat.relayed.length === 0)).toBe(true);
    expect(mesh.sent.map(({ atMs }) => atMs % 1_000)).toEqual(mesh.sent.map(() => 0));
  });

  it('a known member state -> in each heartbeat, with a rising counter that is the same for all', () => {
    const mesh = new HeartbeatMesh('abc');
    mesh.participate(...'abc');
    mesh.mesh('abc');
    mesh.run(1_500);
    mesh.take();
    mesh.run(2_000);
    const beats = mesh.sent.filter(({ from }) => from === 'a').map(({ atMs, beat }) => [atMs, beat.presence?.counter]);
    const first = beats[0]?.[1] ?? 0;
    expect(beats).toEqual([
      [2_000, first],
      [2_000, first],
      [3_000, first + 1],
      [3_000, first + 1],
    ]);
    expect(mesh.sent[0]?.beat.presence).toMatchObject(following);
  });

  it('an idle mesh -> relays nothing, and sends no more than the regular heartbeats', () => {
    const mesh = new HeartbeatMesh('abcdef');
    mesh.participate(...'abcdef');
    mesh.mesh('abcdef');
    mesh.run(3_500);
    mesh.take();
    mesh.run(10_000);
    expect(mesh.sent).toHaveLength(10 * 6 * 5);
    expect(mesh.sent.filter(({ beat }) => beat.relayed.length > 0 || beat.neighbors !== undefined)).toEqual([]);
    expect([...'abcdef'].map((node) => mesh.live(node))).toEqual([
      'bcdef',
      'acdef',
      'abdef',
      'abcef',
      'abcdf',
      'abcde',
    ]);
  });

  it('an idle chain -> each node gets news of all others once per interval', () => {
    const mesh = chain('abcd');
    mesh.run(3_500);
    mesh.take();
    mesh.run(10_000);
    expect([...'abcd'].map((node) => mesh.live(node))).toEqual(['bcd', 'acd', 'abd', 'abc']);
    expect(mesh.sent).toHaveLength(10 * 6);
    const last = mesh.sent.filter(({ from, to }) => from === 'c' && to === 'd').at(-1);
    expect(last?.beat.relayed.map(({ nodeId }) => nodeId).sort()).toEqual(['a', 'b']);
  });

  it('a chain that forms -> all know all before any heartbeat is due', () => {
    const mesh = chain('abcd');
    mesh.run(4 * hopMs);
    expect([...'abcd'].map((node) => mesh.live(node))).toEqual(['bcd', 'acd', 'abd', 'abc']);
  });

  it('the end of a chain is lost -> all nodes know soon, however far away', () => {
    const mesh = chain('abcdef');
    mesh.run(5_300);
    mesh.kill('f');
    expect(mesh.live('e')).toBe('abcd');
    mesh.run(4 * hopMs);
    expect([...'abcde'].map((node) => mesh.live(node))).toEqual(['bcde', 'acde', 'abde', 'abce', 'abcd']);
  });

  it('two meshes with a bridge lose a node -> all nodes know soon, and only the bridge has relayed', () => {
    const mesh = new HeartbeatMesh('abcxyz');
    mesh.participate(...'abcxyz');
    mesh.mesh('abcx');
    mesh.mesh('xyz');
    mesh.run(5_300);
    mesh.take();
    mesh.run(3_000);
    expect(new Set(mesh.sent.filter(({ beat }) => beat.relayed.length > 0).map(({ from }) => from))).toEqual(
      new Set(['x']),
    );
    mesh.kill('z');
    mesh.run(2 * hopMs);
    expect([...'abcxy'].map((node) => mesh.live(node))).toEqual(['bcxy', 'acxy', 'abxy', 'abcy', 'abcx']);
  });

  it('one link of a mesh breaks -> the others vouch for both sides before any election could start', () => {
    const mesh = new HeartbeatMesh('abc');
    mesh.participate(...'abc');
    mesh.mesh('abc');
    mesh.run(5_300);
    mesh.cut('a', 'b');
    expect([mesh.live('a'), mesh.live('b')]).toEqual(['c', 'c']);
    mesh.run(limits.candidacyMs / 2);
    expect([mesh.live('a'), mesh.live('b')]).toEqual(['bc', 'ac']);
    mesh.run(10_000);
    expect([mesh.live('a'), mesh.live('b')]).toEqual(['bc', 'ac']);
  });

  it('a changed memberState -> is known at once by neighbors, and soon by all others', () => {
    const mesh = chain('abcd');
    mesh.run(5_300);
    mesh.say('a', { electionRole: 'claiming' });
    mesh.run(3 * hopMs);
    expect([...'bcd'].map((node) => mesh.memberState(node, 'a')?.electionRole)).toEqual([
      'claiming',
      'claiming',
      'claiming',
    ]);
  });

  it('many changes at once -> one more heartbeat for each neighbor, with the latest memberState', () => {
    const mesh = chain('ab');
    mesh.run(5_300);
    mesh.take();
    for (let term = 1; term <= 10; term += 1) mesh.say('a', { term });
    mesh.say('a', { term: 10 });
    mesh.run(500);
    expect(mesh.sent.map(({ atMs, from }) => [atMs, from])).toEqual([[5_300 + limits.promptBeatMs, 'a']]);
    expect(mesh.sent[0]?.beat.presence?.term).toBe(10);
  });

  it('a change that the tick has already sent -> no more heartbeats for it', () => {
    const mesh = chain('ab');
    mesh.run(5_980);
    mesh.take();
    mesh.say('a', { term: 1 });
    mesh.run(500);
    expect(mesh.sent.filter(({ from }) => from === 'a')).toHaveLength(1);
  });

  it('a cloud link -> exchanges nothing about live nodes and neighbors', () => {
    const mesh = new HeartbeatMesh('abz');
    mesh.participate(...'abz');
    mesh.link('a', 'z', { isLocal: false });
    mesh.link('a', 'b');
    mesh.run(3_500);
    const cloudy = mesh.sent.filter(({ from, to }) => from === 'z' || to === 'z');
    expect(cloudy.length).toBeGreaterThan(6);
    for (const { beat } of cloudy) {
      expect(beat).toMatchObject({ neighbors: undefined, presence: undefined, relayed: [] });
    }
    const neighbors = mesh.sent.filter(({ from }) => from === 'a').flatMap(({ beat }) => beat.neighbors ?? []);
    expect(new Set(neighbors)).toEqual(new Set(['b']));
    expect([mesh.live('a'), mesh.live('b'), mesh.live('z')]).toEqual(['b', 'a', '']);
  });

  it('a cloud link begins and ends -> the neighbors are the same, and are not sent again', () => {
    const mesh = new HeartbeatMesh('abz');
    mesh.participate(...'ab');
    mesh.link('a', 'b');
    mesh.run(1_500);
    mesh.take();
    mesh.link('a', 'z', { isLocal: false });
    mesh.run(1_000);
    mesh.cut('a', 'z');
    mesh.run(1_000);
    const toB = mesh.sent.filter(({ to }) => to === 'b');
    expect(toB.map(({ beat }) => beat.neighbors)).toEqual([undefined, undefined]);
  });

  it('one of two sources stops vouching -> relays to a node that hears the other source end soon', () => {
    const mesh = new HeartbeatMesh('mpqrx');
    mesh.participate(...'mpqrx');
    for (const [x, y] of ['px', 'qx', 'mp', 'mq', 'mr', 'pr'] as const) mesh.link(x as string, y as string);
    mesh.run(5_300);
    const relayed = () =>
      mesh.sent
        .filter(({ from, to }) => from === 'm' && to === 'r')
        .at(-1)
        ?.beat.relayed.map(({ nodeId }) => nodeId);
    expect(relayed()).toEqual(['q', 'x']);
    mesh.cut('q', 'x');
    mesh.run(4 * hopMs);
    expect(relayed()).toEqual(['q']);
    // Over several hops a counter rises no sooner than the heartbeats on the path.
    mesh.run(2_500);
    expect([...'mpqr'].map((node) => mesh.live(node))).toEqual(['pqrx', 'mqrx', 'mprx', 'mpqx']);
  });

  it('a participant that starts after its sessions -> knows at once what was received before', () => {
    const mesh = new HeartbeatMesh('abc');
    mesh.participate('b', 'c');
    mesh.link('a', 'b');
    mesh.link('b', 'c');
    mesh.run(1_500);
    expect(mesh.live('b')).toBe('c');
    mesh.participate('a');
    expect(mesh.live('a')).toBe('bc');
    mesh.run(2 * hopMs);
    expect(mesh.live('c')).toBe('ab');
  });

  it('a participant that stops -> soon counts as live no more at the other nodes', () => {
    const mesh = chain('abc');
    mesh.run(2_500);
    mesh.stopParticipating('a');
    mesh.run(2 * hopMs);
    expect([mesh.live('b'), mesh.live('c')]).toEqual(['c', 'b']);
  });

  it('this process was late -> peers whose heartbeats wait unread are not given up', () => {
    const mesh = chain('abc');
    mesh.run(2_500);
    const before = mesh.changes.length;
    mesh.clock.advanceTo(9_000);
    mesh.run(2_000);
    expect(mesh.changes.slice(before)).toEqual([]);
  });

  it('the last connection ends -> nothing is scheduled any more', () => {
    const mesh = chain('ab');
    mesh.run(2_500);
    mesh.say('a', { term: 3 });
    mesh.cut('a', 'b');
    mesh.run(latencyMs);
    expect(mesh.clock.nextAtMs).toBeUndefined();
  });
});
