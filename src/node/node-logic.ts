/**
 * A node as actor logic. A statechart of a program can invoke or spawn it, and `createNode` runs it as a root.
 *
 * Each actor gets its own machine and services, because services are closures over the ports of one node. So one logic
 * can run any number of times, each time with ports of its own.
 */
import { resolve } from 'node:path';
import { type ActorLogic, type ActorRefFrom, type ActorSystem, type AnyActorRef, getInitialSnapshot } from 'xstate';
import type { NodeEvent } from '../actors/mailboxes.js';
import { parentOf } from '../actors/xstate-internals.js';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';
import type { ControlCommands } from '../control/protocol.js';
import { RecentLog } from '../control/recent-log.js';
import { StatemeshError } from '../core/errors.js';
import type { Boot } from '../core/ids.js';
import type { NodeInput, NodeMachine, NodeMachineEvent, NodeOutput } from '../machines/node.machine.js';
import { closeParts } from '../services/close.js';
import { type NodeActor, type NodeSnapshot, nodeStateOf, openPartsIn } from './actor-tree.js';
import { Audit, auditCommands, auditEvents } from './audit.js';
import { composeNode, createServices } from './compose.js';
import { controlCommands, onlyForMeant } from './control-commands.js';
import { type ActorLife, handleOf } from './handle.js';
import { logEvents } from './logging.js';
import {
  type NodeConfiguration,
  type NodeLogicExtras,
  type NodePorts,
  nodeLogicExtras,
  readNodeOptions,
  systemPorts,
} from './node-options.js';
import type { StatemeshNode } from './statemesh-node.js';

/** The logic of a node: takes no input, emits {@link NodeEvent}s. Its output has the reason if the node has failed. */
// biome-ignore lint/suspicious/noExplicitAny: any system of actors may have a node in it.
export type NodeLogic = ActorLogic<NodeSnapshot, NodeMachineEvent, undefined, ActorSystem<any>, NodeEvent>;

/**
 * Makes a node that a statechart can invoke or spawn. The node starts with its actor. Its parent gets every {@link
 * NodeEvent} as an event of its own, and `xstate.done.actor.<id>` when the node has ended; `output.failure` holds the
 * reason if the node has failed. {@link nodeOf} gives the documents, peers and status.
 *
 * To stop the node, send it `node.stop` and wait until it is done: it then says goodbye to its peers. A parent that
 * stops the actor at once closes the sockets and the database. The database keeps every write that it has acknowledged,
 * and the peers notice the broken connections.
 *
 * The actors take their delays from the clock of their actor system. A node restored from a persisted snapshot starts
 * from the beginning: its database holds everything that it keeps. A node that had ended stays ended.
 *
 * @param configuration The configuration itself, or a provider that supplies it and reports changes
 * @param extras Loggers, services and ports. With `ports`, the logic can run only once: they serve one node
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`. With a provider, the
 * node fails with these errors instead
 *
 * @example
 * import { type NodeEvent, nodeLogic } from 'statemesh';
 * import { createActor, sendTo, setup } from 'xstate';
 *
 * const shop = setup({
 *   types: { events: {} as NodeEvent | { type: 'close' } },
 *   actors: { node: nodeLogic({ nodeId: 'shop-1', dataDir: './data', clusterKey, clusterSalt }) },
 * }).createMachine({
 *   invoke: { id: 'node', src: 'node', onDone: '.closed' },
 *   initial: 'alone',
 *   states: {
 *     alone: { on: { 'peer.connected': 'together' } },
 *     together: {},
 *     closing: { entry: sendTo('node', { type: 'node.stop' }) },
 *     closed: {},
 *   },
 *   on: { close: '.closing' },
 * });
 * const actor = createActor(shop).start();
 */
export function nodeLogic(configuration: NodeConfiguration, extras: NodeLogicExtras = {}): NodeLogic {
  const given = readNodeOptions(configuration, extras, nodeLogicExtras);
  return nodeLogicOf(given.provider, given.extras);
}

/**
 * The node that an actor of {@link nodeLogic} runs. The actor starts the node: `start()` rejects with `alreadyStarted`
 * from then on. `stop()` says goodbye first, unlike the actor's own `stop()`.
 *
 * @param actor A child of a snapshot, for example `snapshot.children.node`, or the actor itself
 * @throws StatemeshError `requestInvalid` for any other actor, and for undefined
 *
 * @example
 * const actor = createActor(nodeLogic({ nodeId: 'shop-1', clusterKey, clusterSalt })).start();
 * await waitFor(actor, () => nodeOf(actor).state === 'running');
 * await nodeOf(actor).collection('articles').put('a1', { name: 'Espresso' });
 */
export function nodeOf(actor: AnyActorRef | undefined): StatemeshNode {
  const node = actor && nodes.get(actor);
  if (node === undefined)
    throw new StatemeshError('requestInvalid', `nodeOf: ${actor?.id ?? 'undefined'} runs no node.`);
  return node;
}

const nodes = new WeakMap<AnyActorRef, StatemeshNode>();

