/** An authority, and a node's ports on a network with it: for tests of tokens without nodes. */
import type { Http, HttpRequest, HttpResponse } from '../../src/ports/ports.js';
import { Authority, type AuthorityOptions } from '../../src/simulation/authority.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { authorityText, issue } from '../../src/simulation/network/certificates.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { type SimulatedTime, simulatedTime } from '../../src/simulation/node-ports.js';
import { PendingWork } from '../../src/simulation/pending-work.js';
import { randomStream } from '../../src/simulation/random.js';
import { simulatedHttp } from '../../src/simulation/web/http.js';

export const ca = authorityText('world');
export const nodeAddress = '10.0.0.1';
const authorityAddress = '203.0.113.1';

export class AuthorityBench {
  readonly clock = new VirtualClock();
  readonly hub = new NetworkHub(this.clock, (label) => randomStream(1, label));
  readonly time: SimulatedTime = simulatedTime(this.clock);
  readonly meddled: string[] = [];
  readonly authority: Authority;
  readonly http: Http;
  /** As in a world: it waits for promises only where some are noted. */
  readonly #pending = new PendingWork();

  constructor(options: AuthorityOptions = {}, seed = 1) {
    const { clock, hub } = this;
    const { hostname } = new URL(options.issuer ?? 'https://authority.world');
    hub.publish(authorityAddress, hostname);
    const certificate = issue(ca, [hostname, authorityAddress]);
    const meddle = (what: string) => void this.meddled.push(what);
    this.authority = new Authority(options, { clock, hub, address: authorityAddress, certificate, seed, meddle });
    const network = hub.join({ address: nodeAddress, segments: new Set(['office']) });
    this.http = simulatedHttp({ network, time: this.time, settled: () => this.#pending.note() });
  }

  request(request: Partial<HttpRequest> & Pick<HttpRequest, 'url'>): Promise<HttpResponse> {
    const { signal } = new AbortController();
    return this.http.request({ method: 'GET', headers: {}, body: undefined, ca, signal, ...request });
  }

  /** Sends a request, and runs the world until there is an answer. */
  ask(request: Partial<HttpRequest> & Pick<HttpRequest, 'url'>): Promise<HttpResponse> {
    return this.settle(this.request(request));
  }

  /** Runs the world until a promise has settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    this.#pending.note();
    for (;;) {
      if (this.#pending.isNoted) await this.#pending.settle();
      if (isSettled) return promise;
      if (!this.clock.step()) throw new Error('Nothing happens any more, and it has not settled.');
      if (!this.clock.wasQuiet) this.#pending.note();
    }
  }

  /** The code with which a promise is rejected; `resolved` when it is not. */
  codeOf(promise: Promise<unknown>): Promise<unknown> {
    return this.settle(
      promise.then(
        () => 'resolved',
        (error: { code?: unknown }) => error.code,
      ),
    );
  }

  async run(forMs: number): Promise<void> {
    await this.settle(new Promise<void>((resolve) => this.clock.schedule(forMs, resolve)));
  }
}
