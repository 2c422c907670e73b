/** A process with statemesh nodes in it, used as by any program. */

import { randomBytes } from 'node:crypto';
import { type ConfigurationInput, createNode, limits, type StatemeshNode } from 'statemesh';
import { WebSocket } from 'ws';
import { encodeFrame } from '../../src/wire/framing.js';
import type { BatchFrame } from '../../src/wire/messages.js';
import { type BenchDocument, collectionName, documentOf, keyOf, type Pair } from '../documents.js';
import { millisecondsOf } from '../measure.js';
import { forgetPeakRss, peakRssBytes, say, serve } from './serve.js';

const nodes: StatemeshNode[] = [];

const handlers = {
  /** Starts a node; the other methods work with the first one. */
  async start(options: ConfigurationInput) {
    const { node, startMs } = await startNode(options);
    const { port, store } = await node.status();
    forgetPeakRss();
    if (port === undefined || store === undefined) throw new Error('The node runs without a port or a store.');
    return { startMs, port, path: store.path };
  },

  /** Starts a node and measures nothing else, not even its status. */
  async startOnly(options: ConfigurationInput) {
    return (await startNode(options)).startMs;
  },

  async startMany(all: readonly ConfigurationInput[]) {
    await Promise.all(all.map(startNode));
  },

  /** Stops all nodes. */
  stop,

  /** Writes documents with the indexes from `first` on. */
  async fill(count: number, first = 0) {
    await node().collection<BenchDocument>(collectionName).putMany(documents(count, first));
  },

  /** Writes one document of this many bytes. */
  async putLarge(bytes: number) {
    await node()
      .collection<{ text: string }>(collectionName)
      .put('large', { text: textOf(bytes) });
  },

  /** Resolves when this many entries are on the disk of this node. */
  async holds(entries: number) {
    await entriesArrived(node(), entries);
  },

  /** Sets the start of what `framedBytes` counts. */
  mark() {
    // A copy, because the store's own clock changes.
    marked = new Map(storeOf(node()).clock());
  },

  /** The size of the entries written since `mark`, as one frame. */
  async framedBytes() {
    const everything = { scopes: ['cluster', 'shared'] as const, except: new Set<never>() };
    const { runs } = await storeOf(node()).read({ ...everything, after: marked, entriesMax: 1e6, bytesMax: 1e9 });
    // The nodes come from the package, which does not contain the codec: the types are the same in two builds.
    return encodeFrame({ type: 'frame.batch', sequence: 1, runs: runs as unknown as BatchFrame['runs'] }).length;
  },

  /**
   * Starts an empty node that knows a peer, and waits until it has as many entries as the peer.
   *
   * @returns Milliseconds from running, and from connected, to the commit of the last entry
   */
  async receive(options: ConfigurationInput, entries: number, isWatched = false) {
    const { node: empty, connected } = await startNode(options);
    const start = performance.now();
    if (isWatched) void watch(empty);
    forgetPeakRss();
    await entriesArrived(empty, entries);
    const end = performance.now();
    return { fromRunningMs: end - start, fromConnectedMs: end - Math.max(start, connected() ?? start) };
  },

  /** Watches the inspector's page from now on, as a browser that only reads. */
  watch: () => watch(node()),

  contentDigest: () => node().contentDigest(),
  peakRssBytes,

  /** Puts one document and records the time of the call. */
  async put(index: number) {
    const [key, document] = [keyOf(index), documentOf(index)];
    const collection = node().collection<BenchDocument>(collectionName);
    starts.push(process.hrtime.bigint());
    await collection.put(key, document);
  },

  /** Records from now on when `changes` shows a document, and emits `seen` each time. */
  watchChanges() {
    const watched = node();
    const changes = watched.collection<BenchDocument>(collectionName).changes({ since: 'now' });
    void (async () => {
      for await (const { key } of changes) {
        ends.push({ key, at: process.hrtime.bigint() });
        say('seen');
      }
    })().catch((error: unknown) => {
      // The feed ends with an error when its node stops; an earlier error fails the bench.
      if (watched.state === 'running') throw error;
    });
  },

  /** For figures with more connections from this machine than a node accepts. */
  raiseConnectionLimits(connections: number) {
    Object.assign(limits, { guestsMax: connections });
  },

  /** Processor time of this process so far. */
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },

  /** Clock of the whole machine (CLOCK_MONOTONIC), in nanoseconds. */
  starts: () => starts,
  ends: () => ends,

  async connectedPeers(count: number) {
    await connectedTo(node(), count);
  },

  /**
   * Reconfigures the node while documents are written to it, one after the other.
   *
   * @returns Milliseconds from the request until it served, and the longest time of a write meanwhile
   */
  async reconfigure(partial: Partial<ConfigurationInput>): Promise<{ tookMs: number; longestWriteMs: number }> {
    const collection = node().collection<BenchDocument>(collectionName);
    let isDone = false;
    const done = node()
      .reconfigure(partial)
      .finally(() => {
        isDone = true;
      });
    let longestWriteMs = 0;
    for (let index = 0; !isDone; index += 1) {
      const [key, document] = [keyOf(index), documentOf(index)];
      longestWriteMs = Math.max(longestWriteMs, await millisecondsOf(() => collection.put(key, document)));
    }
    return { tookMs: (await done).tookMs, longestWriteMs };
  },

  /** The number of sessions now. */
  sessions: () => node().peers.filter(({ state }) => state === 'connected').length,

  /** Resolves when this node leads and its gateways are online. */
  async untilOnline() {
    await until('a gateway to be online', () => node().gateways.some(({ state }) => state === 'online'));
  },

  /** What the process uses over a time without requests. */
  async idle(windowMs: number) {
    const before = process.cpuUsage();
    const elapsedMs = await millisecondsOf(() => delay(windowMs));
    const { user, system } = process.cpuUsage(before);
    return {
      cpuPercent: (user + system) / 10 / elapsedMs,
      rssBytes: process.memoryUsage.rss(),
      sessions: node().peers.filter(({ state }) => state === 'connected').length,
    };
  },
};

