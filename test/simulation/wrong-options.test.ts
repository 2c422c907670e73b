/**
 * Every function that takes options refuses unknown fields and wrong types, and names the field that was probably
 * meant.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createNode,
  databasesLeftBehind,
  environmentConfiguration,
  examineDatabase,
  PeerType,
  quarantinedIn,
  remoteConfiguration,
  removeStoredPeer,
  repairDatabase,
  restoreDatabase,
  setDatabaseAside,
} from '../../src/index.js';
import { createInspector } from '../../src/inspector/index.js';
import {
  type Authority,
  createWorld,
  drawPlan,
  performPlan,
  playPlan,
  rules,
  runSwarm,
  scenarioOf,
  shrinkPlan,
  threadPlayer,
  type World,
  type WorldNode,
  workerPlayer,
} from '../../src/simulation/index.js';

const plan = drawPlan({ seed: 1, nodes: [1, 1], durationMs: 1 });
const line = { bytesPerSecond: 1, roundTripMs: 1 };
const client = { clientId: 'office', clientSecret: 'open sesame' };
const oAuth2 = { authority: 'https://id.example.com', clientId: 'shop', scopes: ['entgldb:sync'] };
const peer = { nodeId: 'b', address: 'h:1', type: PeerType.StaticRemote };
let world: World;
let office: WorldNode;
let authority: Authority;
beforeAll(() => {
  world = createWorld({ seed: 1 });
  [office] = world.lan('first', ['office']);
  authority = world.authority();
});
afterAll(() => world.close());

const offline = { dataDir: 'nowhere', nodeId: 'a' };
const url = 'https://config.example.com/a.json';
const nobody = createNode({ nodeId: 'a', security: 'none' });
const collection = nobody.collection('things');

/** [the function, its options, a misspelled field, the intended field, a field of a wrong type] */
const calls: readonly [string, (options: never) => unknown, object, string, string, object][] = [
  ['createWorld', createWorld, { seed: 1 }, 'eventMax', 'eventsMax', { seed: '1' }],
  ['lan', (options) => world.lan('office', ['a'], options), {}, 'topolgy', 'topology', { topology: 'tree' }],
  ['lan', (options) => world.lan('office', ['a'], options), {}, 'prot', 'port', { port: '9000' }],
  [
    'cloud',
    (options) => world.cloud(['c'], options),
    { authority: { register() {} } },
    'certficate',
    'certificate',
    { authority: 5 },
  ],
  ['authority', (options) => world.authority(options), {}, 'isuer', 'issuer', { lifetime: 'soon' }],
  ['until', (options) => world.until(() => true, options), { within: '1s' }, 'witin', 'within', { within: 'soon' }],
  ['settle', (options) => world.settle(options), { within: '1s' }, 'witin', 'within', { within: Number.NaN }],
  ['partition', (options) => world.partition([], [], options), {}, 'oneway', 'oneWay', { oneWay: 'true' }],
  ['weather', (options) => world.weather(options), {}, 'latency', 'latencyMs', { loss: 2 }],
  ['drawPlan', drawPlan, { seed: 1, nodes: [1, 2], durationMs: 1 }, 'fault', 'faults', { nodes: [2, 1] }],
  ['runSwarm', runSwarm, { from: 1, seeds: 0, plan: {}, players: [] }, 'seed', 'seeds', { from: '1' }],
  ['shrinkPlan', (options) => shrinkPlan({} as never, options), { breach: {} }, 'runMax', 'runsMax', { runsMax: -1 }],
  ['scenarioOf', (options) => scenarioOf({} as never, options), { breach: {} }, 'comand', 'command', { command: 1 }],
  ['workerPlayer', workerPlayer, { timer() {}, wallMs: 1 }, 'walMs', 'wallMs', { wallMs: '1' }],
  ['createInspector', createInspector, {}, 'prot', 'port', { port: '0' }],
  ['environmentConfiguration', environmentConfiguration, {}, 'perfix', 'prefix', { prefix: 1 }],
  ['remoteConfiguration', remoteConfiguration, { url }, 'interval', 'intervalMs', { intervalMs: '60s' }],
  ['restoreDatabase', restoreDatabase, { backup: 'b', dataDir: 'd' }, 'datadir', 'dataDir', { backup: null }],
  ['setDatabaseAside', setDatabaseAside, offline, 'nodeID', 'nodeId', { dataDir: '' }],
  ['examineDatabase', examineDatabase, { path: 'p', nodeId: 'a' }, 'onprogress', 'onProgress', { path: 5 }],
  ['databasesLeftBehind', databasesLeftBehind, offline, 'nodeID', 'nodeId', { dataDir: [] }],
  ['repairDatabase', repairDatabase, offline, 'nodeID', 'nodeId', { nodeId: 5 }],
  ['removeStoredPeer', (options) => removeStoredPeer(options, 'b'), offline, 'nodeID', 'nodeId', { nodeId: 5 }],
  ['quarantinedIn', quarantinedIn, offline, 'nodeID', 'nodeId', { nodeId: 5 }],
  [
    'strangers',
    (options) => world.strangers(office, options),
    { perSecond: 1, says: 'nothing' },
    'say',
    'says',
    { says: 'hello' },
  ],
  ['link', (options) => world.link(office, office, options), line, 'roundTrip', 'roundTripMs', { bytesPerSecond: -1 }],
  ['rule', (options) => world.rule(options), rules.lossy(1), 'plac', 'place', { place: 'top' }],
  ['latency', (options) => rules.latency(options), { kind: 'constant', ms: 1 }, 'mss', 'ms', { ms: '1' }],
  ['register', (options) => authority.register(options), client, 'scope', 'scopes', { scopes: 'a b' }],
  ['rotateKeys', (options) => authority.rotateKeys(options), {}, 'keepOld', 'keepsOld', { keepsOld: 'no' }],
  ['issue', (options) => authority.issue(options), { subject: 'office' }, 'audiences', 'audience', { audience: 5 }],
  ['playPlan', (options) => playPlan(plan, options), {}, 'traces', 'trace', { records: 'file' }],
  [
    'performPlan',
    (options) => performPlan(plan, options),
    { signal: AbortSignal.abort(), onStage() {}, onTurn() {} },
    'onturn',
    'onTurn',
    { signal: true },
  ],
  ['play of a thread', (options) => threadPlayer().play(plan, options), {}, 'tracefile', 'traceFile', { signal: 5 }],
  [
    'play of a worker',
    (options) => workerPlayer({ timer: () => ({ cancel() {} }), wallMs: 1 }).play(plan, options),
    {},
    'tracefile',
    'traceFile',
    { traceFile: 5 },
  ],
  ['saveRemotePeer', (options) => nobody.peerStore.saveRemotePeer(options), peer, 'adress', 'address', { address: 5 }],
  ['addCloudPeer', (options) => nobody.addCloudPeer('c', 'h:1', options), oAuth2, 'scope', 'scopes', { scopes: 'a b' }],
  ['collection', (options) => nobody.collection('things', options), {}, 'schme', 'schema', { schema: {} }],
];

