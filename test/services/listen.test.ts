import { describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import type { Configuration } from '../../src/configuration/schema.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Listening, Network } from '../../src/ports/ports.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { createListen } from '../../src/services/listen.js';

/** @param refuses Hosts at which this machine cannot listen, and why */
async function listenWith(
  configuration: Partial<Configuration>,
  refuses: Record<string, 'addressUnavailable' | 'portInUse'>,
) {
  const asked: string[] = [];
  const network = {
    listen: async ({ host }: { host: string }): Promise<Listening> => {
      asked.push(host);
      if (refuses[host] !== undefined) throw new StatemeshError(refuses[host], 'no');
      return { host, port: 1, protect: () => {}, close: async () => {} };
    },
  } as unknown as Network;
  const time = { monotonicMs: () => 0 };
  const randomness = { float: () => 0, token: () => '' };
  const logic = createListen({ network, time: time as never, randomness, acquaintances: new Acquaintances() });
  const input = {
    configuration: configuration as Configuration,
    security: { kind: 'none' },
    parent: { send: () => {} },
  };
  const actor = createActor(logic, { input: input as never }).start();
  const outcome = await toPromise(actor).then(
    ({ host }) => host,
    ({ code }) => code,
  );
  return { asked, outcome };
}

describe('listen', () => {
  it('lan -> both families; on a machine without IPv6 -> all interfaces of IPv4', async () => {
    expect(await listenWith({ lan: true }, {})).toEqual({ asked: ['::'], outcome: '::' });
    expect(await listenWith({ lan: true }, { '::': 'addressUnavailable' })).toEqual({
      asked: ['::', '0.0.0.0'],
      outcome: '0.0.0.0',
    });
  });

  it('lan and a port that is taken, or a configured host -> fails, and nothing else is tried', async () => {
    expect(await listenWith({ lan: true }, { '::': 'portInUse' })).toEqual({ asked: ['::'], outcome: 'portInUse' });
    expect(await listenWith({ lan: true, host: '::' }, { '::': 'addressUnavailable' })).toEqual({
      asked: ['::'],
      outcome: 'addressUnavailable',
    });
  });
});
