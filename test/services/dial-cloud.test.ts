import { describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import type { DialCloudInput } from '../../src/actors/slots.js';
import { limits } from '../../src/core/limits.js';
import type { Connection, DialOptions, Network } from '../../src/ports/ports.js';
import { createDialCloud } from '../../src/services/dial-cloud.js';

function setup(changes: Partial<DialCloudInput>) {
  const dials: DialOptions[] = [];
  const answers: ((connection: Connection) => void)[] = [];
  const network = {
    dial(options: DialOptions) {
      dials.push(options);
      return new Promise<Connection>((resolve) => answers.push(resolve));
    },
  } as unknown as Network;
  const input = { address: 'cloud.example:9000', ca: 'pem', isPlaintextAllowed: false, ...changes };
  const actor = createActor(createDialCloud({ network }), { input });
  const ended = toPromise(actor);
  ended.catch(() => {});
  actor.start();
  return { actor, ended, dials, answers };
}

describe('dialCloud', () => {
  it('dialCloud: host:port, and wss:// -> TLS with a verified certificate', () => {
    const security = { kind: 'verified', ca: 'pem' };
    expect(setup({}).dials).toMatchObject([{ host: 'cloud.example', port: 9000, security, webSocketPath: undefined }]);
    expect(setup({ address: 'wss://cloud.example/sync' }).dials).toMatchObject([
      { host: 'cloud.example', port: 443, security, webSocketPath: '/sync' },
    ]);
  });

  it('dialCloud: not encrypted, on loopback and allowed -> without TLS', () => {
    const { dials } = setup({ address: 'ws://127.0.0.1:9000/sync', isPlaintextAllowed: true });
    expect(dials).toMatchObject([{ timeoutMs: limits.dialTimeoutMs }]);
    expect(dials).toMatchObject([{ host: '127.0.0.1', security: { kind: 'none' }, webSocketPath: '/sync' }]);
  });

  it.each([
    ['tcp://127.0.0.1:9000', false, 'plaintextRefused'],
    ['tcp://10.0.0.1:9000', true, 'plaintextRefused'],
    ['nowhere', true, 'peerInvalid'],
  ])(
    'dialCloud: %s, plaintext allowed %s -> %s, and no connection is dialed',
    async (address, isPlaintextAllowed, code) => {
      const { ended, dials } = setup({ address, isPlaintextAllowed });
      await expect(ended).rejects.toMatchObject({ code });
      expect(dials).toEqual([]);
    },
  );

  it('dialCloud: stopped, and it opens nevertheless -> the dial is aborted, and the open connection is closed', async () => {
    const { actor, dials, answers } = setup({});
    actor.stop();
    expect(dials[0]?.signal.aborted).toBe(true);
    let isDestroyed = false;
    const destroy = () => {
      isDestroyed = true;
    };
    answers[0]?.({ destroy } as unknown as Connection);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDestroyed).toBe(true);
  });
});
