/** Each provider over the real thing (files, a web server, signals), and its own particular cases. */
import { hash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import type { PeerNodeConfiguration } from '../../src/configuration/provider.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { Timer } from '../../src/ports/ports.js';
import { environmentConfiguration } from '../../src/providers/environment.js';
import { type FileConfiguration, fileConfiguration } from '../../src/providers/file.js';
import { mappedConfiguration } from '../../src/providers/mapped.js';
import { remoteConfiguration } from '../../src/providers/remote.js';
import { staticConfiguration } from '../../src/providers/static.js';
import { until } from '../contracts/network-sockets.js';
import { describeProvider, first, type ProviderHarness } from '../contracts/provider.contract.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'statemesh-providers-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const moved: PeerNodeConfiguration = { ...first, port: 9_009 };

describeProvider('static', async () => {
  const provider = staticConfiguration(first);
  return {
    provider,
    change: async (configuration) => provider.update(configuration),
    spoil: undefined,
    look: async () => {},
    leftovers: () => [],
    close: async () => {},
  };
});

describeProvider('mapped', async () => {
  const base = staticConfiguration(first);
  const provider = mappedConfiguration(base, (configuration) => {
    if (configuration.nodeId === 'bad') throw new Error('It cannot be.');
    return { ...configuration, host: '127.0.0.1' };
  });
  return {
    provider,
    change: async (configuration) => base.update(configuration),
    spoil: async () => base.update({ ...first, nodeId: 'bad' }),
    look: async () => {},
    leftovers: () => [],
    close: async () => {},
  };
});

describeProvider('environment', async () => {
  const variables = new Map<string, string>();
  const signals = new EventEmitter();
  const set = ({ nodeId, port, clusterKey = '', clusterSalt = '', eligible = true }: PeerNodeConfiguration) => {
    variables
      .set('STATEMESH_NODE_ID', nodeId)
      .set('STATEMESH_PORT', `${port}`)
      .set('STATEMESH_CLUSTER_KEY', clusterKey);
    variables.set('STATEMESH_CLUSTER_SALT', clusterSalt).set('STATEMESH_ELIGIBLE', eligible ? '' : 'false');
  };
  set(first);
  return {
    provider: environmentConfiguration({ environment: { get: (name) => variables.get(name) }, signals }),
    change: async (configuration) => set(configuration),
    spoil: async () => void variables.set('STATEMESH_PORT', 'ninety'),
    look: async () => void signals.emit('SIGHUP'),
    leftovers: () => (signals.listenerCount('SIGHUP') === 0 ? [] : ['SIGHUP']),
    close: async () => {},
  };
});

describe('environment', () => {
  test('its own prefix -> only its variables, and errors name them', async () => {
    const variables = new Map([
      ['TILL_NODE_ID', 'till-1'],
      ['STATEMESH_PORT', '9000'],
    ]);
    const provider = environmentConfiguration({ prefix: 'TILL_', environment: { get: (name) => variables.get(name) } });
    expect(await provider.getConfiguration()).toEqual({ nodeId: 'till-1' });
    variables.set('TILL_PORT', 'ninety');
    await expect(provider.getConfiguration()).rejects.toThrow(/TILL_PORT/);
  });
});

async function makeFileHarness(): Promise<ProviderHarness & { readonly path: string }> {
  const path = join(directory, 'statemesh.json');
  const write = (text: string) => writeFile(path, text);
  await write(JSON.stringify(first));
  const provider: FileConfiguration = fileConfiguration(path);
  return {
    path,
    provider,
    change: (configuration) => write(JSON.stringify(configuration)),
    spoil: () => write('{"nodeId": "half'),
    look: () => provider.reload(),
    leftovers: () => [],
    close: async () => {},
  };
}

function elapsed(ms: number): () => boolean {
  const startMs = performance.now();
  return () => performance.now() - startMs > ms;
}

describeProvider('file', makeFileHarness);

describe('file', () => {
  /** The changes that the watch alone reports. */
  async function noticed(change: (path: string) => Promise<void>, prepare?: (path: string) => Promise<string>) {
    const plain = join(directory, 'statemesh.json');
    await writeFile(plain, JSON.stringify(first));
    const path = (await prepare?.(plain)) ?? plain;
    const provider = fileConfiguration(path);
    await provider.getConfiguration();
    const heard: PeerNodeConfiguration[] = [];
    const stop = provider.onConfigurationChanged((configuration) => void heard.push(configuration));
    await until(elapsed(100));
    await change(path);
    await until(() => heard.length > 0);
    stop();
    return heard.map(({ port }) => port);
  }

  test('written in place -> noticed', async () => {
    expect(await noticed((path) => writeFile(path, JSON.stringify(moved)))).toEqual([9_009]);
  });

  test('another file renamed over it, as editors do -> noticed', async () => {
    const rename_ = async (path: string) => {
      await writeFile(`${path}~`, JSON.stringify(moved));
      await rename(`${path}~`, path);
    };
    expect(await noticed(rename_)).toEqual([9_009]);
  });

  test('deleted, and created again -> noticed; its short absence does no harm', async () => {
    const remake = async (path: string) => {
      await unlink(path);
      await until(elapsed(700));
      await writeFile(path, JSON.stringify(moved));
    };
    expect(await noticed(remake)).toEqual([9_009]);
  });

  test('half written at first -> the complete file is reported, and no trouble', async () => {
    const path = join(directory, 'statemesh.json');
    await writeFile(path, JSON.stringify(first));
    const provider = fileConfiguration(path);
    await provider.getConfiguration();
    const [heard, troubles]: [unknown[], unknown[]] = [[], []];
    const stop = provider.onConfigurationChanged((configuration) => void heard.push(configuration));
    provider.onTrouble?.((failure) => void troubles.push(failure));
    await writeFile(path, JSON.stringify(moved).slice(0, 20));
    provider.reload();
    await until(elapsed(100));
    await writeFile(path, JSON.stringify(moved));
    await until(() => heard.length > 0);
    expect(troubles).toEqual([]);
    stop();
  });

  test('a symbolic link on its path is swapped, as Kubernetes does -> noticed', async () => {
    const prepare = async (plain: string) => {
      await mkdir(join(directory, '..1'));
      await rename(plain, join(directory, '..1', 'statemesh.json'));
      await symlink('..1', join(directory, '..data'));
      await symlink(join('..data', 'statemesh.json'), plain);
      return plain;
    };
    const swap = async () => {
      await mkdir(join(directory, '..2'));
      await writeFile(join(directory, '..2', 'statemesh.json'), JSON.stringify(moved));
      await symlink('..2', join(directory, '..data_tmp'));
      await rename(join(directory, '..data_tmp'), join(directory, '..data'));
      await rm(join(directory, '..1'), { recursive: true });
    };
    expect(await noticed(swap, prepare)).toEqual([9_009]);
  });

  test('requested: missing, too large, not an object -> an error with the reason that quotes nothing', async () => {
    const path = join(directory, 'statemesh.json');
    const failureOf = (text: string | undefined) =>
      (text === undefined ? rm(path, { force: true }) : writeFile(path, text)).then(() =>
        fileConfiguration(path)
          .getConfiguration()
          .then(
            () => 'read',
            ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
          ),
      );
    expect(await failureOf(undefined)).toMatch(/^configurationUnreadable: .*ENOENT/);
    expect(await failureOf('[]')).toMatch(/^configurationUnreadable: .*not a JSON object/);
    expect(await failureOf('{"clusterKey": "s3cr3t"\n  oops')).toMatch(/not JSON \(line 2, column 3\)/);
    expect(await failureOf(' '.repeat(limits.configurationBytesMax + 1))).toMatch(/more than/);
    expect(await failureOf('{"clusterKey": "s3cr3t" oops')).not.toContain('s3cr3t');
  });
});

describe('remote', () => {
  const token = new Secret('a-token-of-the-shop');
  let server: Server;
  let requests: IncomingMessage[];
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let url: string;
  let alarms: (() => void)[];

  beforeEach(async () => {
    requests = [];
    alarms = [];
    answer = json(first);
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/shop-1.json`;
  });

  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
  });

  /** Polls on request. */
  const time = {
    now: () => 0,
    monotonicMs: () => 0,
    after: (_: number, callback: () => void): Timer => {
      alarms.push(callback);
      return { cancel: () => void alarms.splice(alarms.indexOf(callback) >>> 0, 1) };
    },
    soon: setImmediate,
    turn: () => new Promise<void>((resolve) => setImmediate(resolve)),
  };

  function provide(options: Partial<Parameters<typeof remoteConfiguration>[0]> = {}) {
    return remoteConfiguration({ url, token, cacheFile: join(directory, 'cache', 'kept.json'), time, ...options });
  }

  async function poll(): Promise<void> {
    const [alarm] = alarms.splice(0);
    alarm?.();
    await until(() => alarms.length > 0);
  }

  function json(configuration: unknown, status = 200) {
    return (request: IncomingMessage, response: ServerResponse) => {
      const body = typeof configuration === 'string' ? configuration : JSON.stringify(configuration);
      const etag = `"${hash('sha256', body, 'hex')}"`;
      if (status === 200 && request.headers['if-none-match'] === etag) response.writeHead(304).end();
      else response.writeHead(status, { etag }).end(body);
    };
  }

  describeProvider('remote', async () => ({
    provider: provide(),
    change: async (configuration) => {
      answer = json(configuration);
    },
    spoil: async () => {
      answer = json('<html>Not today.</html>');
    },
    look: poll,
    leftovers: () => (alarms.length === 0 ? [] : ['a timer']),
    close: async () => {},
  }));

  test('polled again -> with its ETag and its token; an unchanged configuration costs no body', async () => {
    const provider = provide();
    await provider.getConfiguration();
    const stop = provider.onConfigurationChanged(() => {});
    await poll();
    stop();
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(Array(2).fill('Bearer a-token-of-the-shop'));
    expect(requests.map(({ headers }) => headers['if-none-match'] !== undefined)).toEqual([false, true]);
  });

  test('the server is away at the start -> the kept configuration, and trouble', async () => {
    await provide().getConfiguration();
    const path = join(directory, 'cache', 'kept.json');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    answer = json('', 503);
    const troubles: string[] = [];
    const provider = provide();
    provider.onTrouble?.(({ message }) => void troubles.push(message));
    expect(await provider.getConfiguration()).toEqual(first);
    expect(troubles.join()).toMatch(/503.*kept/);
  });

  test('the server is away, but another URL was kept, or nothing -> an error', async () => {
    await provide().getConfiguration();
    answer = json('', 503);
    await expect(provide({ url: `${url}?other` }).getConfiguration()).rejects.toMatchObject({
      code: 'configurationUnreadable',
    });
    await rm(join(directory, 'cache'), { recursive: true });
    await expect(provide().getConfiguration()).rejects.toMatchObject({ code: 'configurationUnreadable' });
  });

  test('an invalid configuration, a refusal, another status -> never kept, never reported', async () => {
    const provider = provide();
    await provider.getConfiguration();
    const kept = await readFile(join(directory, 'cache', 'kept.json'), 'utf8');
    const [heard, troubles]: [unknown[], string[]] = [[], []];
    const stop = provider.onConfigurationChanged((configuration) => void heard.push(configuration));
    provider.onTrouble?.(({ message }) => void troubles.push(message));
    for (const bad of [json({ ...first, port: -1 }), json(first, 401), json(first, 404), json(first, 500)]) {
      answer = bad;
      await poll();
    }
    stop();
    expect(heard).toEqual([]);
    expect(troubles).toEqual([
      expect.stringContaining('port'),
      expect.stringContaining('401'),
      expect.stringContaining('404'),
      expect.stringContaining('500'),
    ]);
    expect(troubles.join()).not.toMatch(/a-token|secret of a cluster/);
    expect(await readFile(join(directory, 'cache', 'kept.json'), 'utf8')).toBe(kept);
  });

  test('trouble before there is a listener -> the first listener hears it, once', async () => {
    await provide().getConfiguration();
    answer = json('', 503);
    const provider = provide();
    await provider.getConfiguration();
    await provider.getConfiguration();
    const troubles: string[] = [];
    for (let times = 0; times < 2; times++) provider.onTrouble?.(({ message }) => void troubles.push(message));
    expect(troubles).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    provider.onTrouble?.(({ message }) => void troubles.push(message));
    await new Promise((resolve) => setImmediate(resolve));
    // By each of the two listeners that were subscribed at that time.
    expect(troubles).toEqual(Array(2).fill(expect.stringMatching(/503.*kept/)));
  });

  test('away, back and unchanged, away -> each absence is reported', async () => {
    const provider = provide();
    await provider.getConfiguration();
    const troubles: string[] = [];
    const stop = provider.onConfigurationChanged(() => {});
    provider.onTrouble?.(({ message }) => void troubles.push(message));
    for (const next of [json('', 503), json('', 503), json(first), json('', 503)]) {
      answer = next;
      await poll();
    }
    stop();
    expect(troubles).toHaveLength(2);
  });

  test('away, requested again by a caller that had an answer before -> the last good one, with or without a disk', async () => {
    for (const options of [{}, { cacheFile: undefined }]) {
      answer = json(first);
      const provider = remoteConfiguration({ url, time, cacheFile: join(directory, 'kept.json'), ...options } as never);
      await provider.getConfiguration();
      answer = json('', 503);
      expect(await provider.getConfiguration()).toEqual(first);
    }
  });

  test('the disk refuses it -> it is used, and that is reported once; kept as soon as the disk recovers', async () => {
    const blocked = join(directory, 'blocked');
    await writeFile(blocked, '');
    const cacheFile = join(blocked, 'kept.json');
    const provider = provide({ cacheFile });
    const [heard, troubles]: [unknown[], string[]] = [[], []];
    const stop = provider.onConfigurationChanged((configuration) => void heard.push(configuration));
    provider.onTrouble?.(({ message }) => void troubles.push(message));
    expect(await provider.getConfiguration()).toEqual(first);
    answer = json(moved);
    await poll();
    await poll();
    expect(heard).toEqual([moved]);
    expect(troubles).toEqual([expect.stringContaining('cannot be written')]);
    await rm(blocked);
    await poll();
    expect(JSON.parse(await readFile(cacheFile, 'utf8'))).toMatchObject({ configuration: moved });
    stop();
  });

  test('no listener while an answer is kept, then one subscribes -> the change is reported', async () => {
    let leave = (): void => {};
    const randomness = {
      ...systemRandomness(),
      // Drawn when an answer is about to be kept.
      token() {
        leave();
        return systemRandomness().token();
      },
    };
    const provider = provide({ randomness });
    await provider.getConfiguration();
    let left = 0;
    const stopFirst = provider.onConfigurationChanged(() => {});
    leave = () => {
      left += 1;
      stopFirst();
    };
    answer = json(moved);
    for (const alarm of alarms.splice(0)) alarm();
    await until(() => left > 0);
    const heard: unknown[] = [];
    const stop = provider.onConfigurationChanged((configuration) => void heard.push(configuration));
    await poll();
    stop();
    expect(heard).toEqual([moved]);
  });

  test('a part of a configuration -> refused, unless the check knows the rest; then it is kept, too', async () => {
    const { clusterKey, ...part } = first;
    answer = json(part);
    await expect(provide().getConfiguration()).rejects.toMatchObject({ code: 'clusterKeyMissing' });
    const check = (configuration: PeerNodeConfiguration) => parseConfiguration({ ...configuration, clusterKey });
    expect(await provide({ check }).getConfiguration()).toEqual(part);
    answer = json({ ...part, port: -1 });
    expect(await provide({ check }).getConfiguration()).toEqual(part);
  });

  test('a URL that is invalid or not encrypted -> refused before any request', () => {
    for (const bad of ['http://config.example.com/x.json', 'ftp://127.0.0.1/x', 'no URL', 'https://a:b@example.com/']) {
      expect(() => remoteConfiguration({ url: bad })).toThrow(
        expect.objectContaining({ code: 'configurationInvalid' }),
      );
    }
  });
});
