/** Opens a connection to a peer. Gives up when its peer no longer waits, and closes what opens too late. */
import { fromPromise } from 'xstate';
import { limits } from '../core/limits.js';
import type { Connection, Network } from '../protocol/ports.js';
import type { DialInput } from '../protocol/services.js';

export function createDial({ network }: { network: Network }) {
  return fromPromise<Connection, DialInput>(async ({ input: { address, security }, signal }) => {
    const connection = await network.dial({ ...address, security, timeoutMs: limits.dialTimeoutMs, signal });
    if (signal.aborted) connection.destroy();
    return connection;
  });
}
