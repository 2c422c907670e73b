/**
 * Follows whether the database takes writes. Looks now and then, too: files vanish without a word, and a disk that has room again is
 * noticed by trying only.
 */
import { type EventObject, fromCallback } from 'xstate';
import { limits } from '../core/limits.js';
import type { Time, Timer } from '../protocol/ports.js';
import type { StoreHealthInput } from '../protocol/services.js';

export function createStoreHealth({ time }: { time: Pick<Time, 'after'> }) {
  return fromCallback<EventObject, StoreHealthInput>(({ input: { store, parent } }) => {
    let told: string | undefined;
    let timer: Timer | undefined;
    const tell = (): void => {
      const failure = store.health.failure();
      if (failure?.code === told) return;
      told = failure?.code;
      parent.send(failure === undefined ? { type: 'store.recovered' } : { type: 'store.impaired', failure });
    };
    const schedule = (): void => {
      timer = time.after(limits.storeCheckIntervalMs, () => {
        store.health.check();
        schedule();
      });
    };
    const unsubscribe = store.health.subscribe(tell);
    tell();
    schedule();
    return () => {
      unsubscribe();
      timer?.cancel();
    };
  });
}
