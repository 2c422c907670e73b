/**
 * Seals the secrets of remote peers again, now and whenever the peers change, for as long as this node leads: one node
 * is enough.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { ResealerInput } from '../actors/slots.js';
import { failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Randomness, Time, Timer } from '../ports/ports.js';
import { resealSecrets } from '../remote-peers/resealed-secrets.js';
import { watchRemotePeers } from '../remote-peers/watch-peers.js';

export function createResealer({ time, randomness }: { time: Time; randomness: Randomness }) {
  return fromCallback<EventObject, ResealerInput>(({ input: { parent, store, keys } }) => {
    if (keys === undefined) return;
    let isStopped = false;
    let retry: Timer | undefined;
    let last = Promise.resolve();
    const reseal = (): void => {
      retry?.cancel();
      // One after the other; otherwise two runs would seal the same secrets.
      last = last.then(() => (isStopped ? undefined : resealSecrets({ store, keys, randomness }))).catch(fail);
    };
    const fail = (error: unknown): void => {
      const failure = failureOf(error);
      if (isStopped || failure.code === 'storeClosed') return;
      parent.send({ type: 'resealing.failed', failure });
      // The old key may be dropped before the peers change again.
      retry = time.after(limits.resealRetryMs, reseal);
    };
    const stop = watchRemotePeers(store, reseal, fail);
    return () => {
      isStopped = true;
      retry?.cancel();
      stop();
    };
  });
}
