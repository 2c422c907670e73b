/** The page's model: time, periods, the cluster as its actors describe it, and rows of the sequence. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { EventRecord, InspectorRecord } from '../../src/inspector/records.js';
import { createWorld } from '../../src/simulation/index.js';
import { mermaidOf } from '../../visualizer/src/events/mermaid.js';
import {
  arrowOf,
  Causes,
  everything,
  type Lane,
  matches,
  type Places,
  pathOf,
  Rows,
} from '../../visualizer/src/events/rows.js';
import { linksOf, nodesOf } from '../../visualizer/src/model/cluster.js';
import { StatelyConverter } from '../../visualizer/src/model/stately.js';
import { Timeline } from '../../visualizer/src/model/timeline.js';

let records: InspectorRecord[];
let timeline: Timeline;

beforeAll(async () => {
  const all: InspectorRecord[] = [];
  const world = createWorld({ seed: 11, records: (record) => all.push(record) });
  const [a, b, c] = world.lan('office', ['node-a', 'node-b', 'node-c']);
  await world.run('4s');
  await b.collection('things').put('k', { name: 'x' });
  world.partition([a], [b, c]);
  await world.run('10s');
  world.heal();
  await world.run('2s');
  world.crash(a);
  await world.run('5s');
  await world.reconfigure(b, { nodeId: 'node-z' });
  await world.run('2s');
  // Later records, from when the world is given up, are irrelevant.
  records = [...all];
  timeline = new Timeline();
  for (let index = 0; index < records.length; index += 137) timeline.add(records.slice(index, index + 137));
  world.abandon();
});

function sightAt(ms: number) {
  return nodesOf(timeline.foldAt(timeline.countAt(ms)), timeline.identities);
}

describe('timeline', () => {
  it('any moment, in any order -> the same state as the sum of all records before it', () => {
    for (const share of [0.9, 0.1, 0.5, 0.49, 0.51, 0, 1]) {
      const count = Math.floor(records.length * share);
      const fresh = new Timeline();
      fresh.add(records.slice(0, count));
      const [one, other] = [timeline.foldAt(count), fresh.foldAt(count)];
      expect([...one.actors.values()]).toEqual([...other.actors.values()]);
    }
  });

  it('its latest part -> leads to the same states, from its beginning to its end', () => {
    const part = timeline.latest(500);
    const states = (of: Timeline, fromEnd: number) =>
      [...of.foldAt(of.length - fromEnd).actors.values()].map(({ sessionId, value, context }) => ({
        sessionId,
        value,
        context,
      }));
    for (const fromEnd of [0, 100, 500]) expect(states(part, fromEnd)).toEqual(states(timeline, fromEnd));
    expect(part.length).toBeLessThan(1_000);
    expect([...part.identities]).toEqual(expect.arrayContaining([['node-b', { nodeId: 'node-z', role: 'member' }]]));
  });

  it('times -> never go back, and find their records again', () => {
    expect(timeline.times.every((time, index) => index === 0 || time >= (timeline.times[index - 1] as number))).toBe(
      true,
    );
    expect(timeline.timeAt(timeline.countAt(5_000))).toBeLessThanOrEqual(5_000);
    expect(timeline.hasWallClock).toBe(false);
  });

  it('leaders, the partition, and processes that are down -> bands with their times', () => {
    const bands = timeline.bands;
    const leaders = bands.filter(({ kind }) => kind === 'leader').map(({ label }) => label);
    expect(leaders.slice(0, 2)).toEqual(['node-a', 'node-b']);
    expect(bands.find(({ kind }) => kind === 'partition')).toMatchObject({ label: 'node-a | node-b node-c' });
    const down = bands.find(({ kind }) => kind === 'down');
    expect([down?.label, down?.toMs]).toEqual(['node-a', timeline.lastMs]);
    expect(bands.filter(({ kind }) => kind === 'world').map(({ label }) => label)).toContain('crash node-a');
  });
});

describe('cluster', () => {
  it('a mesh -> a leader, its followers, and a link for each pair', () => {
    const nodes = sightAt(4_000);
    expect(nodes.map(({ nodeId, election, isUp }) => [nodeId, election, isUp])).toEqual([
      ['node-a', 'leader', true],
      ['node-b', 'follower', true],
      ['node-c', 'follower', true],
    ]);
    const links = linksOf(nodes);
    expect(links.map(({ from, to }) => `${from} ${to}`)).toEqual(['node-a node-b', 'node-a node-c', 'node-b node-c']);
    expect(links.every(({ sessions }) => sessions.length === 2 && sessions.every(({ isCaughtUp }) => isCaughtUp))).toBe(
      true,
    );
  });

  it('a killed node -> down, under its last name; a renamed node -> under its new name', () => {
    const nodes = sightAt(timeline.lastMs);
    expect(nodes.map(({ node, nodeId, isUp }) => [node, nodeId, isUp])).toEqual([
      ['node-a', 'node-a', false],
      ['node-b', 'node-z', true],
      ['node-c', 'node-c', true],
    ]);
    expect(linksOf(nodes).map(({ from, to }) => `${from} ${to}`)).toEqual(['node-b node-c']);
  });
});

describe('rows', () => {
  const causes = new Causes();
  let places: Places;
  let lanes: Lane[];
  beforeAll(() => {
    while (!causes.advance(timeline.records, 1_000));
    lanes = ['node-a', 'node-b', 'node-c'].map((node) => ({ key: node, node, title: node, actor: undefined }));
    places = {
      lanes: new Map(lanes.map(({ key }, index) => [key, index])),
      directory: timeline.directory,
      causes,
      processOf: (nodeId) => (nodeId === 'node-z' ? 'node-b' : nodeId),
    };
  });

  function events(type: string): EventRecord[] {
    return records.filter(
      (record): record is EventRecord => record.type === '@xstate.event' && record.event.type === type,
    );
  }

  it('in pieces, as records come -> the same rows as at once', () => {
    const [pieces, whole] = [new Rows(everything), new Rows(everything)];
    while (!pieces.advance(timeline.records, timeline.directory, 333));
    expect(whole.advance(timeline.records, timeline.directory, 1e9)).toBe(true);
    expect(pieces.positions).toEqual(whole.positions);
    const middle = whole.positions[50] as number;
    expect([whole.rowBefore(middle), whole.rowBefore(middle - 1), whole.rowBefore(-1)]).toEqual([50, 49, -1]);
  });

  it.each([
    [{ type: 'frame.*' }, 'frame.batch', true],
    [{ type: 'frame.*' }, 'leadership.changed', false],
    [{ type: 'batch' }, 'frame.batch', true],
    [{ type: 'frame.b*h' }, 'frame.batch', true],
    [{ type: '(' }, 'frame.batch', false],
    [{ text: 'NODE-A' }, 'leadership.changed', true],
    [{ text: 'nowhere' }, 'leadership.changed', false],
    [{}, 'heartbeat.matched', false],
    [{ showsNoise: true }, 'heartbeat.matched', true],
    [{ type: 'heartbeat.matched' }, 'heartbeat.matched', true],
  ])('%j of %s -> %p', (filter, type, isMatched) => {
    const [record] = events(type);
    expect(matches({ ...everything, ...filter }, record as EventRecord, timeline.directory)).toBe(isMatched);
  });

  it('an actor -> its own events and those of its descendants, sent or received', () => {
    const election = [...timeline.directory.values()].find(({ logic }) => logic === 'election');
    const rows = new Rows({ ...everything, actor: election?.sessionId });
    rows.advance(timeline.records, timeline.directory, 1e9);
    const types = new Set(rows.positions.map((position) => (records[position] as EventRecord).event.type));
    expect(types.has('leadership.changed')).toBe(true);
    expect(types.has('frame.batch')).toBe(false);
  });

  it('a batch -> comes from the node at the other end; an event between actors of one node -> stays there', () => {
    const batch = events('frame.batch').find(({ node }) => node === 'node-a') as EventRecord;
    expect(arrowOf(batch, places)).toEqual({ from: 1, to: 0, isRemote: true, isTimer: false });
    const inside = events('leadership.changed')[0] as EventRecord;
    const arrow = arrowOf(inside, places);
    expect(arrow?.from).toBe(arrow?.to);
    const timer = records.find((record) => record.type === '@xstate.event' && record.sourceId === record.sessionId);
    expect(arrowOf(timer as EventRecord, places)?.isTimer).toBe(true);
    expect(pathOf(batch.sessionId, timeline.directory)).toMatch(/^membership\/session-\d+$/);
  });

  it('causes and effects -> lead from a batch to the write, and back', () => {
    const batch = events('frame.batch').find(({ node }) => node === 'node-a') as EventRecord;
    const effects = causes.effectsOf(batch).map((position) => records[position] as InspectorRecord);
    const next = effects.find((record): record is EventRecord => record.type === '@xstate.event') as EventRecord;
    expect(records[causes.causeOf(next) as number]).toBe(batch);
    expect(causes.types.get('frame.batch')).toBe(events('frame.batch').length);
  });

  it('a part of the sequence as Mermaid -> an arrow for each event', () => {
    const rows = new Rows({ ...everything, type: 'frame.*' });
    rows.advance(timeline.records, timeline.directory, 1e9);
    const some = rows.positions.slice(0, 20).map((position) => records[position] as InspectorRecord);
    const lines = mermaidOf(some, lanes, places).trimEnd().split('\n');
    expect(lines[0]).toBe('sequenceDiagram');
    expect(lines.filter((line) => /^ {2}(L\d|outside)(->>|-\))L\d: [^;#]+$/.test(line))).toHaveLength(20);
  });
});

describe('as Stately takes it', () => {
  it('all records -> an actor before all that happens to it, with whole snapshots', () => {
    const converter = new StatelyConverter();
    const [past, present] = [records.slice(0, 500), records.slice(500)];
    const begun = converter.begin(past);
    const converted = present.map((record) => ({ record, events: converter.convert(record) }));
    const events = [...begun, ...converted.flatMap((each) => each.events)];
    const known = new Set<string>();
    for (const event of events) {
      if (event.type === '@xstate.actor') known.add(event.sessionId);
      expect(known.has(event.sessionId) || event.type === '@xstate.event').toBe(true);
      expect(typeof event._version).toBe('string');
      expect(Number.isFinite(Number(event.createdAt))).toBe(true);
    }
    const snapshots = events.filter((event) => event.type === '@xstate.snapshot');
    // An actor that ended its parent is reported after both are gone: the parent's end was recorded first.
    const lost = converted.filter(
      ({ record, events: none }) => record.type === '@xstate.snapshot' && none.length === 0,
    );
    expect(lost.map(({ record }) => (record as { snapshot?: object }).snapshot)).toEqual(
      lost.map(() => ({ status: 'done' })),
    );
    expect(snapshots.length).toBe(present.filter(({ type }) => type === '@xstate.snapshot').length - lost.length);
    const machine = snapshots.findLast(({ sessionId }) => sessionId === 'node-c:3.1') as unknown as {
      snapshot: { context: object };
    };
    expect(Object.keys(machine.snapshot.context)).toContain('configured');
  });
});
