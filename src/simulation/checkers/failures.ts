/**
 * Nodes report nothing that says that something is broken in them: no bug, no frame where it has no meaning, no divergence, no
 * second process under one NodeId, and no failure of the store that the world has not brought about.
 */
import type { ErrorCode } from '../../core/errors.js';
import type { CheckerFactory } from '../checker.js';

/** Codes that a node of ours gives no other node of ours a reason for. */
const neverBetweenUs: ReadonlySet<ErrorCode> = new Set([
  'internal',
  'unexpectedFrame',
  'windowExceeded',
  'frameMalformed',
  'frameTooLarge',
  'protocolUnsupported',
  'databaseCorrupt',
  'databaseForeign',
]);

export const failures: CheckerFactory = (_, report) => ({
  name: 'failures',
  kind: 'safety',
  happened({ nodeId }, { happening }) {
    const isBroken =
      happening.type === 'peer.diverged' ||
      happening.type === 'node.duplicated' ||
      happening.type === 'failure' ||
      ('failure' in happening && neverBetweenUs.has(happening.failure.code));
    if (isBroken) report(`${nodeId} reports ${JSON.stringify(happening)}`);
  },
});
