/**
 * Nodes report nothing that says that something is broken in them: no bug, no frame where it has no meaning, no divergence, no
 * second process under a NodeId that only one has, and no failure of the store that the world has not brought about.
 */

import type { Happening } from '../../actors/mailboxes.js';
import type { ErrorCode } from '../../core/errors.js';
import { isImpairment } from '../../core/impairment.js';
import type { CheckerFactory, View } from '../checker.js';

/** Codes that a node of ours gives no other node of ours a reason for. */
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

/** A node is told to be what it cannot be, and says so: that is as it should be. */
function isOfOperator(happening: Happening): boolean {
  return happening.type === 'reconfiguration.failed' && happening.failure.code === 'databaseForeign';
}

/** Who is no node of this world may say what it likes. */
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
