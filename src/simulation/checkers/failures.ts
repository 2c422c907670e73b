/**
 * Nodes report no failure of their own code: no bug, no frame that is illegal in its state, no divergence, no duplicate
 * of a NodeId that only one process has, and no store failure that the world has not caused.
 */

import type { Happening } from '../../actors/mailboxes.js';
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
function isOfOperator(happening: Happening): boolean {
  return happening.type === 'reconfiguration.failed' && happening.failure.code === 'databaseForeign';
}

/** A machine that is not a node of this world may send anything. */
function isOfStranger(happening: Happening, { processes }: View): boolean {
  if (happening.type !== 'connection.refused') return false;
  return !processes.some(({ address }) => happening.remoteAddress.startsWith(`${address}:`));
}

export const failures: CheckerFactory = (view, report) => ({
  name: 'failures',
  kind: 'safety',
  happened({ nodeId, isDiskSound }, { happening }) {
    if (happening.type === 'store.impaired' && isDiskSound) report(`${nodeId} reports ${JSON.stringify(happening)}`);
    if (happening.type === 'failure' && isImpairment(happening.failure.code) && !isDiskSound) return;
    if (isOfStranger(happening, view)) return;
    const hasDouble = () => view.processes.filter((process) => process.nodeId === nodeId).length > 1;
    const isBroken =
      happening.type === 'peer.diverged' ||
      (happening.type === 'node.duplicated' && !hasDouble()) ||
      happening.type === 'failure' ||
      ('failure' in happening && neverBetweenUs.has(happening.failure.code) && !isOfOperator(happening));
    if (isBroken) report(`${nodeId} reports ${JSON.stringify(happening)}`);
  },
});
