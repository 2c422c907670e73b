/**
 * A node as a program embeds it: the root actor with its real ports, and a handle over it.
 *
 * The handle keeps no state of its own. Everything it tells is read from the actors' snapshots, and everything it does is an
 * event or a call on the store that the root actor holds.
 */
import { resolve } from 'node:path';
import { type ActorOptions, type ActorRefFrom, createActor } from 'xstate';
import { descriptorsNow } from '../adapters/descriptors.js';
import { createHttp } from '../adapters/http.js';
import { createNetwork } from '../adapters/network.js';
import { systemEnvironment } from '../adapters/process-environment.js';
import { systemRandomness } from '../adapters/randomness.js';
import { type SystemTime, systemTime } from '../adapters/time.js';
import { systemFiles } from '../adapters/watched-files.js';
import { parseConfiguration } from '../configuration/parse.js';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import type { ControlCommands } from '../control/protocol.js';
import { type Logger, RecentLog } from '../control/recent-log.js';
import { type Failure, StatemeshError, shortText } from '../core/errors.js';
import type { Boot } from '../core/ids.js';
import { kinds, type OptionsShape, objectWith, readFields, readOptions } from '../core/options.js';
import { createCurrentStore, readFrom } from '../database/current-store.js';
import { createDatabase } from '../database/database.js';
import type { NodeMachine } from '../machines/node.machine.js';
import type { Descriptors, Files } from '../ports/ports.js';
import type { BackupProgress, Store } from '../ports/store.js';
import { staticConfiguration } from '../providers/static.js';
import { createPeerManagement } from '../remote-peers/management.js';
import { findLeftBehind } from '../store/left-behind.js';
import { areWritesHeld, type NodeState, nodeStateOf } from './actor-tree.js';
import { Audit, type AuditLogger, auditCommands, auditEvents } from './audit.js';
import { composeNode, createServices, type Ports, type Services } from './compose.js';
import { controlCommands } from './control-commands.js';
import { logEvents } from './logging.js';
import { createRequests } from './requests.js';
import type { StatemeshNode } from './statemesh-node.js';
import { gatewayStatusesOf, leadershipOf, nodeStatusOf, peerStatusesOf } from './status.js';

/** What a node is made of besides its configuration. */
export interface NodeExtras {
  /** Silent when left out. Any pino-like logger does. */
  readonly logger?: Logger;
  /**
   * Where the audit log goes: who came, who was refused, who changed what; never a secret or a document. Default: `logger`.
   */
  readonly auditLogger?: AuditLogger;
  /** Sees every event and snapshot of every actor of the node. */
  readonly inspect?: ActorOptions<NodeMachine>['inspect'];
  /** Replaces some of the services: for those who compose their own node. */
  readonly services?: Partial<Services>;
}

/** The configuration itself, or a provider that gives it and tells of changes. */
export type NodeOptions = NodeExtras & (ConfigurationInput | { readonly provider: PeerNodeConfigurationProvider });

/** Ports with a clock that XState's delays run on, too. */
export interface NodePorts extends Ports {
  readonly time: SystemTime;
  /** Where certificates are watched; without it, they are read when the node is reconfigured. */
  readonly files?: Files;
  /** How many file descriptors the process has; without it, nothing is told of them. */
  readonly descriptors?: () => Descriptors | undefined;
}

/**
 * Makes a node. It does nothing before `start()`.
 *
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`; with a provider, `start()` does
 *
 * @example
 * const node = createNode({ nodeId: 'shop-1', dataDir: './data', clusterKey, clusterSalt });
 * await node.start();
 * await node.collection('articles').put('a1', { name: 'Espresso', price: 1.2 });
 * await node.stop();
 */
