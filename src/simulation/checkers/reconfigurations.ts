/**
 * A reconfiguration that fails leaves the configuration that was in force, and the node serves by it. None loses a port: whenever a
 * node has settled it listens where it says, and nowhere else. In the end every node is as its operator has written it down.
 */
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

export const reconfigurations: CheckerFactory = (view, report) => {
  /** What was in force when a node was last seen settled, or had just been reconfigured. */
  const inForce = new Map<NodeProcess, string>();
  return {
    name: 'reconfigurations',
    kind: 'safety',
    happened(process, { happening }) {
      if (happening.type === 'reconfiguration.finished') inForce.set(process, configurationOf(process));
      if (happening.type !== 'reconfiguration.failed' || process.isThere === false) return;
      const before = inForce.get(process);
      const after = configurationOf(process);
      if (before !== undefined && before !== after) {
        report(`${process.nodeId} was not reconfigured (${happening.failure.message}), but goes by ${after} now.`);
      }
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
        if (!process.isUp || reconfigurationOf(process) !== 'settled') continue;
        inForce.set(process, configurationOf(process));
        const wrong = wrongWith(view, process);
        if (wrong !== undefined) report(wrong);
      }
    },
  };
};

function configurationOf({ node }: NodeProcess): string {
  return JSON.stringify(node.actor.getSnapshot().context.configured?.configuration);
}

function reconfigurationOf({ node }: NodeProcess): unknown {
  const { value } = node.actor.getSnapshot() as { value: unknown };
  return (value as { running?: { reconfiguration?: unknown } }).running?.reconfiguration;
}

const judged = ['nodeId', 'port', 'eligible', 'discovery'] as const;

/** What its operator has asked for, and was forgotten. */
function missingIn({ nodeId, wanted, node }: NodeProcess): string | undefined {
  const { configuration } = node.actor.getSnapshot().context.configured ?? {};
  const field = judged.find((name) => wanted[name] !== undefined && wanted[name] !== configuration?.[name]);
  return field && `The ${field} of ${nodeId} is to be ${wanted[field]}, and is ${configuration?.[field]}.`;
}

function wrongWith(view: View, process: NodeProcess): string | undefined {
  const { configured, listening } = process.node.actor.getSnapshot().context;
  const ports = view.portsOf(process);
  if (listening === undefined || ports.length !== 1 || ports[0] !== listening.port) {
    return `${process.nodeId} says that it listens on ${listening?.port}, and listens on ${ports.join(', ') || 'none'}.`;
  }
  const wanted = configured?.configuration.port;
  return wanted === 0 || wanted === listening.port
    ? undefined
    : `${process.nodeId} is to listen on ${wanted}, and listens on ${listening.port}.`;
}
