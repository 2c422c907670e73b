/** Seals the secrets of remote peers again, now and whenever the peers change, for as long as this node leads: one is enough. */
import { type EventObject, fromCallback } from 'xstate';
import { type Failure, failureOf } from '../core/errors.js';
import type { Randomness } from '../protocol/ports.js';
import type { ResealerInput } from '../protocol/services.js';
import { resealSecrets } from './resealed-secrets.js';
import { watchRemotePeers } from './watch-remote-peers.js';

export function createResealer({ randomness }: { randomness: Randomness }) {
  return fromCallback<EventObject, ResealerInput>(({ input: { parent, store, keys } }) => {
    if (keys === undefined) return;
    let isStopped = false;
    let last = Promise.resolve();
    const report = (failure: Failure): void => {
      if (!isStopped && failure.code !== 'storeClosed') parent.send({ type: 'resealing.failed', failure });
    };
    const stop = watchRemotePeers(
      store,
      () => {
        // One after the other, or two would seal the same.
        last = last
          .then(() => (isStopped ? undefined : resealSecrets({ store, keys, randomness })))
          .catch((error) => report(failureOf(error)));
      },
      report,
    );
    return () => {
      isStopped = true;
      stop();
    };
  });
}