/** [the function called with a wrong argument, the name of the argument] */
const misuses: readonly [string, () => unknown, string][] = [
  ['run for NaN', () => world.run(Number.NaN), 'duration'],
  ['run back in time', () => world.run('-1s'), 'duration'],
  ['lan of one text', () => world.lan('office', 'a' as never), 'nodeIds'],
  ['lan without a name', () => world.lan(undefined as never, ['a']), 'segment'],
  ['cloud of a name that is none', () => world.cloud(['a b'], { authority }), 'nodeIds'],
  ['bridge to nothing', () => world.bridge(office, '' as never), 'segment'],
  ['until of a value', () => world.until(true as never, { within: '1s' }), 'isTrue'],
  ['reconfiguring at another time', () => world.reconfiguring(office, {}, 'later' as never), 'isWritten'],
  ['spoil nothing', () => world.spoil(office, undefined as never), 'nodeId'],
  ['clog for a word', () => world.clog(office, office, 'long' as never), 'duration'],
  ['loss of nothing', () => world.loss(undefined as never), 'share'],
  ['inject without a port', () => world.inject('office', { bytes: new Uint8Array(), from: '' } as never), 'port'],
  ['environment of a text', () => world.environment(office, 'A=1' as never), 'variables'],
  ['crashAt another moment', () => world.crashAt(office, 'commits' as never), 'moment'],
  ['skew by NaN', () => world.skew(office, Number.NaN), 'duration'],
  ['occupy a text', () => world.occupy(office, '9000' as never), 'port'],
  ['vacate no port', () => world.vacate(office, 0), 'port'],
  ['failDisk in another way', () => world.failDisk(office, 'slow' as never), 'failure'],
  ['tear more than there is', () => world.tear(office, 2), 'shareKept'],
  ['lossy beyond all', () => rules.lossy(2), 'share'],
  ['reordering by nothing', () => rules.reordering(0.5, undefined as never), 'byMs'],
  ['latency of another kind', () => rules.latency({ kind: 'normal', ms: 1 } as never), 'kind'],
  ['latency without all', () => rules.latency({ kind: 'uniform', ms: 1 } as never), 'jitterMs'],
  ['slow by NaN', () => authority.slow(Number.NaN), 'by'],
  ['busy for less than nothing', () => authority.busy(-1), 'duration'],
  ['setLifetime to a word', () => authority.setLifetime('long' as never), 'lifetime'],
];

