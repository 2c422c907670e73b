/** After a node drops a cluster key, no session continues under that key for longer than a goodbye takes. */

import type { SessionSnapshot } from '../../node/actor-tree.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';

const patienceMs = 4_000;

export const clusterKeys: CheckerFactory = (view, report) => {
  /** When each session was first seen with a key that is no longer in the ring. */
  let stale = new Map<string, number>();
  return {
    name: 'cluster-keys',
    kind: 'safety',
    look() {
      const now = new Map<string, number>();
      for (const process of view.processes) {
        if (!process.isUp) continue;
        const ring = ringOf(process);
        for (const session of view.insideOf(process).sessions) {
          const keyId = keyOf(session);
          if (ring === undefined || keyId === undefined || ring.includes(keyId)) continue;
          const name = `${process.address} ${session.context.sessionId}`;
          const sinceMs = stale.get(name) ?? view.nowMs;
          now.set(name, sinceMs);
          if (view.nowMs - sinceMs <= patienceMs) continue;
          report(
            `Since ${sinceMs.toFixed(0)} ms, ${process.nodeId} has continued ${name} under a key that it had dropped.`,
          );
        }
      }
      stale = now;
    },
  };
};

function ringOf({ node }: NodeProcess): readonly string[] | undefined {
  return node.actor.getSnapshot().context.configured?.keys?.all.map(({ keyId }) => keyId);
}

/** The key of a session of the local network that is in use. */
function keyOf({ value, context }: SessionSnapshot): string | undefined {
  const { protection } = context.connection;
  return value === 'synchronizing' && protection?.kind === 'psk' ? protection.keyId : undefined;
}
