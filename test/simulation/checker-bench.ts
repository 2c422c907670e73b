/** One checker with a made-up world around it: what it is told, what it sees, and what it reports. */

import type { ConfigurationInput } from '../../src/configuration/schema.js';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import { newcomer } from '../../src/core/election-rule.js';
import { chainRun, endOf, type Position, type Run } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import type { VectorClock } from '../../src/core/vector-clock.js';
import type { Commit, Store } from '../../src/ports/store.js';
import type { Checker, CheckerFactory, View } from '../../src/simulation/checker.js';
import { insideOf, type Vote } from '../../src/simulation/inside.js';
import type { NodeProcess } from '../../src/simulation/node.js';

interface Tested {
  /** With every method, so that a test can call those that it knows to exist. */
  readonly checker: Required<Checker>;
  readonly reports: readonly string[];
}

export function tested(create: CheckerFactory, view: Partial<View> = {}): Tested {
  const reports: string[] = [];
  const quiet: View = {
    nowMs: 100_000,
    processes: [],
    healthySinceMs: 0,
    isCalm: true,
    latencyMaxMs: 1,
    slowest: { bytesPerSecond: Number.POSITIVE_INFINITY, latencyMs: 0 },
    leftovers: { streams: 0, sockets: 0, events: 0 },
    hopsBetween: () => 1,
    cutSinceMs: () => undefined,
    shares: () => true,
    portsOf: () => [],
    datagramSocketsOf: () => 0,
    grantOf: () => undefined,
    insideOf,
    complete: (promise) => promise,
  };
  // Getters stay getters, so that a test can let time pass.
  const around = Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(quiet),
      ...Object.getOwnPropertyDescriptors(view),
    },
  ) as View;
  return { checker: create(around, (message) => reports.push(message)) as Required<Checker>, reports };
}

// --- Processes -----------------------------------------------------------------------------------------------------

interface Inside {
  readonly sessions?: readonly object[];
  readonly peers?: readonly object[];
  readonly store?: Store;
  readonly digest?: string;
  /** The status of an actor beside membership. */
  readonly status?: string;
  /** The relevant part of its configuration; `role` makes it a cloud node. */
  readonly options?: Partial<ConfigurationInput>;
  /** Its election; without one it takes part in none. */
  readonly vote?: Partial<Vote>;
  readonly gateways?: readonly { readonly nodeId: string; readonly state: string; readonly session?: object }[];
}

const refOf = (snapshot: object) => ({ getSnapshot: () => snapshot });
const refsOf = (kind: string, snapshots: readonly object[] = []) =>
  Object.fromEntries(snapshots.map((snapshot, index) => [`${kind}-${index + 1}`, refOf(snapshot)]));

/** A node that is up, with these actors inside. */
export function processOf(
  nodeId: string,
  { sessions, peers, store, digest = '', status = 'active', options = {}, vote, gateways = [] }: Inside = {},
): NodeProcess {
  const isCloud = options.role === 'cloud';
  const inner = { children: { ...refsOf('session', sessions), ...refsOf('peer', peers) } };
  const children = {
    other: refOf({ status, error: 'broken' }),
    ...(isCloud ? { reception: refOf({ children: { 'ward-1': refOf(inner) } }) } : { membership: refOf(inner) }),
    ...(vote === undefined ? {} : { election: refOf(electionOf(nodeId, vote)) }),
    uplink: refOf({
      children: Object.fromEntries(gateways.map((gateway) => [`gateway-${gateway.nodeId}`, linkOf(gateway)])),
    }),
  };
  const node = {
    actor: refOf({ status: 'active', context: { store }, children }),
    contentDigest: async () => ({ documents: 0, digest }),
  };
  const common = { isUp: true, isThere: true, openDatabases: 1, skewMs: 0, isCloud, options };
  const process = { nodeId, address: `at-${nodeId}`, store, node, ...common };
  return process as unknown as NodeProcess;
}

function electionOf(nodeId: string, { state = 'follower', ...vote }: Partial<Vote>) {
  const context = {
    ...newcomer,
    leaderId: undefined,
    live: new Map(),
    ...vote,
    identity: { nodeId: vote.nodeId ?? nodeId },
  };
  return { value: { [state]: {} }, context };
}

function linkOf({
  nodeId,
  state,
  session,
}: {
  readonly nodeId: string;
  readonly state: string;
  readonly session?: object;
}) {
  const own = session === undefined ? undefined : { sessionId: 'session-1' };
  const children = refsOf('session', session === undefined ? [] : [session]);
  return refOf({ value: state, context: { peer: { nodeId }, session: own }, children });
}

interface SessionParts {
  readonly id?: string;
  readonly peer?: string;
  readonly value?: string;
  readonly status?: string;
  readonly sender?: string;
  readonly inFlight?: number;
  readonly receiver?: string;
  readonly queued?: number;
  /** The number of its connection. */
  readonly stream?: number;
}

/** A session at rest, except for the given parts. */
export function sessionOf(parts: SessionParts = {}): object {
  const { id = 'session-1', peer = 'node-b', value = 'synchronizing', status = 'active' } = parts;
  const { sender = 'caughtUp', inFlight = 0, receiver = 'waiting', queued = 0, stream } = parts;
  return {
    status,
    value,
    context: {
      sessionId: id,
      peer: { nodeId: peer, boot: `boot of ${peer}` },
      connection: { remoteHost: `at-${peer}`, queuedBytes: queued, stream },
      intervals: { heartbeatIntervalMs: 1_000 },
    },
    children: {
      sender: refOf({ value: sender, context: { progress: { inFlight: Array(inFlight) } } }),
      receiver: refOf({ value: receiver, context: { queue: [], current: [] } }),
    },
  };
}

// --- Entries -------------------------------------------------------------------------------------------------------

export function authorOf(nodeId: string): Author {
  return { nodeId: nodeId as NodeId, incarnation: `${nodeId}-one` as Incarnation, scope: 'shared' };
}

const start: Position = { hlc: 0 as Hlc, hash: '' };

/** Entries at these stamps; each is a put of its stamp under `k`. */
export function runOf(nodeId: string, hlcs: readonly number[], after = start): Run {
  const entries = hlcs.map((hlc) => ({
    hlc: hlc as Hlc,
    collection: 'things' as CollectionName,
    key: 'k' as DocumentKey,
    operation: 'put' as const,
    payload: String(hlc),
  }));
  return chainRun(authorOf(nodeId), after, entries);
}

export function commitOf(runs: readonly Run[], origin?: string): Commit {
  return { runs, origin: origin as NodeId | undefined, collections: new Set(), cursor: 0 };
}

/** A store with these runs in its oplog, and a document under `k`. */
export function storeOf(runs: readonly Run[], payload?: string): Store {
  const clock = new Map(runs.map((run) => [authorKeyOf(run.author), endOf(run)]));
  const store: Pick<Store, 'clock' | 'read' | 'get'> = {
    ...storeAt(clock),
    read: async () => ({ runs, complete: true, diverged: [] }),
    get: async (_, key) => (payload === undefined ? undefined : { key, payload }),
  };
  return store as Store;
}

/** A store that only knows its clock. */
export function storeAt(clock: VectorClock): Store {
  const store: Pick<Store, 'clock'> = { clock: () => clock };
  return store as Store;
}