/** Requests to a node that does not run. */
const requests: readonly [string, (options: never) => unknown][] = [
  ['backUp', (options) => nobody.backUp(options)],
  ['reconfigure', (options) => nobody.reconfigure(options)],
  ['putMany', (options) => collection.putMany([], options)],
];

async function refusalOf(call: () => unknown): Promise<Error> {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('It was accepted.');
}

describe('options of functions', () => {
  test.each(calls)(
    '%s: a misspelled field, a wrong type, no object -> refused',
    async (_, call, right, misspelt, meant, wrong) => {
      for (const [options, message] of [
        [{ ...right, [misspelt]: 1 }, `Did you mean "${meant}"?`],
        [{ ...right, ...wrong }, Object.keys(wrong)[0] ?? ''],
        [null, 'takes'],
        [[], 'takes'],
        [Object.create(right), 'takes'],
        [new Map(), 'takes'],
      ] as const) {
        const error = await refusalOf(() => call(options as never));
        expect(error).toMatchObject({
          name: 'StatemeshError',
          code: expect.stringMatching(/^(request|configuration|peer)Invalid$/),
        });
        expect(error.message).toContain(message);
        expect(error.stack).toContain('wrong-options.test.ts');
      }
    },
  );

  test.each(misuses)('%s: -> refused, naming the argument', async (_, call, named) => {
    const error = await refusalOf(call);
    expect(error).toMatchObject({ name: 'StatemeshError', code: 'requestInvalid' });
    expect(error.message).toContain(named);
    expect(error.stack).toContain('wrong-options.test.ts');
  });

  test('createIndex: options, which no index has -> refused', async () => {
    const createIndex = nobody.collection('articles').createIndex as (...given: unknown[]) => Promise<void>;
    const error = await refusalOf(() => createIndex('name', { unique: true }));
    expect(error).toMatchObject({ code: 'queryInvalid', message: expect.stringContaining('createIndex') });
  });

  test('addCloudPeer: a wrong value -> names its field, and shows no part of it', async () => {
    for (const [field, wrong] of [
      ['authority', 5],
      ['clientId', null],
      ['clientSecret', 123456789],
      ['scopes', 'a b'],
      ['audience', ['a']],
    ] as const) {
      const error = await refusalOf(() => nobody.addCloudPeer('c', 'h:1', { ...oAuth2, [field]: wrong } as never));
      expect(error).toMatchObject({ code: 'peerInvalid', message: expect.stringContaining(`oAuth2.${field}`) });
      expect(error.message).not.toContain('123456789');
    }
  });

  test('reconfigure, start: refused later -> the line of the caller is in the stack', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'statemesh-options-'));
    const node = createNode({ nodeId: 'a', security: 'none', discovery: false, dataDir });
    const twin = createNode({ nodeId: 'a', security: 'none', discovery: false, dataDir });
    async function callsReconfigure() {
      await node.reconfigure({ prot: 1 } as never);
    }
    async function callsSetEligible() {
      await node.setEligible('no' as never);
    }
    async function callsStart() {
      await twin.start();
    }
    await node.start();
    try {
      for (const call of [callsReconfigure, callsSetEligible, callsStart]) {
        const error = await refusalOf(call);
        expect(error.name).toBe('StatemeshError');
        expect(error.stack).toMatch(new RegExp(`${call.name}.*wrong-options.test.ts`));
      }
    } finally {
      await node.stop();
      rmSync(dataDir, { recursive: true });
    }
  });

  test.each(requests)('%s: null, a list -> refused before anything happens', async (_, call) => {
    for (const options of [null, []]) {
      const error = await refusalOf(() => call(options as never));
      expect(error).toMatchObject({ code: expect.stringMatching(/^(request|configuration)Invalid$/) });
    }
  });
});
