/**
 * Reports whether the database takes writes. It also polls, because the system announces neither files that vanish nor
 * a disk that has room again.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { StoreHealthInput } from '../actors/slots.js';
import { limits } from '../core/limits.js';
import type { Time, Timer } from '../ports/ports.js';

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