/** {@link nodeLogic} over checked options. */
export function nodeLogicOf(provider: PeerNodeConfigurationProvider, extras: NodeLogicExtras): NodeLogic {
  const lives = new WeakMap<AnyActorRef, ActorLife>();
  const begin = (actor: NodeActor) => {
    const ports = extras.ports ?? systemPorts();
    const life: ActorLife = { isStarted: false, closing: Promise.resolve() };
    lives.set(actor, life);
    const { machine, node } = assemble(actor, { provider, extras, ports, life });
    nodes.set(actor, node);
    const parent = parentOf(actor);
    if (parent !== undefined) actor.on('*', (event) => parent.send(event));
    return { machine, input: inputOf(ports) };
  };
  /** Closes everything. Called when the actor will have no state in which it could do so. */
  const abandon = (actor: AnyActorRef, snapshot: NodeSnapshot): void => {
    const life = lives.get(actor);
    const closing = closeParts(openPartsIn(snapshot)).catch(() => {});
    if (life !== undefined) life.closing = closing;
  };
  return {
    getInitialSnapshot(scope) {
      const { machine, input } = begin(scope.self as NodeActor);
      return machine.getInitialSnapshot(scope as never, input);
    },
    transition(snapshot, event, scope) {
      if ((event.type as string) === 'xstate.stop') abandon(scope.self, snapshot);
      try {
        return snapshot.machine.transition(snapshot, event, scope as never) as NodeSnapshot;
      } catch (error) {
        // A service of the program has reported something that it should not. XState does not stop the children of an
        // actor that fails.
        abandon(scope.self, snapshot);
        snapshot.machine.transition(snapshot, { type: 'xstate.stop' } as never, { ...scope, defer: run } as never);
        throw error;
      }
    },
    start(snapshot, scope) {
      const life = lives.get(scope.self);
      if (life !== undefined) life.isStarted = true;
      snapshot.machine.start(snapshot);
    },
    // A snapshot cannot be persisted: its context holds sockets and secrets.
    getPersistedSnapshot: ({ status, output }) => ({ status, output, error: undefined }) as never,
    restoreSnapshot(persisted, scope) {
      const { status, output } = persisted as NodeSnapshot;
      const { machine, input } = begin(scope.self as NodeActor);
      return status === 'done'
        ? endedSnapshot(machine, input, output)
        : machine.getInitialSnapshot(scope as never, input);
    },
  };
}

function endedSnapshot(machine: NodeMachine, input: NodeInput, output: NodeOutput | undefined): NodeSnapshot {
  const failure = output?.failure;
  const { context } = getInitialSnapshot(machine, input);
  return machine.resolveState({
    value: failure === undefined ? 'stopped' : 'failed',
    context: { ...context, failure },
    status: 'done',
    output: { failure },
  }) as NodeSnapshot;
}

function run(effect: () => void): void {
  effect();
}

interface Parts {
  readonly provider: PeerNodeConfigurationProvider;
  readonly extras: NodeLogicExtras;
  readonly ports: NodePorts;
  readonly life: ActorLife;
}

/** The machine of one actor, with its services, its logs and its handle. */
function assemble(actor: NodeActor, parts: Parts): { machine: NodeMachine; node: StatemeshNode } {
  const { provider, extras, ports, life } = parts;
  const { logger, services } = extras;
  // The command line passes its own, which also has the lines that the command line logs.
  const log = logger instanceof RecentLog ? logger : new RecentLog(logger, () => ports.time.now());
  const auditLogger = extras.auditLogger ?? (logger && log);
  const audit = auditLogger === undefined ? undefined : new Audit(auditLogger, ports.time);
  const commands = (): ControlCommands => {
    const all = controlCommands(node, log);
    const nodeIdOf = () => actor.getSnapshot().context.configured?.configuration.nodeId;
    return onlyForMeant(audit === undefined ? all : auditCommands(all, audit, userOfSocket()), nodeIdOf);
  };
  const machine = composeNode({
    ...createServices(ports, {
      provider,
      commands,
      status: () => node.status(),
      // The program may change its working directory. After a change of NodeId and back, the node would otherwise not
      // find its database.
      workingDirectory: resolve(),
    }),
    ...services,
  });
  // Without an error listener XState reports to the process, which would take the embedding program down.
  actor.subscribe({ error: () => {} });
  logEvents(actor, log, () => ports.time.monotonicMs());
  endWith(actor, log);
  if (audit !== undefined) auditEvents(actor, audit);
  const node = handleOf(actor, ports, life);
  return { machine, node };
}

function inputOf({ randomness, time }: NodePorts): NodeInput {
  return {
    newBoot: () => randomness.token() as Boot,
    random: () => randomness.float(),
    now: () => time.now(),
    monotonicMs: () => time.monotonicMs(),
  };
}

/** When the node stops, readers that follow the log get its last lines and end. */
function endWith(actor: ActorRefFrom<NodeMachine>, log: RecentLog): void {
  actor.subscribe({
    next: (snapshot) => {
      if (nodeStateOf(snapshot) === 'stopping') log.end();
    },
    complete: () => log.end(),
    error: () => log.end(),
  });
}

/** Only this user and root can open the control socket. Node.js does not tell which process has opened it. */
function userOfSocket(): string {
  return `control socket of uid ${process.geteuid?.() ?? 'unknown'}`;
}
