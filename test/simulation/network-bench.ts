/** Hosts on a simulated network, and what they receive: for tests of the network alone, without nodes. */
import { limits } from '../../src/core/limits.js';
import type { Connection, ConnectionSecurity, Datagrams, Network } from '../../src/ports/ports.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { type Host, NetworkHub } from '../../src/simulation/network/hub.js';
import { PendingWork } from '../../src/simulation/pending-work.js';
import { randomStream } from '../../src/simulation/random.js';
import { type Recorded, record } from '../contracts/network.contract.js';

const security: ConnectionSecurity = { kind: 'none' };
const port = 9_000;
const datagramPort = 25_000;

export interface BenchHost {
  readonly host: Host;
  readonly address: string;
  readonly network: Network;
  readonly accepted: Connection[];
  readonly datagrams: Datagrams;
  /** `sender: text`, in the order of arrival. */
  readonly heard: string[];
}

export interface Pair {
  readonly near: Connection;
  readonly far: Connection;
  readonly nearHeard: Recorded;
  readonly farHeard: Recorded;
}

export class Bench {
  readonly clock = new VirtualClock();
  readonly hub: NetworkHub;
  readonly #pending = new PendingWork(true);

  constructor(seed = 1) {
    this.hub = new NetworkHub(this.clock, (label) => randomStream(seed, label));
  }

  async host(address: string, ...segments: string[]): Promise<BenchHost> {
    const host: Host = { address, segments: new Set(segments.length === 0 ? ['office'] : segments) };
    const network = this.hub.join(host);
    const accepted: Connection[] = [];
    const heard: string[] = [];
    await network.listen({
      host: address,
      port,
      security,
      limits,
      handshakeTimeoutMs: 5_000,
      accepted: (connection) => accepted.push(connection),
      refused: () => {},
    });
    const datagrams = await network.openDatagrams({
      port: datagramPort,
      scope: 'lan',
      received: (bytes, sender) => heard.push(`${sender}: ${Buffer.from(bytes)}`),
      failed: () => {},
    });
    return { host, address, network, accepted, datagrams, heard };
  }

  async hosts(...addresses: string[]): Promise<BenchHost[]> {
    const hosts: BenchHost[] = [];
    for (const address of addresses) hosts.push(await this.host(address));
    return hosts;
  }

  dial(from: BenchHost, to: BenchHost, timeoutMs = 5_000): Promise<Connection> {
    const { signal } = new AbortController();
    return from.network.dial({ host: to.address, port, security, timeoutMs, signal });
  }

  /** The result of a dial within its time: `resolved`, or the code of the error. */
  async outcome(from: BenchHost, to: BenchHost, timeoutMs = 5_000): Promise<unknown> {
    let outcome: unknown = 'nothing';
    this.dial(from, to, timeoutMs).then(
      () => {
        outcome = 'resolved';
      },
      (error: { code: unknown }) => {
        outcome = error.code;
      },
    );
    await this.run(timeoutMs);
    return outcome;
  }

  async pair(from: BenchHost, to: BenchHost): Promise<Pair> {
    const dialing = this.dial(from, to);
    await this.run(10);
    const [near, far] = [await dialing, to.accepted.at(-1)];
    if (far === undefined) throw new Error('nothing was accepted');
    const [nearHeard, farHeard] = [record(), record()];
    near.attach(nearHeard);
    far.attach(farHeard);
    await this.run(1);
    return { near, far, nearHeard, farHeard };
  }

  async run(forMs: number): Promise<void> {
    const endMs = this.clock.nowMs + forMs;
    await this.#pending.settle();
    while ((this.clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= endMs) {
      this.clock.step();
      await this.#pending.settle();
    }
    this.clock.advanceTo(endMs);
  }

  inject(segment: string, text: string, sender: string): void {
    this.hub.inject(segment, datagramPort, Buffer.from(text), sender);
  }
}
