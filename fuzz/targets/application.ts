/** Input from programs, files and users: configurations, documents, queries, imports and requests. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { systemTime } from '../../src/adapters/time.js';
import { configurationFields, fieldsOfEnvironment } from '../../src/configuration/fields.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import { parseConfigurationText } from '../../src/configuration/text.js';
import { readJson, readLines } from '../../src/control/body.js';
import { decodeDocument, encodeDocument } from '../../src/core/document.js';
import { messageOf } from '../../src/core/errors.js';
import type { DocumentKey, NodeId } from '../../src/core/ids.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { own } from '../../src/core/own.js';
import { createDatabase, type Database } from '../../src/database/database.js';
import { importLines } from '../../src/node/control-import.js';
import { createPeerManagement } from '../../src/remote-peers/management.js';
import { resealedSecretsCollection } from '../../src/remote-peers/resealed-envelope.js';
import { readWithResealedSecrets, resealSecrets } from '../../src/remote-peers/resealed-secrets.js';
import { readRemotePeers, remotePeersCollection, removedPeersCollection } from '../../src/remote-peers/stored-peers.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import {
  anyBytes,
  anyJson,
  damaged,
  damagedText,
  inPieces,
  orTreacherous,
  pieceSizes,
  spoilt,
  treacherousNames,
} from '../material.js';
import { must, passOnUnless, refusing, refusingNow, type Target } from '../target.js';

const clusterKey = 'the key that must not be told';
const example = {
  nodeId: 'till-1',
  clusterKey,
  clusterSalt: 'shop-salt',
  port: 9_000,
  discoveryPort: 25_000,
  lan: false,
  knownPeers: [{ nodeId: 'till-2', address: '10.0.0.2:9000' }],
  role: 'member',
  logLevel: 'info',
  initialRemotePeers: [{ nodeId: 'cloud', address: 'wss://cloud.example.com', type: 'CloudRemote' }],
  inspector: { port: 0 },
};
const fieldNames = [...configurationFields().map(({ name }) => name), '$schema', 'Address', 'NodeId', 'AuthToken'];
const refusals = ['configurationInvalid', 'configurationUnreadable', 'clusterKeyMissing', 'peerInvalid'] as const;

const configurations: Target = {
  name: 'configurations',
  promise: 'a configuration is accepted whole or refused by code, and no refusal contains the cluster key',
  runs: 1_000,
  open() {
    const whole = JSON.stringify(example, null, 2);
    const changed = spoilt(example, anyJson(...fieldNames)).map((value) => JSON.stringify(value) ?? '');
    return {
      property: fc.property(fc.oneof(damagedText(fc.constant(whole)), changed), (text) => {
        try {
          const { configuration } = parseConfiguration(parseConfigurationText(text, 'The configuration'));
          must(!JSON.stringify(configuration).includes(clusterKey), 'a checked configuration may be shown');
        } catch (error) {
          passOnUnless(refusals, error);
          must(!messageOf(error).includes(clusterKey), 'no refusal tells the key');
        }
      }),
    };
  },
};

const variables: Target = {
  name: 'variables',
  promise: 'environment variables are fields, or refused under the name of the variable',
  runs: 500,
  open: () => ({
    property: fc.property(
      fc.dictionary(
        orTreacherous(fc.constantFrom(...configurationFields().map(({ variable }) => variable))),
        fc.string(),
      ),
      (environment) => {
        refusingNow(refusals, () => {
          parseConfiguration(fieldsOfEnvironment((name) => own(environment, name)));
        });
      },
    ),
  }),
};

const documents: Target = {
  name: 'documents',
  promise: 'a written document reads back as it was given, or is refused by code',
  runs: 1_000,
  open: () => ({
    property: fc.property(
      fc.oneof(
        anyJson('toJSON'),
        fc.anything({ withDate: true, withBigInt: true, withMap: true, withTypedArray: true, withNullPrototype: true }),
      ),
      (value) => {
        const payload = refusingNow(['documentInvalid', 'documentTooLarge'], () => encodeDocument(value));
        if (payload === undefined) return;
        const read = decodeDocument(payload);
        must(read !== undefined && encodeDocument(read) === payload, 'a stored document reads back');
      },
    ),
  }),
};

/** A database of its own in a temporary directory, with documents in the collection `fuzz`. */
async function openDatabase(): Promise<{ database: Database; close(): Promise<void> }> {
  const directory = mkdtempSync(join(tmpdir(), 'statemesh-fuzz-'));
  const store = await openSqliteStore({
    path: join(directory, 'fuzz.db'),
    nodeId: 'fuzz' as NodeId,
    time: systemTime(),
    randomness: systemRandomness(),
  });
  const database = createDatabase(() => store);
  return {
    database,
    async close() {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const queries: Target = {
  name: 'queries',
  promise: 'a query returns as many documents as it counts, or is refused by code; it changes nothing',
  runs: 300,
  async open() {
    const { database, close } = await openDatabase();
    const fuzz = database.collection('fuzz');
    const things: [string, unknown][] = [
      ['a', { name: 'a%b_c\\', price: 1.5, tags: ['x'], open: true }],
      ['b', { name: 'A', price: 2 ** 53, nested: { city: 'Bremen', none: null } }],
      ['c', [1, 2]],
      ['d', 'text'],
      ['e', null],
      ['f', JSON.parse('{"__proto__":1,"name":"\\u0000"}')],
    ];
    await fuzz.putMany(things);
    const before = await database.contentDigest();
    const example = {
      where: {
        $or: [{ name: { $like: 'a%' } }, { $not: { 'nested.city': 'Bremen' } }],
        price: { $gt: 1, $in: [1.5, 2] },
      },
      orderBy: [{ field: 'price', descending: true }, 'name'],
      limit: 3,
      offset: 1,
    };
    const part = anyJson('$and', '$or', '$not', '$in', '$like', '$gt', '$eq', 'name', 'nested.city', 'price', 'field');
    return {
      close,
      property: fc.asyncProperty(spoilt(example, part), async (query) => {
        const found = await refusing(['queryInvalid'], () => fuzz.find(query as never));
        const { where, limit, offset } = (query ?? {}) as { where?: never; limit?: number; offset?: number };
        if (found !== undefined) {
          const matching = await fuzz.count(where);
          const expected = Math.min(Math.max(0, matching - (offset ?? 0)), limit ?? matching);
          must(found.length === expected, 'find and count agree');
        }
        must(isDeepStrictEqual(await database.contentDigest(), before), 'a query changes nothing');
      }),
    };
  },
};

const imports: Target = {
  name: 'imports',
  promise: 'an import writes every line before the first wrong one, and reports how many',
  runs: 100,
  async open() {
    const { database, close } = await openDatabase();
    const line = fc.oneof(
      { arbitrary: fc.tuple(fc.integer({ min: 0, max: 20 }), fc.jsonValue({ maxDepth: 2 })).map(lineOf), weight: 8 },
      { arbitrary: damagedText(fc.constant(lineOf([1, { a: 'ü' }]))), weight: 1 },
      { arbitrary: anyJson('key', 'document').map((value) => JSON.stringify(value)), weight: 1 },
    );
    const fuzz = database.collection('fuzz');
    return {
      close,
      property: fc.asyncProperty(fc.array(line, { maxLength: 8 }), pieceSizes, async (lines, sizes) => {
        const bytes = Buffer.from(lines.join('\n'));
        const body = Readable.from(inPieces(bytes, sizes), { objectMode: false });
        const options = { keyField: undefined, signal: new AbortController().signal };
        const before = (await database.contentDigest()).documents;
        let written = 0;
        const isDone = await refusing(['importInvalid', 'requestInvalid'], async () => {
          const progress = importLines(fuzz, { ...options, lines: readLines(body, limits.documentBytesMax) });
          for await (const step of progress) written = step.written;
          return true;
        });
        if (isDone)
          must(
            written === lines.filter((each) => each.trim() !== '').length || bytes.includes('\n\n'),
            'all were written',
          );
        must((await database.contentDigest()).documents >= before, 'an import deletes nothing');
      }),
    };
  },
};

function lineOf([key, document]: readonly [number, unknown]): string {
  return JSON.stringify({ key: treacherousNames[key] ?? `k${key}`, document });
}

const systemDocuments: Target = {
  name: 'system-documents',
  promise: 'documents of statemesh itself are used, removed or set aside, whatever they contain, and keep their names',
  runs: 100,
  async open() {
    const directory = mkdtempSync(join(tmpdir(), 'statemesh-fuzz-'));
    const randomness = systemRandomness();
    const place = { path: join(directory, 'fuzz.db'), nodeId: 'fuzz' as NodeId, time: systemTime() };
    const store = await openSqliteStore({ ...place, randomness });
    const keys = new ClusterKeys(new Uint8Array(32).fill(1));
    const management = createPeerManagement({ getStore: () => store, getKeys: () => keys, randomness });
    const peer = { NodeId: 'x', Address: 'h:1', Type: 2, OAuth2Json: '{"authority":"https://h"}', IsEnabled: true };
    const marker = { NodeId: 'x', IsRemoved: false, Decisions: 1, Envelope: 'sealed:' };
    const part = anyJson(...Object.keys(peer), ...Object.keys(marker));
    const payload = fc.oneof(spoilt(peer, part), spoilt(marker, part)).map((value) => JSON.stringify(value) ?? 'null');
    const collections = [remotePeersCollection, removedPeersCollection, resealedSecretsCollection];
    const document = fc.record({
      collection: fc.constantFrom(...collections),
      key: fc.oneof(fc.constantFrom('x', 'y'), fc.constantFrom(...treacherousNames)) as fc.Arbitrary<DocumentKey>,
      payload: fc.oneof(payload, damagedText(payload)),
    });
    return {
      async close() {
        await store.close();
        rmSync(directory, { recursive: true, force: true });
      },
      property: fc.asyncProperty(fc.array(document, { minLength: 1, maxLength: 4 }), async (documents) => {
        await store.write(documents.map((each) => ({ kind: 'put' as const, ...each })));
        const { peers, quarantined } = await readWithResealedSecrets(store);
        await resealSecrets({ store, keys, randomness });
        const names = [...peers.map(({ nodeId }) => nodeId), ...quarantined.map(({ documentKey }) => documentKey)];
        for (const name of names) await management.removeRemotePeer(name);
        const left = await readRemotePeers(store);
        must(
          left.peers.length === 0 && left.quarantined.length === 0,
          'a document that is removed by its name is gone',
        );
      }),
    };
  },
};

const bodies: Target = {
  name: 'bodies',
  promise: 'the body of a request is JSON within its limit, or refused by code',
  runs: 500,
  open() {
    const json = Buffer.from(JSON.stringify({ collection: 'things', key: 'k', document: { ü: [1, 2, { a: null }] } }));
    return {
      property: fc.asyncProperty(fc.oneof(anyBytes, damaged(fc.constant(json))), pieceSizes, async (bytes, sizes) => {
        const body = Readable.from(inPieces(bytes, sizes), { objectMode: false });
        const answer = await refusing(['requestInvalid'], () => readJson(body, 1_024));
        must(answer !== 'tooLarge' || bytes.length > 1_024, 'only a body above the limit is called too large');
      }),
    };
  },
};

export const applicationTargets: readonly Target[] = [
  ...[configurations, variables, documents, queries, imports, systemDocuments, bodies],
];
