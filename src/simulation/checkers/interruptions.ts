/**
 * While the network is healthy, no node gives up a session, however narrow and long the line is: moving bytes and
 * timely heartbeats keep it.
 */
import type { ErrorCode } from '../../core/errors.js';
import type { CheckerFactory } from '../checker.js';

/** Codes with which a node gives up a peer that is silent. */
const givenUp: ReadonlySet<ErrorCode> = new Set(['heartbeatMissed', 'connectionTimeout']);
/** Faults that have ended may still end sessions that they delayed. */
const recoveryMs = 30_000;
const crossings = 20;

export const interruptions: CheckerFactory = (view, report) => ({
  name: 'interruptions',
  kind: 'safety',
  happened({ nodeId }, { nodeEvent }) {
    if (nodeEvent.type !== 'peer.disconnected' || nodeEvent.failure === undefined) return;
    const { code, message } = nodeEvent.failure;
    const { healthySinceMs, nowMs, slowest } = view;
    if (!givenUp.has(code) || healthySinceMs === undefined) return;
    if (nowMs - healthySinceMs < recoveryMs + crossings * slowest.latencyMs) return;
    report(`${nodeId} has given up its session with ${nodeEvent.nodeId}, although nothing is wrong: ${message}`);
  },
});
