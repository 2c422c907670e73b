/**
 * Guests of a cloud node: what one of them costs, when few are there and when many are. The limit of each figure is the same with few
 * guests: what a node does for one must not depend on how many others there are.
 *
 * Once of the whole process, where TLS and the verification of the token are most of it; once of the reception and its sessions alone,
 * where nothing hides what they do.
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
/** Guests that go and come while the reception is measured: often enough that a pause of the garbage collector does not count. */
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
        name: `a guest more, with ${many} there`,
        unit: 'ms of CPU',
        value: median(samples.map(({ withMany }) => withMany)),
        limit: median(samples.map(({ withFew }) => withFew)),
        target: { atMost: 1.2 },
        rounds,
        note: `limit: the same with ${few} there; TLS and the token's verification included`,
      },
      {
        name: `a guest comes, one goes: reception, ${many} there`,
        unit: 'ms of CPU',
        value: median(withMany),
        limit: median(withFew),
        target: { atMost: 1.2 },
        rounds,
        note: `limit: the same with ${few} there; reception and sessions alone, over connections that lead nowhere`,
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

/** A process for each, so that none is slowed by what another has left. */
async function measureReception({ workers, workspace, show }: Bench, present: number): Promise<number> {
  const worker = workers.start('reception');
  try {
    await worker.call('open', workspace.directory('reception'), present + turnedOver);
    for (let there = 0; there < present; there += stepGuests) {
      await worker.call('arrive', stepGuests);
      show(`${there + stepGuests} guests of the reception`);
    }
    // The code gets warm, and who leaves is no longer one of the first.
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
