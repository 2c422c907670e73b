/**
 * Opens a connection to a peer. Gives up when its peer actor no longer waits, and closes a connection that opens too
 * late.
 */
import { fromPromise } from 'xstate';
import type { DialInput } from '../actors/slots.js';
import { limits } from '../core/limits.js';
import type { Connection, Network } from '../ports/ports.js';
import type { Acquaintances } from './acquaintances.js';

export function createDial({ network, acquaintances }: { network: Network; acquaintances: Acquaintances }) {
  return fromPromise<Connection, DialInput>(async ({ input: { address, security }, signal }) => {
    acquaintances.note(address.host);
    const connection = await network.dial({ ...address, security, timeoutMs: limits.dialTimeoutMs, signal });
    if (signal.aborted) connection.destroy();
    return connection;
  });
}
