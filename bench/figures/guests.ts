/**
 * Guests of a cloud node: the cost of one guest, when few are present and when many are. The limit of each figure is
 * the cost with few guests: the work for one guest must not depend on how many others there are.
 *
 * Measured once for the whole process, where TLS and the verification of the token dominate, and once for the reception
 * and its sessions alone, where nothing hides their cost.
 */

import type { Bench, Figure } from '../bench.js';
import { type Cloud, startCloud } from '../cloud.js';
import { interleave, median } from '../measure.js';
import type { GuestHandlers } from '../workers/guests.js';
import type { Worker } from '../workers.js';

const few = 500;
const many = 4_000;
/** The number of guests that come while the processor time is measured; they are the last of those present then. */
const measured = 200;
const stepGuests = 100;
/**
 * Guests that leave and come while the reception is measured: so many that a pause of the garbage collector does not
 * count.
 */
const turnedOver = 200;
const turnovers = 6;

export const guestsFigure: Figure = {
  name: 'guests',
  about: 'processor time for one more guest of a cloud node, with few and with many there',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 1, full: 3 });
    const { samples, withFew, withMany } = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      {
        samples: () => measureOnce(bench),
        withFew: () => measureReception(bench, few),
        withMany: () => measureReception(bench, many),
      },
    );
    return [
      {
        name: `one more guest, with ${many} present`,
        unit: 'ms of CPU',
        value: median(samples.map(({ withMany }) => withMany)),
        limit: median(samples.map(({ withFew }) => withFew)),
        target: { atMost: 1.2 },
        rounds,
        note: `limit: the same with ${few} present; including TLS and verification of the token`,
      },
      {
        name: `one guest comes, one leaves: reception, ${many} present`,
        unit: 'ms of CPU',
        value: median(withMany),
        limit: median(withFew),
        target: { atMost: 1.2 },
        rounds,
        note: `limit: the same with ${few} present; reception and sessions alone, over connections that lead nowhere`,
      },
    ];
  },
};

async function measureOnce(bench: Bench): Promise<{ withFew: number; withMany: number }> {
  // Heartbeats of present guests are so rare that they do not count in the cost of a new guest.
  const cloud = await startCloud(bench, { heartbeatIntervalMs: 60_000 });
  const guests = bench.workers.start('guests');
  try {
    await cloud.worker.call('raiseConnectionLimits', many + measured);
    const house = new House(cloud, guests, await cloud.token(), bench.show);
    // Warms the code up; the guests of the warm-up leave again.
    await house.costAt(few);
    await house.clear();
    return { withFew: await house.costAt(few), withMany: await house.costAt(many) };
  } finally {
    await guests.close();
    await cloud.close();
  }
}

/** A process for each, so that garbage of one measurement slows no other. */
async function measureReception({ workers, workspace, show }: Bench, present: number): Promise<number> {
  const worker = workers.start('reception');
  try {
    await worker.call('open', workspace.directory('reception'), present + turnedOver);
    for (let there = 0; there < present; there += stepGuests) {
      await worker.call('arrive', stepGuests);
      show(`${there + stepGuests} guests of the reception`);
    }
    // Warms the code up, until the guests that leave are no longer the first ones.
    for (let warmUp = 0; warmUp < turnovers; warmUp += 1) await worker.call('turnOver', turnedOver);
    let cpuMs = 0;
    for (let turnover = 0; turnover < turnovers; turnover += 1) cpuMs += await worker.call('turnOver', turnedOver);
    return cpuMs / (turnovers * turnedOver);
  } finally {
    await worker.close();
  }
}

class House {
  #present = 0;

  constructor(
    private readonly cloud: Cloud,
    private readonly guests: Worker<GuestHandlers>,
    private readonly token: string,
    private readonly show: (text: string) => void,
  ) {}

  /** The cost of each of the last guests, in ms, when this many are present. */
  async costAt(present: number): Promise<number> {
    while (this.#present < present - measured)
      await this.#let(Math.min(stepGuests, present - measured - this.#present));
    const before = await this.cloud.worker.call('cpuMs');
    await this.#let(measured);
    return ((await this.cloud.worker.call('cpuMs')) - before) / measured;
  }

  async clear(): Promise<void> {
    await this.guests.call('leave');
    await this.cloud.worker.call('connectedPeers', 0);
    this.#present = 0;
  }

  async #let(count: number): Promise<void> {
    const { port, ca } = this.cloud;
    this.#present = await this.guests.call('arrive', { port, ca, token: this.token, count });
    this.show(`${this.#present} guests`);
  }
}
