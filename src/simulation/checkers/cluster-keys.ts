/** Nobody is connected by a cluster key that a node has dropped, longer than it takes to say so. */
import type { CheckerFactory } from '../checker.js';
import type { SessionSnapshot } from '../inside.js';
import type { NodeProcess } from '../node.js';

const patienceMs = 4_000;

export const clusterKeys: CheckerFactory = (view, report) => {
  /** Since when a session has gone on with a key that is not in the ring. */
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
          report(`${process.nodeId} goes on with ${name} by a key that it dropped at ${sinceMs.toFixed(0)} ms.`);
        }
      }
      stale = now;
    },
  };
};

function ringOf({ node }: NodeProcess): readonly string[] | undefined {
  return node.actor.getSnapshot().context.configured?.keys?.all.map(({ keyId }) => keyId);
}

/** Of a session of the local network that is in use. */
function keyOf({ value, context }: SessionSnapshot): string | undefined {
  const { protection } = context.connection;
  return value === 'synchronizing' && protection?.kind === 'psk' ? protection.keyId : undefined;
}
