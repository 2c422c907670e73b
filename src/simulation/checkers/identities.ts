/**
 * No session outlives the identity of the other side for long: a process that changes its NodeId says goodbye or falls
 * silent. And each identity starts with a boot of its own: no two identities ever share a boot.
 */
import type { Boot, NodeId } from '../../core/ids.js';
import { limits } from '../../core/limits.js';
import type { SessionSnapshot } from '../../node/actor-tree.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** Time for a goodbye and for the reaction to it. */
const patienceMs = 4_000;

export const identities: CheckerFactory = (view, report) => {
  /** Since when a session has been with an identity that no process has any more. */
  let orphaned = new Map<string, number>();
  const nodeIdOf = new Map<Boot, NodeId>();
  return {
    name: 'identities',
    kind: 'safety',
    look() {
      const now = new Map<string, number>();
      for (const process of view.processes) {
        if (!process.isUp) continue;
        for (const session of view.insideOf(process).sessions) {
          const { peer } = session.context;
          if (peer !== undefined) {
            const before = nodeIdOf.get(peer.boot) ?? peer.nodeId;
            nodeIdOf.set(peer.boot, before);
            if (before !== peer.nodeId)
              report(`${peer.nodeId} has the boot ${peer.boot}, which was that of ${before}.`);
          }
          const gone = goneIn(view, session);
          if (gone === undefined) continue;
          const name = `${process.address} ${session.context.sessionId} ${gone}`;
          const sinceMs = orphaned.get(name) ?? view.nowMs;
          now.set(name, sinceMs);
          // Without a goodbye, the session ends after the heartbeats that may be missed.
          const boundMs = patienceMs + (limits.heartbeatsMissedMax + 3) * intervalMs(process);
          if (view.nowMs - sinceMs <= boundMs) continue;
          report(
            `${process.nodeId} still has a session with ${gone}; no process has had that NodeId since ${sinceMs.toFixed(0)} ms.`,
          );
        }
      }
      orphaned = now;
    },
  };
};

/** The NodeId of the other side of a session, if the process there now has another one. */
function goneIn({ processes }: View, { value, context }: SessionSnapshot): string | undefined {
  if (value !== 'synchronizing') return undefined;
  const other = processes.find(({ address }) => address === context.connection.remoteHost);
  const nodeId = context.peer?.nodeId;
  return other?.isUp === true && nodeId !== undefined && other.nodeId !== nodeId ? nodeId : undefined;
}

function intervalMs({ options }: NodeProcess): number {
  return options.heartbeatIntervalMs ?? 1_000;
}