export function createNode(options: NodeOptions, ports: NodePorts = systemPorts()): StatemeshNode {
  const { extras, provider } = parseNodeOptions(options);
  const { logger, inspect, services } = extras;
  // The command line brings its own, which has what it logs itself, too.
  const log = logger instanceof RecentLog ? logger : new RecentLog(logger, () => ports.time.now());
  const auditLogger = extras.auditLogger ?? (logger && log);
  const audit = auditLogger === undefined ? undefined : new Audit(auditLogger, ports.time);
  const commands = (): ControlCommands =>
    audit === undefined ? controlCommands(node, log) : auditCommands(controlCommands(node, log), audit, userOfSocket());
  const machine = composeNode({
    ...createServices(ports, {
      ...{ provider, commands, status: () => node.status() },
      // The program may go elsewhere, and would find its database empty after a change of NodeId and back.
      workingDirectory: resolve(),
    }),
    ...services,
  });
  const actor = createActor(machine, {
    clock: ports.time,
    ...(inspect === undefined ? {} : { inspect }),
    input: {
      newBoot: () => ports.randomness.token() as Boot,
      random: () => ports.randomness.float(),
      now: () => ports.time.now(),
      monotonicMs: () => ports.time.monotonicMs(),
    },
  });
  // Without an error listener XState reports to the process, which would take the embedding program down.
  actor.subscribe({ error: () => {} });
  logEvents(actor, log, () => ports.time.monotonicMs());
  endWith(actor, log);
  if (audit !== undefined) auditEvents(actor, audit);
  const node = handleOf(actor, ports);
  return node;
}

/** Takes options apart, and checks them while the caller's line is in the stack. A provider is asked later. */
function parseNodeOptions(options: NodeOptions): { extras: NodeExtras; provider: PeerNodeConfigurationProvider } {
  const given = new Map(readFields(options, (problem, cause) => invalidOptions(`createNode: ${problem}`, cause)));
  const extras = readOptions<NodeExtras>(
    Object.fromEntries(Object.keys(extrasShape.fields).map((name) => [name, given.get(name)])),
    extrasShape,
  );
  for (const name of Object.keys(extrasShape.fields)) given.delete(name);
  const provider = given.get('provider');
  if (provider === undefined) {
    given.delete('provider');
    const configuration = Object.fromEntries(given) as unknown as ConfigurationInput;
    parseConfiguration(configuration);
    return { extras, provider: staticConfiguration(configuration) };
  }
  if (!providerKind.accepts(provider)) throw invalidOptions(`provider: it takes ${providerKind.takes}`);
  const [other] = [...given.keys()].filter((name) => name !== 'provider' && given.get(name) !== undefined);
  if (other !== undefined)
    throw invalidOptions(`${shortText(other)}: it comes from the provider; use mappedConfiguration`);
  return { extras, provider: provider as PeerNodeConfigurationProvider };
}

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

const providerKind = objectWith('getConfiguration', 'onConfigurationChanged');
const extrasShape: OptionsShape<NodeExtras> = {
  complaint: 'Invalid configuration: createNode',
  code: 'configurationInvalid',
  fields: {
    logger: objectWith('debug', 'info', 'warn', 'error'),
    auditLogger: objectWith('info'),
    inspect: { takes: 'a function or an observer', accepts: (value) => objectWith().accepts(value) },
    services: objectWith(),
  },
};

