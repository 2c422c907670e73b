/** Wrong options of nodes and of calls on them: refused at once, in statemesh's words, with the caller's line. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fromPromise } from 'xstate';
import { systemPorts } from '../../src/actors/index.js';
import { createNode, type StatemeshError } from '../../src/index.js';

const right = { nodeId: 'shop-1', clusterKey: 'correct horse battery', clusterSalt: 'a salt of ours' };
const logger = { debug() {}, info() {}, warn() {}, error() {} };
const provider = { getConfiguration: async () => right, onConfigurationChanged: () => () => {} };

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

class Provider {
  getConfiguration = async () => right;
  onConfigurationChanged = () => () => {};
}

function refusalOf(configuration: unknown, extras?: unknown): StatemeshError {
  try {
    createNode(configuration as never, extras as never);
  } catch (error) {
    return error as StatemeshError;
  }
  throw new Error('It was accepted.');
}

describe('options of a node', () => {
  test('createNode: right options, undefined ones, a provider -> a node', () => {
    expect(createNode(right, { logger, inspect: () => {} }).state).toBe('configuring');
    expect(createNode({ ...right, lan: undefined } as never, { logger: undefined }).state).toBe('configuring');
    expect(createNode(provider, { logger }).state).toBe('configuring');
    expect(createNode(right, { services: { openStore: undefined } as never, ports: systemPorts() }).state).toBe(
      'configuring',
    );
    expect(createNode(new (class extends Provider {})()).state).toBe('configuring');
  });

  test.each([
    [{ ...right, nodeId: undefined }, 'Invalid configuration: nodeId: it is missing; it takes a text.'],
    [{}, 'Invalid configuration: nodeId: it is missing; it takes a text.'],
    [{ ...right, prot: 9000 }, 'Invalid configuration: configuration: "prot" is unknown. Did you mean "port"?'],
    [{ ...right, port: '9000' }, 'Invalid configuration: port: it takes a whole number, not the text "9000".'],
    [{ ...right, port: 70_000 }, 'Invalid configuration: port: it takes at most 65535, not 70000.'],
    [
      { ...right, port: -1, lan: 'yes' },
      'Invalid configuration: port: it takes at least 0, not -1; lan: it takes true or false, not the text "yes".',
    ],
    [{ ...right, port: 1.5 }, /port: it takes a whole number, not 1.5/],
    [{ ...right, port: Number.NaN }, /port: it takes a whole number/],
    [{ ...right, dataDir: '' }, /dataDir: it takes a text that is not empty/],
    [{ ...right, role: 'server' }, 'Invalid configuration: role: it takes "member" or "cloud", not the text "server".'],
    [{ ...right, knownPeers: {} }, 'Invalid configuration: knownPeers: it takes a list, not an object.'],
    [
      { ...right, knownPeers: [{ nodeId: 'a', adress: 'x' }] },
      /knownPeers.0.address: it is missing; it takes a text; .*"adress" is unknown; there are nodeId and address. Did you mean "address"\?/,
    ],
    [{ ...right, inspector: { prot: 1 } }, /inspector: "prot" is unknown; there are .*Did you mean "port"\?/],
    [{ ...right, clusterKey: 'too short' }, 'Invalid configuration: clusterKey: it takes at least 12 characters.'],
    [{ ...right, acceptedClusterKeys: ['secret'] }, /^(?!.*secret)/],
    [{ ...right, nodeId: 'a b' }, /nodeId: use 1 to .* not the text "a b"/],
    [{ ...right, logger }, 'Invalid configuration: logger: it belongs into the second argument, { logger }.'],
    [{ ...right, provider }, 'Invalid configuration: provider: pass it in place of the configuration itself.'],
    [
      { ...right, getConfiguration: 1 },
      /a provider is an object with getConfiguration\(\) and onConfigurationChanged\(\)/,
    ],
    [null, /it takes a plain object of fields, not null/],
    ['shop-1', /plain object/],
    [Object.create(right), /plain object/],
  ])("createNode: %j -> configurationInvalid in statemesh's words, with the line of the caller", (options, message) => {
    const error = refusalOf(options);
    expect(error).toMatchObject({ name: 'StatemeshError', code: 'configurationInvalid' });
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/expected|received|Invalid input/);
    expect(error.stack).toContain('node-options.test.ts');
  });

  test.each([
    [{ logger: {} }, /logger takes an object with debug\(\), info\(\), warn\(\) and error\(\)/],
    [{ inspect: 1 }, /inspect takes a function or an observer, not 1/],
    [{ loger: logger }, /"loger" is unknown.*Did you mean "logger"\?/],
    [{ ports: 1 }, /ports takes an object, not 1/],
    [{ ports: {} }, /Invalid ports: network is missing: it takes an object with listen\(\), dial\(\)/],
    [{ ports: { ...systemPorts(), time: {} } }, /Invalid ports: time takes an object with now\(\)/],
    [{ services: { openStor: fromPromise(async () => {}) } }, /Invalid services: .*Did you mean "openStore"\?/],
    [{ services: { openStore: 5 } }, /openStore takes actor logic of XState, not 5/],
    [{ services: { openStore: null } }, /openStore takes actor logic of XState, not null/],
    [null, /createNode/],
  ])(
    "createNode: extras %j -> configurationInvalid in statemesh's words, with the line of the caller",
    (extras, message) => {
      const error = refusalOf(right, extras);
      expect(error).toMatchObject({ name: 'StatemeshError', code: 'configurationInvalid' });
      expect(error.message).toMatch(message);
      expect(error.stack).toContain('node-options.test.ts');
    },
  );

  test('createNode: objects that throw when they are read -> configurationInvalid', () => {
    expect(refusalOf(revoked())).toMatchObject({ code: 'configurationInvalid', message: /it cannot be read/ });
    for (const name of ['logger', 'ports', 'services']) {
      expect(refusalOf(right, { [name]: revoked() })).toMatchObject({ code: 'configurationInvalid' });
    }
  });

  test('createNode: without a cluster key -> clusterKeyMissing at once', () => {
    expect(refusalOf({ nodeId: 'shop-1' })).toMatchObject({ code: 'clusterKeyMissing' });
  });

  test("on: '*' -> every nodeEvent", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'statemesh-options-'));
    const node = createNode({ nodeId: 'shop-1', security: 'none', discovery: false, dataDir });
    const types: string[] = [];
    const stop = node.on('*', ({ type }) => types.push(type));
    await node.start();
    await node.reconfigure({ logLevel: 'debug' });
    stop();
    await node.reconfigure({ logLevel: 'info' });
    const heard = [...types];
    await node.stop();
    rmSync(dataDir, { recursive: true });
    expect(heard).toContain('reconfiguration.finished');
    expect(types).toEqual(heard);
  });
});
