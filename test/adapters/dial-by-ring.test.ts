/** How a dial goes through its ring, with attempts of any duration. */
import { describe, expect, test } from '@jest/globals';
import { dialByRing, type SingleDialOptions } from '../../src/adapters/dial-by-ring.js';
import { type ErrorCode, StatemeshError } from '../../src/core/errors.js';
import type { Connection, DialSecurity } from '../../src/ports/ports.js';

const connection = {} as Connection;
const keyOf = (keyId: string) => ({ keyId, key: new Uint8Array(32) });
const ring: DialSecurity = { kind: 'psk', keys: ['first', 'second', 'third'].map(keyOf) };

interface Attempt {
  readonly by: string;
  readonly timeoutMs: number;
}

/** Dials with a timeout of a second. Each attempt takes some time and then fails with a code, or opens. */
async function dialWith(security: DialSecurity, attemptMs: number, outcomes: readonly (ErrorCode | undefined)[]) {
  let nowMs = 1_000;
  const attempts: Attempt[] = [];
  const once = async ({ security: used, timeoutMs }: SingleDialOptions): Promise<Connection> => {
    attempts.push({ by: used.kind === 'psk' ? used.key.keyId : used.kind, timeoutMs });
    nowMs += attemptMs;
    const code = outcomes[attempts.length - 1];
    if (code !== undefined) throw new StatemeshError(code, 'It failed.');
    return connection;
  };
  const options = { host: 'h', port: 1, timeoutMs: 1_000, signal: new AbortController().signal, security };
  const outcome = await dialByRing(options, once, () => nowMs).then(
    (opened) => opened,
    ({ code }: StatemeshError) => code,
  );
  return { outcome, attempts };
}

describe('dialByRing', () => {
  test('dial: wrong keys before the right one -> all share one timeout', async () => {
    expect(await dialWith(ring, 300, ['wrongClusterKey', 'wrongClusterKey', undefined])).toEqual({
      outcome: connection,
      attempts: [
        { by: 'first', timeoutMs: 1_000 },
        { by: 'second', timeoutMs: 700 },
        { by: 'third', timeoutMs: 400 },
      ],
    });
  });

  test('dial: the time is up before the last key -> that attempt has almost none', async () => {
    const { outcome, attempts } = await dialWith(ring, 600, [
      'wrongClusterKey',
      'wrongClusterKey',
      'connectionTimeout',
    ]);
    expect([outcome, attempts.map(({ timeoutMs }) => timeoutMs)]).toEqual(['connectionTimeout', [1_000, 400, 1]]);
  });

  test.each<ErrorCode>(['connectionTimeout', 'connectionRefused', 'connectionLost', 'cancelled'])(
    'dial: %s -> tells nothing about the key, so no other key is tried',
    async (code) => {
      const { outcome, attempts } = await dialWith(ring, 1, [code]);
      expect([outcome, attempts.length]).toEqual([code, 1]);
    },
  );

  test('dial: no key of the ring fits -> wrongClusterKey, each tried once', async () => {
    const { outcome, attempts } = await dialWith(ring, 1, ['wrongClusterKey', 'wrongClusterKey', 'wrongClusterKey']);
    expect([outcome, attempts.map(({ by }) => by)]).toEqual(['wrongClusterKey', ['first', 'second', 'third']]);
  });

  test('dial: without keys -> one attempt with the given options', async () => {
    expect(await dialWith({ kind: 'none' }, 1, [undefined])).toEqual({
      outcome: connection,
      attempts: [{ by: 'none', timeoutMs: 1_000 }],
    });
  });
});