function invalidOptions(problem: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${problem.replace(/\.$/, '')}.`, { cause });
}

/** When the node stops, readers that follow the log get the rest of it, and none waits for more. */
function endWith(actor: ActorRefFrom<NodeMachine>, log: RecentLog): void {
  actor.subscribe({
    next: (snapshot) => {
      if (nodeStateOf(snapshot) === 'stopping') log.end();
    },
    complete: () => log.end(),
    error: () => log.end(),
  });
}

/** Only this user and root can open the control socket. Node.js does not tell which process did. */
function userOfSocket(): string {
  return `control socket of uid ${process.geteuid?.() ?? 'unknown'}`;
}

/** The real ones: this machine's sockets, clock, randomness and environment. A network serves one node, and ends with it. */
export function systemPorts(): NodePorts {
  return {
    network: createNetwork(),
    time: systemTime(),
    randomness: systemRandomness(),
    http: createHttp(),
    environment: systemEnvironment(),
    files: systemFiles(),
    descriptors: descriptorsNow,
  };
}

function handleOf(actor: ActorRefFrom<NodeMachine>, ports: NodePorts): StatemeshNode {
  let isStarted = false;
  let neverRan = false;
  const store = (): Store => {
    const snapshot = actor.getSnapshot();
    if (snapshot.context.store === undefined || nodeStateOf(snapshot) !== 'running') {
      const remedy = isStarted ? 'wait for start(), or make a new node after stop().' : 'call start() and wait for it.';
      throw new StatemeshError('notRunning', `The node is ${stateOf(actor)}: ${remedy}`);
    }
    return snapshot.context.store;
  };
  const current = createCurrentStore({ getStore: store, isHeld: () => areWritesHeld(actor.getSnapshot()) });
  // Call `store()` first: it throws `notRunning`.
  const getStore = (): Store => store() && current.store;
  const database = createDatabase(getStore);
  const requests = createRequests(actor);
  if (ports.files !== undefined) watchCertificates(actor, ports.files, () => requests.reconfigure({}));
  const getKeys = () => actor.getSnapshot().context.configured?.keys;
  const { saveRemotePeer, getRemotePeers, removeRemotePeer, ...management } = createPeerManagement({
    ...{ getStore, getKeys, randomness: ports.randomness },
  });
  // No reader waits for ever on the streams of a node that has ended. A requested stop is no error to them.
  const endStreams = (): void => {
    const { failure } = actor.getSnapshot().context;
    database.endStreams(failure && new StatemeshError('storeClosed', `The node has ended: ${failure.message}`));
  };
  let served: Store | undefined;
  actor.subscribe({
    next: (snapshot) => {
      if (nodeStateOf(snapshot) === 'stopping') endStreams();
      if (served !== undefined && snapshot.context.store !== served) database.endStreams(identityChanged());
      served = snapshot.context.store;
      current.release();
    },
    complete: () => {
      endStreams();
      current.release();
    },
    error: () => {
      endStreams();
      current.release();
    },
  });
  const stopActor = actor.stop.bind(actor);
  const stop = async (): Promise<void> => {
    if (!isStarted) {
      isStarted = true;
      neverRan = true;
      stopActor();
    }
    if (neverRan) return;
    actor.send({ type: 'node.stop' });
    await ended(actor);
    await ports.network.closeAll();
  };
  // Stopping the actor alone would leave the database open and locked, and the state at "running".
  actor.stop = () => {
    void stop();
    return actor;
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
      return getStore().backUp(given.path, given.onProgress);
    },
    async databasesLeftBehind() {
      const { nodeId, clock } = { nodeId: store().nodeId, clock: store().clock() };
      const dataDir = actor.getSnapshot().context.configured?.configuration.dataDir ?? '';
      return findLeftBehind({ dataDir, nodeId, clock, turn: () => ports.time.turn() });
    },
    async start() {
      if (isStarted) throw new StatemeshError('alreadyStarted', 'The node was started before: make a new one.');
      isStarted = true;
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

function stateOf(actor: ActorRefFrom<NodeMachine>): NodeState {
  return nodeStateOf(actor.getSnapshot());
}

/** Resolves when the node runs, or with the reason when it ends instead. */
function running(actor: ActorRefFrom<NodeMachine>): Promise<Failure | undefined> {
  return new Promise((resolve) => {
    const look = (): void => {
      const snapshot = actor.getSnapshot();
      if (snapshot.status === 'active' && nodeStateOf(snapshot) !== 'running') return;
      subscription.unsubscribe();
      if (snapshot.status === 'active') resolve(undefined);
      else resolve(snapshot.context.failure ?? { code: 'notRunning', message: 'The node was stopped.' });
    };
    const subscription = actor.subscribe({ next: look, complete: look, error: look });
    look();
  });
}

function ended(actor: ActorRefFrom<NodeMachine>): Promise<void> {
  return new Promise((resolve) => {
    if (actor.getSnapshot().status !== 'active') resolve();
    else actor.subscribe({ complete: resolve, error: () => resolve() });
  });
}

/**
 * Has the node read its certificates again when their files have changed: what is in force is asked for once more, and what is behind its
 * fields is compared. A file that is wrong is refused and told, and the old certificate goes on.
 */
function watchCertificates(actor: ActorRefFrom<NodeMachine>, files: Files, reread: () => Promise<unknown>): void {
  let watched = '[]';
  let unwatch = (): void => {};
  const watch = (paths: readonly string[]): void => {
    if (JSON.stringify(paths) === watched) return;
    unwatch();
    watched = JSON.stringify(paths);
    // What goes wrong is told as `reconfiguration.failed`.
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
