/** Files that a disk, a backup or a program has damaged: databases and traces. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import { allScopes } from '../../src/core/author.js';
import { decodeJson } from '../../src/core/document.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { recordSchema } from '../../src/inspector/collect.js';
import { History } from '../../src/inspector/history.js';
import { readTrace } from '../../src/inspector/trace.js';
import { examineDatabase } from '../../src/store/examination.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { anyJson, damaged, damagedText, orTreacherous, spoilt } from '../material.js';
import { must, refusing, type Target } from '../target.js';

const nodeId = 'fuzz' as NodeId;
const ambient = { nodeId, time: systemTime(), randomness: systemRandomness() };
const things = 'things' as CollectionName;

/** A file with entries in pages of its own, and another state of it in the WAL, as a crash leaves it. */
async function makeDatabase(directory: string): Promise<void> {
  const path = join(directory, 'fuzz.db');
  const store = await openSqliteStore({ ...ambient, path, walAutocheckpointPages: 4 });
  for (let index = 0; index < 40; index++) {
    const key = `k${index}` as DocumentKey;
    await store.write([{ kind: 'put', collection: things, key, payload: JSON.stringify({ text: 'x'.repeat(400) }) }]);
  }
  // Copied while it is open: closing would empty the WAL.
  for (const name of ['fuzz.db', 'fuzz.db-wal']) cpSync(join(directory, name), join(directory, `whole-${name}`));
  await store.close();
}

const databases: Target = {
  name: 'databases',
  promise: 'a damaged database is opened and read, or refused by code, and one that cannot be opened stays as it is',
  runs: 60,
  async open() {
    const directory = mkdtempSync(join(tmpdir(), 'statemesh-fuzz-'));
    await makeDatabase(directory);
    const [database, wal] = ['fuzz.db', 'fuzz.db-wal'].map((name) => readFileSync(join(directory, `whole-${name}`)));
    if (database === undefined || wal === undefined) throw new Error('There is no database.');
    const place = join(directory, 'place');
    const path = join(place, 'fuzz.db');
    const codes = ['databaseCorrupt', 'databaseForeign', 'databaseUnavailable'] as const;
    const use = async (): Promise<true> => {
      const store = await openSqliteStore({ ...ambient, path });
      try {
        await store.get(things, 'k1' as DocumentKey);
        await store.find(things, {});
        const range = { entriesMax: 10_000, bytesMax: 2 ** 30 };
        await store.read({ after: new Map(), scopes: allScopes, except: new Set(), ...range });
        await store.write([{ kind: 'put', collection: things, key: 'new' as DocumentKey, payload: '1' }]);
      } finally {
        await store.close();
      }
      return true;
    };
    return {
      close: async () => rmSync(directory, { recursive: true, force: true }),
      property: fc.asyncProperty(
        fc.oneof(
          fc.tuple(damaged(fc.constant(new Uint8Array(database))), fc.constant(wal)),
          fc.tuple(fc.constant(database), damaged(fc.constant(new Uint8Array(wal)))),
        ),
        async ([file, log]) => {
          rmSync(place, { recursive: true, force: true });
          mkdirSync(place);
          writeFileSync(path, file);
          writeFileSync(`${path}-wal`, log);
          const examined = await refusing(codes, () => examineDatabase({ ...ambient, path }));
          const isUsed = await refusing(codes, use);
          must(
            isUsed || examined === undefined || examined.damages.length > 0,
            'an examination reports the damage before the database is used',
          );
        },
      ),
    };
  },
};

const traces: Target = {
  name: 'traces',
  promise: 'a file is a trace that can be shown, or refused by code; records from strangers fold into a state',
  runs: 200,
  open() {
    const directory = mkdtempSync(join(tmpdir(), 'statemesh-fuzz-'));
    const fileNames = orTreacherous(fc.constant('trace.jsonl'));
    const stamp = { id: 1, node: 'a', atMs: 1 };
    const sent = { sessionId: 's', rootId: 's', parentId: 'p', cause: 1 };
    const records = [
      {
        ...stamp,
        ...sent,
        type: '@xstate.actor',
        name: 'n',
        logic: 'l',
        isMachine: true,
        snapshot: { value: { a: 'b' } },
      },
      { ...stamp, ...sent, type: '@xstate.event', event: { type: 'e', x: 1 } },
      {
        ...stamp,
        ...sent,
        type: '@xstate.snapshot',
        event: { type: 'e' },
        transitions: ['t'],
        delays: { d: 5 },
        snapshot: { status: 'active', value: 'c', context: { f: 1, g: null }, output: 1 },
      },
      { ...stamp, type: 'statemesh.chart', chart: { id: 'l', root: { id: 'l', states: [] } } },
      { ...stamp, type: 'statemesh.process', what: 'began' },
      { ...stamp, type: 'statemesh.world', what: 'split', partition: [['a'], ['b']] },
    ];
    const record = fc.oneof(...records.map((each) => spoilt(each, anyJson('type', 'value', 'context', 'snapshot'))));
    const deep = `{"id":1,"node":"a","atMs":1,"type":"statemesh.process","what":"began","more":${'['.repeat(9_999)}${']'.repeat(9_999)}}`;
    const line = fc.oneof(
      { arbitrary: record.map((value) => JSON.stringify(value) ?? ''), weight: 20 },
      fc.constant(deep),
    );
    return {
      close: async () => rmSync(directory, { recursive: true, force: true }),
      property: fc.asyncProperty(
        fileNames,
        fc.array(fc.oneof(line, damagedText(line)), { maxLength: 12 }),
        async (name, lines) => {
          const path = join(directory, name);
          writeFileSync(path, lines.join('\n'));
          await refusing(['traceInvalid'], () => readTrace(path));
          // As a collector does it, with bounds so narrow that nearly everything is folded.
          const history = new History({ recordsMax: 2, charactersMax: 10_000 });
          for (const text of lines) {
            const read = recordSchema.safeParse(decodeJson(text));
            if (read.success) history.add(read.data as never);
          }
          for (const text of history.beginning())
            must(recordSchema.safeParse(JSON.parse(text)).success, 'a picture is records');
        },
      ),
    };
  },
};

export const fileTargets: readonly Target[] = [databases, traces];
