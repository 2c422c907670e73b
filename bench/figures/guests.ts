/**
 * Guests of a cloud node: what it costs to let one more in, when few are there and when many are.
 *
 * The processor time of the cloud node alone counts, TLS and the verification of the token included. The limit is its own figure
 * with few guests: what it does for one must not depend on how many others there are.
 */

import type { Bench, Figure } from '../bench.js';
import { type Cloud, startCloud } from '../cloud.js';
import { interleave, median } from '../measure.js';
import type { GuestHandlers } from '../workers/guests.js';
import type { Worker } from '../workers.js';

const few = 500;
const many = 4_000;
/** As many come while the processor time is measured, the last of those that are there then. */
const measured = 200;
const stepGuests = 100;

export const guestsFigure: Figure = {
  name: 'guests',
  about: 'processor time for one more guest of a cloud node, with few and with many there',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 1, full: 3 });
    const { samples } = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      { samples: () => measureOnce(bench) },
    );
    return [
      {
        name: `a guest more, with ${many} there`,
        unit: 'ms of CPU',
        value: median(samples.map(({ withMany }) => withMany)),
        limit: median(samples.map(({ withFew }) => withFew)),
        target: { atMost: 1.2 },
        rounds,
        note: `limit: the same with ${few} there; TLS and the token's verification included`,
      },
    ];
  },
};

async function measureOnce(bench: Bench): Promise<{ withFew: number; withMany: number }> {
  // So rare are the heartbeats of those who are there that they do not count among what a newcomer costs.
  const cloud = await startCloud(bench, { heartbeatIntervalMs: 60_000 });
  const guests = bench.workers.start('guests');
  try {
    await cloud.worker.call('raiseConnectionLimits', many + measured);
    const house = new House(cloud, guests, await cloud.token(), bench.show);
    // The code for it gets warm, and nobody is left of those who came for that.
    await house.costAt(few);
    await house.clear();
    return { withFew: await house.costAt(few), withMany: await house.costAt(many) };
  } finally {
    await guests.close();
    await cloud.close();
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

  /** What each of the last guests has cost, in ms, when so many are there. */
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
