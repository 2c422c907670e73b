/** Every function that takes options refuses unknown fields and wrong types, and says which field was probably meant. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createInspector,
  createNode,
  databasesLeftBehind,
  environmentConfiguration,
  examineDatabase,
  quarantinedIn,
  remoteConfiguration,
  removeStoredPeer,
  repairDatabase,
  restoreDatabase,
  setDatabaseAside,
} from '../../src/index.js';
import {
  createWorld,
  drawPlan,
  runSwarm,
  scenarioOf,
  shrinkPlan,
  type World,
  workerPlayer,
} from '../../src/simulation/index.js';

let world: World;
beforeAll(() => {
  world = createWorld({ seed: 1 });
});
afterAll(() => world.close());

const offline = { dataDir: 'nowhere', nodeId: 'a' };
const url = 'https://config.example.com/a.json';
const nobody = createNode({ nodeId: 'a', security: 'none' });
const collection = nobody.collection('things');

/** [what is called, its options, a misspelt field, what was meant, a field of a wrong type] */
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
  ['collection', (options) => nobody.collection('things', options), {}, 'schme', 'schema', { schema: {} }],
];

/** What a node that does not run is asked for. */
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
    '%s: a misspelt field, a wrong type, no object -> refused',
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
          code: expect.stringMatching(/^(request|configuration)Invalid$/),
        });
        expect(error.message).toContain(message);
        expect(error.stack).toContain('wrong-options.test.ts');
      }
    },
  );

  test.each(requests)('%s: null, a list -> refused before anything happens', async (_, call) => {
    for (const options of [null, []]) {
      const error = await refusalOf(() => call(options as never));
      expect(error).toMatchObject({ code: expect.stringMatching(/^(request|configuration)Invalid$/) });
    }
  });
});
