/**
 * Nodes report no failure of their own code: no bug, no frame that is illegal in its state, no divergence, no duplicate
 * of a NodeId that only one process has, and no store failure that the world has not caused.
 */

import type { NodeEvent } from '../../actors/mailboxes.js';
import type { ErrorCode } from '../../core/errors.js';
import { isImpairment } from '../../core/impairment.js';
import type { CheckerFactory, View } from '../checker.js';

/** Codes that nodes of this implementation never give each other a reason for. */
const neverBetweenUs: ReadonlySet<ErrorCode> = new Set([
  'internal',
  'unexpectedFrame',
  'windowExceeded',
  'receiveBudgetExceeded',
  'frameMalformed',
  'frameTooLarge',
  'protocolUnsupported',
  'databaseCorrupt',
  'databaseForeign',
]);

/** A node is told to take an identity that it cannot have, and reports that: this is correct behavior. */
function isOfOperator(nodeEvent: NodeEvent): boolean {
  return nodeEvent.type === 'reconfiguration.failed' && nodeEvent.failure.code === 'databaseForeign';
}

/** A machine that is not a node of this world may send anything. */
function isOfStranger(nodeEvent: NodeEvent, { processes }: View): boolean {
  if (nodeEvent.type !== 'connection.refused') return false;
  return !processes.some(({ address }) => nodeEvent.remoteAddress.startsWith(`${address}:`));
}

export const failures: CheckerFactory = (view, report) => ({
  name: 'failures',
  kind: 'safety',
  happened({ nodeId, isDiskSound }, { nodeEvent }) {
    if (nodeEvent.type === 'store.impaired' && isDiskSound) report(`${nodeId} reports ${JSON.stringify(nodeEvent)}`);
    if (nodeEvent.type === 'failure' && isImpairment(nodeEvent.failure.code) && !isDiskSound) return;
    if (isOfStranger(nodeEvent, view)) return;
    const hasDouble = () => view.processes.filter((process) => process.nodeId === nodeId).length > 1;
    const isBroken =
      nodeEvent.type === 'peer.diverged' ||
      (nodeEvent.type === 'node.duplicated' && !hasDouble()) ||
      nodeEvent.type === 'failure' ||
      ('failure' in nodeEvent && neverBetweenUs.has(nodeEvent.failure.code) && !isOfOperator(nodeEvent));
    if (isBroken) report(`${nodeId} reports ${JSON.stringify(nodeEvent)}`);
  },
});
