/**
 * Opens a connection to a cloud node. Gives up when its gateway no longer waits, and closes a connection that opens too
 * late.
 */
import { fromPromise } from 'xstate';
import type { DialCloudInput } from '../actors/slots.js';
import { parseCloudAddress } from '../core/address.js';
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Connection, Network } from '../ports/ports.js';

/** @throws StatemeshError `peerInvalid`, `plaintextRefused`, and the errors of the network's dial */
export function createDialCloud({ network }: { network: Network }) {
  return fromPromise<Connection, DialCloudInput>(async ({ input: { address, ca, isPlaintextAllowed }, signal }) => {
    const { host, port, isEncrypted, webSocketPath } = parseCloudAddress(address);
    if (!isEncrypted && !isPlaintextAllowed) {
      throw new StatemeshError(
        'plaintextRefused',
        `The connection to ${host}:${port} would not be encrypted: use wss:// or host:port, or set plaintextCloud to try it on this machine.`,
      );
    }
    const security = isEncrypted ? ({ kind: 'verified', ca } as const) : ({ kind: 'none' } as const);
    const connection = await network.dial({
      host,
      port,
      security,
      webSocketPath,
      timeoutMs: limits.dialTimeoutMs,
      signal,
    });
    if (signal.aborted) connection.destroy();
    return connection;
  });
}
