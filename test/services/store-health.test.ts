/** Watching whether a database takes writes. */
import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { Mailbox, StoreHealthReport } from '../../src/actors/mailboxes.js';
import type { Failure } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { Store } from '../../src/ports/store.js';
import { createStoreHealth } from '../../src/services/store-health.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';

const full: Failure = { code: 'diskFull', message: 'The disk is full.' };
const lost: Failure = { code: 'databaseLost', message: 'The file was deleted.' };

function follow(first?: Failure) {
  const clock = new VirtualClock();
  const told: StoreHealthReport[] = [];
  let present = first;
  let checks = 0;
  let notify = (): void => {};
  const health: Store['health'] = {
    failure: () => present,
    probe: () => present,
    check: () => {
      checks += 1;
      return present;
    },
    subscribe: (listener) => {
      notify = listener;
      return () => {
        notify = () => {};
      };
    },
  };
  const parent = { send: (report: StoreHealthReport) => told.push(report) } as unknown as Mailbox<StoreHealthReport>;
  const logic = createStoreHealth({ time: simulatedTime(clock, 0) });
  const actor = createActor(logic, { input: { store: { health } as Store, parent } }).start();
  const become = (failure: Failure | undefined) => {
    present = failure;
    notify();
  };
  return { clock, told, actor, become, checks: () => checks };
}

describe('store health', () => {
  it('no failure -> no report, and the files are checked each `storeCheckIntervalMs`', () => {
    const { clock, told, checks } = follow();
    for (let second = 1; second <= 3; second += 1) clock.step();
    expect([told, checks(), clock.nowMs]).toEqual([[], 3, 3 * limits.storeCheckIntervalMs]);
  });

  it('impaired, for another reason, and well again -> each is reported once', () => {
    const { told, become } = follow();
    for (const failure of [full, full, lost, undefined, undefined]) become(failure);
    expect(told).toEqual([
      { type: 'store.impaired', failure: full },
      { type: 'store.impaired', failure: lost },
      { type: 'store.recovered' },
    ]);
  });

  it('impaired from the start -> is reported at once', () => {
    expect(follow(full).told).toEqual([{ type: 'store.impaired', failure: full }]);
  });

  it('stopped -> checks and reports no more', () => {
    const { clock, told, actor, become, checks } = follow();
    actor.stop();
    become(full);
    expect([told, clock.step(), checks()]).toEqual([[], false, 0]);
  });
});
