/**
 * A reconfiguration that fails keeps the previous configuration, and the node serves by it. A configuration that is
 * reported as in force is in force. The new database holds what was written to the old one, and nothing more is written
 * to the old one. No reconfiguration loses a port: a settled node has open what it needs and nothing else, that is one
 * listener at its configured address, one database, and a socket for beacons if it sends any. In the end every node has
 * the configuration that its operator wrote.
 */
import type { SnapshotFrom } from 'xstate';
import type { ReconfigurationFinished } from '../../actors/mailboxes.js';
import { positionOf } from '../../core/vector-clock.js';
import type { NodeMachine } from '../../machines/node.machine.js';
import { reconfigurationStepOf, replacedStoreIn } from '../../node/actor-tree.js';
import type { Store } from '../../ports/store.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** What a node works by. */
interface InForce {
  readonly configuration: string;
  readonly store: Store | undefined;
}

/**
 * Steps in which a node already uses a configuration that it has not reported yet; a refusal meanwhile says nothing
 * about it.
 */
const untold: ReadonlySet<string | undefined> = new Set(['leaving', 'ending']);

export const reconfigurations: CheckerFactory = (view, report) => {
  /** What was in force when a node was last seen settled, or had just been reconfigured. */
  const inForce = new Map<NodeProcess, InForce>();
  return {
    name: 'reconfigurations',
    kind: 'safety',
    happened(process, { nodeEvent }) {
      if (nodeEvent.type === 'reconfiguration.finished') {
        inForce.set(process, inForceIn(process));
        const lacking = lackingIn(process, nodeEvent) ?? leftBehindBy(process);
        if (lacking !== undefined) report(lacking);
      }
      if (nodeEvent.type !== 'reconfiguration.failed' || !process.isThere || untold.has(stepOf(process))) return;
      const before = inForce.get(process);
      if (before === undefined) return;
      const what = `${process.nodeId} was not reconfigured (${nodeEvent.failure.message}), but`;
      const after = inForceIn(process);
      if (before.configuration !== after.configuration) report(`${what} goes by ${after.configuration} now.`);
      if (before.store !== after.store) report(`${what} has another database now.`);
      if (!process.isUp) report(`${what} does not run any more.`);
    },
    committed(process, { origin }, nodeId) {
      const { store } = contextOf(process);
      if (origin !== undefined || !process.isUp || nodeId === store?.nodeId) return;
      if (replacedStoreIn(process.node.actor.getSnapshot())?.nodeId === nodeId)
        report(`${store?.nodeId} wrote to the database of ${nodeId}, which it has left.`);
    },
    ended(process) {
      inForce.delete(process);
    },
    async settled() {
      for (const process of view.processes) {
        const missing = missingIn(process);
        if (missing !== undefined) report(missing);
      }
    },
    look() {
      for (const process of view.processes) {
        if (!process.isUp || stepOf(process) !== 'settled') continue;
        inForce.set(process, inForceIn(process));
        const wrong = wrongWith(view, process);
        if (wrong !== undefined) report(wrong);
      }
    },
  };
};

function contextOf({ node }: NodeProcess): SnapshotFrom<NodeMachine>['context'] {
  return node.actor.getSnapshot().context;
}

function inForceIn(process: NodeProcess): InForce {
  const { configured, store } = contextOf(process);
  // The directory differs from run to run.
  return { configuration: JSON.stringify({ ...configured?.configuration, dataDir: undefined }), store };
}

function stepOf({ node }: NodeProcess): string | undefined {
  return reconfigurationStepOf(node.actor.getSnapshot());
}

/**
 * A change that is reported as in force but is not. Secrets and files are reported under names that are not their
 * values.
 */
function lackingIn(process: NodeProcess, { changes }: ReconfigurationFinished): string | undefined {
  const configuration = new Map<string, unknown>(Object.entries(contextOf(process).configured?.configuration ?? {}));
  const isLacking = ({ field, from, to }: (typeof changes)[number]) =>
    configuration.has(field) &&
    JSON.stringify(configuration.get(field)) !== JSON.stringify(to) &&
    JSON.stringify(configuration.get(field)) === JSON.stringify(from);
  const change = changes.find(isLacking);
  return (
    change && `${process.nodeId} reports that its ${change.field} is ${change.to}, but it is still ${change.from}.`
  );
}

/**
 * Writes of a node under its former identity that the new database lacks. Writes that peers sent until the goodbye may
 * follow later.
 */
function leftBehindBy(process: NodeProcess): string | undefined {
  const { store } = contextOf(process);
  const replaced = replacedStoreIn(process.node.actor.getSnapshot());
  const nodeId = replaced?.nodeId;
  const own = [...(replaced?.clock() ?? [])].filter(([author]) => author.startsWith(`${nodeId}/`));
  const author = own.find(([key, { hlc }]) => positionOf(store?.clock() ?? new Map(), key).hlc < hlc)?.[0];
  return author && `${store?.nodeId} has not taken over all writes of ${author}.`;
}

const judged = ['nodeId', 'port', 'eligible', 'discovery'] as const;

/** A change that its operator asked for and that was forgotten. */
function missingIn({ nodeId, wanted, node }: NodeProcess): string | undefined {
  const { configuration } = node.actor.getSnapshot().context.configured ?? {};
  const field = judged.find((name) => wanted[name] !== undefined && wanted[name] !== configuration?.[name]);
  return field && `The ${field} of ${nodeId} should be ${wanted[field]}, but is ${configuration?.[field]}.`;
}

function wrongWith(view: View, process: NodeProcess): string | undefined {
  const { configured, listening, store } = contextOf(process);
  const { nodeId } = process;
  const ports = view.portsOf(process);
  if (listening === undefined || ports.length !== 1 || ports[0] !== listening.port) {
    return `${nodeId} reports that it listens on ${listening?.port}, but listens on ${ports.join(', ') || 'none'}.`;
  }
  const { port, nodeId: name, discovery, role } = configured?.configuration ?? {};
  if (port !== 0 && port !== listening.port)
    return `${nodeId} should listen on ${port}, but listens on ${listening.port}.`;
  if (process.openDatabases !== 1) return `${nodeId} has ${process.openDatabases} databases open; one is expected.`;
  if (store?.nodeId !== name) return `${name} has the database of ${store?.nodeId} open.`;
  const sockets = view.datagramSocketsOf(process);
  const socketsMax = discovery === true && role !== 'cloud' ? 1 : 0;
  return sockets > socketsMax
    ? `${nodeId} has ${sockets} sockets for beacons open; at most ${socketsMax} are expected.`
    : undefined;
}
