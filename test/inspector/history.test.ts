import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemTime } from '../../src/adapters/time.js';
import { type ActorState, Fold, recordsOf } from '../../src/inspector/fold.js';
import { boundsFor, History } from '../../src/inspector/history.js';
import { Recorder } from '../../src/inspector/recorder.js';
import type { InspectorRecord } from '../../src/inspector/records.js';
import { readTrace } from '../../src/inspector/trace.js';
import { createWorld } from '../../src/simulation/index.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'statemesh-inspector-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Records of a world in which one node is killed and another reconfigured. */
async function recorded(): Promise<InspectorRecord[]> {
  const records: InspectorRecord[] = [];
  const world = createWorld({ seed: 3, records: (record) => records.push(record) });
  const [a, b] = world.lan('office', ['node-a', 'node-b', 'node-c']);
  await world.run('3s');
  world.partition([a], [b]);
  await a.collection('things').put('k', { name: 'x' });
  world.crash(b);
  await world.run('2s');
  world.restart(b);
  await world.reconfigure(a, { nodeId: 'node-z' });
  world.heal();
  await world.run('3s');
  await world.close();
  return records;
}

function folded(records: readonly InspectorRecord[]): Fold {
  const fold = new Fold();
  for (const record of records) fold.add(record);
  return fold;
}

/** Everything except the time of the look, and what was new then. */
function stateOf({ actors, processes, charts, partition }: Fold) {
  const states = [...actors.values()].map(({ changed: _, startedAtMs: __, changedAtMs: ___, ...state }) => state);
  return { states, processes: [...processes.values()], charts: [...charts.keys()].sort(), partition };
}

const all = { linesMax: 1e9, charactersMax: 1e9 };
const few = { linesMax: 3, charactersMax: 1e9 };

describe('fold', () => {
  it('its own records -> lead to the same state', async () => {
    const records = await recorded();
    for (const count of [10, 500, 1_500, records.length]) {
      const fold = folded(records.slice(0, count));
      expect(stateOf(folded([...recordsOf(fold)]))).toEqual(stateOf(fold));
    }
  });

  it('a copy -> stays as it was while the original continues', async () => {
    const records = await recorded();
    const fold = folded(records.slice(0, 400));
    const copy = new Fold(fold);
    const [before, actors] = [stateOf(copy).states, copy.actors.size];
    for (const record of records.slice(400)) fold.add(record);
    expect(stateOf(copy).states).toEqual(before);
    expect(copy.actors.size).toBe(actors);
  });

  it('an actor that ends, in a fold or a copy -> all its descendants are gone, and the others stay', async () => {
    const fold = folded((await recorded()).slice(0, 1_500));
    const children = (parentId: string, { actors }: Fold): ActorState[] =>
      [...actors.values()]
        .filter((actor) => actor.parentId === parentId)
        .flatMap((actor) => [actor, ...children(actor.sessionId, { actors } as Fold)]);
    const parent = [...fold.actors.values()].find(({ logic }) => logic === 'membership') as ActorState;
    const below = children(parent.sessionId, fold).map(({ sessionId }) => sessionId);
    expect(below.length).toBeGreaterThan(3);
    const gone = new Set([parent.sessionId, ...below]);
    const { sessionId, rootId, node } = parent;
    for (const each of [new Fold(fold), fold]) {
      const others = [...each.actors.keys()].filter((id) => !gone.has(id));
      each.add({
        id: 1,
        node,
        atMs: each.atMs,
        type: '@xstate.snapshot',
        sessionId,
        rootId,
        event: { type: 'xstate.stop' },
        snapshot: { status: 'stopped' },
      });
      expect([...each.actors.keys()]).toEqual(others);
    }
  });

  it('a partition, and its end -> appear, and disappear', async () => {
    const records = await recorded();
    const partitions = records.flatMap((record) => (record.type === 'statemesh.world' ? [record.partition] : []));
    expect(partitions).toContainEqual([['node-a'], ['node-b']]);
    expect(folded(records).partition).toEqual([]);
  });

  it('a process that ended -> none of its state is left', async () => {
    const fold = folded(await recorded());
    expect(fold.actors.size).toBe(0);
    expect([...fold.processes.values()].every(({ isUp }) => !isUp)).toBe(true);
  });
});

