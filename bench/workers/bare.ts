/** A process that runs the limits, without statemesh. */
import { performance } from 'node:perf_hooks';
import { BareStore, Chain } from '../limits/bare-store.js';
import { naiveLayout } from '../limits/naive-layout.js';
import { openBare } from '../limits/opening.js';
import { reopenDatabase, reopenListener } from '../limits/reopening.js';
import { answerRequests, connectRequester, type Requester } from '../limits/round-trip.js';
import { say, serve } from './serve.js';

const closers: (() => void)[] = [];
const roundTrips: number[] = [];
let requester: Requester | undefined;

const handlers = {
  /** Milliseconds of applying this many entries in batches, without the time to make them. */
  applyEntries(path: string, entries: number, batchEntries: number) {
    const store = openStore(path);
    const chain = new Chain();
    let milliseconds = 0;
    for (let first = 0; first < entries; first += batchEntries) {
      const batch = chain.entries(first, Math.min(batchEntries, entries - first));
      const start = performance.now();
      store.apply(batch);
      milliseconds += performance.now() - start;
    }
    return milliseconds;
  },

  openBare,
  reopenListener,
  reopenDatabase,

  async answerRequests(path: string) {
    const server = await answerRequests(openStore(path));
    closers.push(server.close);
    return server.port;
  },

  async connectRequester(port: number, path: string) {
    requester = await connectRequester(port, openStore(path));
    closers.push(requester.close);
  },

  /** Measures one round trip, and emits `answered` at its end. */
  async request() {
    if (requester === undefined) throw new Error('Not connected.');
    roundTrips.push(await requester.request());
    say('answered');
  },

  roundTrips: () => roundTrips,
};

export type BareHandlers = typeof handlers;

serve(handlers, async () => {
  for (const close of closers.reverse()) close();
});

function openStore(path: string): BareStore {
  const store = new BareStore(path, naiveLayout);
  closers.push(() => store.close());
  return store;
}
