/**
 * The handle over a node's root actor. It has no state of its own: it reads from the actors' snapshots, and it acts by
 * events, or by calls on the store that the root actor holds.
 */
import { parentOf } from '../actors/xstate-internals.js';
import { type Failure, failureOf, StatemeshError } from '../core/errors.js';
import { kinds, type OptionsShape, readOptions } from '../core/options.js';
import { createCurrentStore, readFrom } from '../database/current-store.js';
import { createDatabase } from '../database/database.js';
import type { Files } from '../ports/ports.js';
import type { BackupProgress, DocumentStore, Store } from '../ports/store.js';
import { createPeerManagement } from '../remote-peers/management.js';
import { findLeftBehind } from '../store/left-behind.js';
import { areWritesHeld, type NodeActor, type NodeState, nodeStateOf } from './actor-tree.js';
import type { NodePorts } from './node-options.js';
import { createRequests } from './requests.js';
import type { StatemeshNode } from './statemesh-node.js';
import { gatewayStatusesOf, leadershipOf, nodeStatusOf, peerStatusesOf } from './status.js';

interface BackupArguments {
  readonly path: string;
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

const backupShape: OptionsShape<BackupArguments> = {
  complaint: 'Invalid arguments of backUp',
  code: 'requestInvalid',
  fields: { path: kinds.filledText, onProgress: kinds.function },
  required: ['path'],
};

/** What the snapshots of a node's actor do not tell. */
export interface ActorLife {
  isStarted: boolean;
  /** Settled once the parts of an actor that was stopped from outside are closed. */
  closing: Promise<void>;
}

/** Makes the handle, before the actor starts. */
export function handleOf(actor: NodeActor, ports: NodePorts, life: ActorLife): StatemeshNode {
  const isChild = parentOf(actor) !== undefined;
  let neverRan = false;
  const store = (): Store => {
    const snapshot = actor.getSnapshot();
    const state = nodeStateOf(snapshot);
    if (snapshot.context.store !== undefined && state === 'running') return snapshot.context.store;
    const isOver = neverRan || snapshot.status !== 'active' || state === 'stopping';
    const isBegun = isChild || life.isStarted;
    const remedy = isOver ? 'make a new one.' : isBegun ? 'wait until it runs.' : 'call start() and wait for it.';
    throw new StatemeshError('notRunning', `The node is ${state}: ${remedy}`);
  };
  const current = createCurrentStore({ getStore: store, isHeld: () => areWritesHeld(actor.getSnapshot()) });
  // Call `store()` first: it throws `notRunning`.
  const getStore = (): DocumentStore => store() && current.store;
  const database = createDatabase(getStore);
  const requests = createRequests(actor);
  if (ports.files !== undefined) watchCertificates(actor, ports.files, () => requests.reconfigure({}));
  const getKeys = () => actor.getSnapshot().context.configured?.keys;
  const { saveRemotePeer, getRemotePeers, removeRemotePeer, ...management } = createPeerManagement({
    getStore,
    getKeys,
    randomness: ports.randomness,
    getNodeId: () => actor.getSnapshot().context.configured?.configuration.nodeId,
    isPeer: (nodeId) => peerStatusesOf(actor.getSnapshot()).some((peer) => peer.nodeId === nodeId),
  });
  // Ends the streams of a node that has ended, so that no reader waits forever. After a requested stop they end without
  // an error.
  const endStreams = (): void => {
    const { failure } = actor.getSnapshot().context;
    database.endStreams(failure && new StatemeshError('storeClosed', `The node has ended: ${failure.message}`));
  };
  const end = (): void => {
    endStreams();
    current.release();
  };
  let served: Store | undefined;
  actor.subscribe({
    next: (snapshot) => {
      if (nodeStateOf(snapshot) === 'stopping') endStreams();
      if (served !== undefined && snapshot.context.store !== served) database.endStreams(identityChanged());
      served = snapshot.context.store;
      current.release();
    },
    complete: end,
    error: end,
  });
  const stopActor = actor.stop.bind(actor);
  const stop = async (): Promise<void> => {
    if (neverRan) return;
    if (!life.isStarted) {
      neverRan = !isChild;
      if (neverRan) stopActor();
      // Its parent may start it later, or never: it then stops at once.
      else if (actor.getSnapshot().status === 'active') actor.send({ type: 'node.stop' });
      return;
    }
    if (actor.getSnapshot().status === 'active') actor.send({ type: 'node.stop' });
    await ended(actor);
    await life.closing;
    await ports.network.closeAll();
  };
  return {
    actor,
    peerStore: { saveRemotePeer, getRemotePeers, removeRemotePeer },
    ...management,
    removeRemotePeer,
    collection: database.collection,
    collections: database.collections,
    changes: database.changes,
    contentDigest: database.contentDigest,
    get peers() {
      return peerStatusesOf(actor.getSnapshot());
    },
    get gateways() {
      return gatewayStatusesOf(actor.getSnapshot());
    },
    get isLeader() {
      return leadershipOf(actor.getSnapshot())?.isLeader ?? false;
    },
    get leaderId() {
      return leadershipOf(actor.getSnapshot())?.leaderId;
    },
    reconfigure: requests.reconfigure,
    setEligible: (isEligible) => requests.reconfigure({ eligible: isEligible }),
    get state() {
      return stateOf(actor);
    },
    status: () =>
      readFrom(
        () => actor.getSnapshot().context.store,
        async () => ({ ...(await nodeStatusOf(actor.getSnapshot())), descriptors: ports.descriptors?.() }),
      ),
    async backUp(path, onProgress) {
      const given = readOptions<BackupArguments>({ path, onProgress }, backupShape);
      return store().backUp(given.path, given.onProgress);
    },
    async databasesLeftBehind() {
      const { nodeId } = store();
      const dataDir = actor.getSnapshot().context.configured?.configuration.dataDir ?? '';
      return findLeftBehind({ dataDir, nodeId, clock: store().clock(), turn: () => ports.time.turn() });
    },
    async start() {
      if (isChild) throw new StatemeshError('alreadyStarted', 'The parent of its actor starts this node.');
      if (life.isStarted || neverRan) {
        throw new StatemeshError('alreadyStarted', 'The node was started before: make a new one.');
      }
      actor.start();
      const failure = await running(actor);
      if (failure !== undefined) throw new StatemeshError(failure.code, failure.message);
    },
    stop,
    on: (type, listener) => {
      const subscription = actor.on(type, (event) => listener(event as never));
      return () => subscription.unsubscribe();
    },
    [Symbol.asyncDispose]: stop,
  };
}

function identityChanged(): StatemeshError {
  const message = 'The node goes on with another database: read what it has there, and open a new stream.';
  return new StatemeshError('identityChanged', message);
}

function stateOf(actor: NodeActor): NodeState {
  return nodeStateOf(actor.getSnapshot());
}

/** Resolves once the node runs, or with the reason why it ended instead. */
function running(actor: NodeActor): Promise<Failure | undefined> {
  return new Promise((resolve) => {
    const look = (): void => {
      const snapshot = actor.getSnapshot();
      if (snapshot.status === 'active' && nodeStateOf(snapshot) !== 'running') return;
      subscription?.unsubscribe();
      if (snapshot.status === 'active') resolve(undefined);
      else if (snapshot.status === 'error') resolve(failureOf(snapshot.error));
      else resolve(snapshot.context.failure ?? { code: 'notRunning', message: 'The node was stopped.' });
    };
    // An actor that has failed calls at once.
    let subscription: { unsubscribe(): void } | undefined;
    subscription = actor.subscribe({ next: look, complete: look, error: look });
    look();
  });
}

function ended(actor: NodeActor): Promise<void> {
  return new Promise((resolve) => {
    if (actor.getSnapshot().status !== 'active') resolve();
    else actor.subscribe({ complete: resolve, error: () => resolve() });
  });
}

/**
 * Lets the node read its certificates again when their files change. The node reconfigures itself with no changes and
 * compares the content of the files. It refuses an invalid file, reports that, and keeps the old certificate.
 */
function watchCertificates(actor: NodeActor, files: Files, reread: () => Promise<unknown>): void {
  let watched = '[]';
  let unwatch = (): void => {};
  const watch = (paths: readonly string[]): void => {
    if (JSON.stringify(paths) === watched) return;
    unwatch();
    watched = JSON.stringify(paths);
    // The event `reconfiguration.failed` reports the error.
    unwatch = paths.length === 0 ? () => {} : files.watch(paths, () => void reread().catch(() => {}));
  };
  actor.subscribe({
    next: ({ context: { configured } }) => {
      const { tlsCert, tlsKey, ca } = configured?.configuration ?? {};
      watch([tlsCert, tlsKey, ca].filter((path) => path !== undefined));
    },
    complete: () => watch([]),
    error: () => watch([]),
  });
}