describe('records of a world', () => {
  it('the same seed -> the same records', async () => {
    const [one, other] = [await recorded(), await recorded()];
    const differs = one.findIndex((record, index) => JSON.stringify(record) !== JSON.stringify(other[index]));
    expect([one.length, one[differs]]).toEqual([other.length, other[differs]]);
  });
});

describe('history', () => {
  it('a small heap -> keeps text of at most an eighth of it; a large heap -> 64 million characters', () => {
    const [small, large] = [boundsFor(96 * 1024 * 1024), boundsFor(4 * 1024 * 1024 * 1024)];
    expect(2 * small.charactersMax).toBe((96 * 1024 * 1024) / 8);
    expect(large).toEqual({ recordsMax: 100_000, charactersMax: 64 * 1024 * 1024 });
  });

  it('more records than it keeps -> its beginning and the rest lead to the same state as everything', async () => {
    const records = await recorded();
    const history = new History({ recordsMax: 300, charactersMax: 1e9 });
    for (const record of records) history.add(record);
    // The rest of the room is for readers that have begun earlier.
    expect(history.end - history.start).toBe(225);
    expect(history.end).toBe(records.length);
    const lines = [...history.beginning(), ...(history.read(history.start, all) ?? [])];
    expect(stateOf(folded(lines.map((line) => JSON.parse(line))))).toEqual(stateOf(folded(records)));
  });

  it('larger than its bound -> forgets all but the last record', () => {
    const history = new History({ recordsMax: 1_000, charactersMax: 500 });
    const tell = (what: string) => history.add({ id: 1, node: '', atMs: 0, type: 'statemesh.world', what });
    for (let index = 0; index < 50; index++) tell('x'.repeat(50));
    expect(history.end - history.start).toBeLessThan(10);
    tell('x'.repeat(5_000));
    expect(history.end - history.start).toBe(1);
  });

  it('forgotten records -> cannot be read any more; kept ones can, in pieces', () => {
    const history = new History({ recordsMax: 10, charactersMax: 1e6 });
    for (let id = 0; id < 20_000; id++) history.add({ id, node: '', atMs: 0, type: 'statemesh.world', what: '' });
    expect(history.read(0, few)).toBeUndefined();
    expect(history.read(19_990, few)?.map((line) => JSON.parse(line).id)).toEqual([19_990, 19_991, 19_992]);
    expect(history.read(20_000, few)).toEqual([]);
  });
});

describe('portions', () => {
  it('large records -> fewer at a time, but at least one', () => {
    const history = new History();
    for (let id = 0; id < 10; id++)
      history.add({ id, node: '', atMs: 0, type: 'statemesh.world', what: 'x'.repeat(1_000) });
    expect(history.read(0, { linesMax: 10, charactersMax: 3_000 })).toHaveLength(3);
    expect(history.read(0, { linesMax: 10, charactersMax: 10 })).toHaveLength(1);
  });
});

describe('recorder', () => {
  it('more records than fit into a file -> several files, each of which opens by itself and leads to the same end', async () => {
    const records = await recorded();
    const path = join(directory, 'trace.jsonl');
    const errors: unknown[] = [];
    const recorder = new Recorder({
      path,
      charactersMax: 200_000,
      filesMax: 3,
      time: systemTime(),
      onError: (error) => errors.push(error),
    });
    for (const record of records) recorder.add(JSON.stringify(record), record);
    recorder.close();
    expect(errors).toEqual([]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const file of [path, `${path}.1`, `${path}.2`]) expect((await readTrace(file)).records).toBeGreaterThan(10);
    expect(() => statSync(`${path}.3`)).toThrow();
    const last = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as InspectorRecord);
    expect(stateOf(folded(last))).toEqual(stateOf(folded(records)));
  });

  it('a missing directory -> is reported once, and recording ends', async () => {
    let tell: (error: unknown) => void = () => {};
    const told = new Promise((resolve) => {
      tell = resolve;
    });
    const path = join(directory, 'missing', 'trace.jsonl');
    const recorder = new Recorder({ path, time: systemTime(), onError: tell });
    const record: InspectorRecord = { id: 1, node: '', atMs: 0, type: 'statemesh.world', what: 'x' };
    recorder.add(JSON.stringify(record), record);
    expect(await told).toMatchObject({ code: 'ENOENT' });
    recorder.add(JSON.stringify(record), record);
    recorder.close();
  });
});