export type NodeHandlers = typeof handlers;

let marked: ReturnType<ReturnType<typeof storeOf>['clock']> = new Map();
const starts: bigint[] = [];
const ends: { readonly key: string; readonly at: bigint }[] = [];

serve(handlers, stop);

function node(): StatemeshNode {
  const [first] = nodes;
  if (first === undefined) throw new Error('No node was started.');
  return first;
}

async function startNode(options: ConfigurationInput) {
  const started = createNode(options);
  nodes.push(started);
  let connectedAt: number | undefined;
  started.on('peer.connected', () => {
    connectedAt ??= performance.now();
  });
  const startMs = await millisecondsOf(() => started.start());
  return { node: started, startMs, connected: () => connectedAt };
}

async function stop(): Promise<void> {
  await Promise.all(nodes.splice(0).map((one) => one.stop()));
}

/** Observes the store itself: reading `changes` would be a load of its own. */
function entriesArrived({ actor }: Pick<StatemeshNode, 'actor'>, entries: number): Promise<void> {
  const store = storeOf({ actor });
  return new Promise((resolve) => {
    const look = (): void => {
      if (store.cursor() < entries) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = store.subscribe(look);
    look();
  });
}

function storeOf({ actor }: Pick<StatemeshNode, 'actor'>) {
  const { store } = actor.getSnapshot().context;
  if (store === undefined) throw new Error('A running node has no store.');
  return store;
}

/** Incompressible text. */
function textOf(bytes: number): string {
  return randomBytes(bytes).toString('base64').slice(0, bytes);
}

async function connectedTo(one: StatemeshNode, count: number): Promise<void> {
  await until(`${count} sessions`, () => one.peers.filter(({ state }) => state === 'connected').length === count);
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + meshTimeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${what}, ${meshTimeoutMs} ms.`);
    await delay(pollMs);
  }
}

const meshTimeoutMs = 30_000;
const pollMs = 20;

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function* documents(count: number, first: number): Generator<Pair> {
  for (let index = first; index < first + count; index++) yield [keyOf(index), documentOf(index)];
}

async function watch(watched: StatemeshNode): Promise<void> {
  let url: string | undefined;
  await until('the inspector to be open', async () => {
    url = (await watched.status()).inspectorUrl;
    return url !== undefined;
  });
  const { origin, host, hash } = new URL(url ?? '');
  const socket = new WebSocket(`ws://${host}/records?${hash.slice(1)}`, { origin });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('message', resolve));
}
