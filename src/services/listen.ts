/**
 * The listener, and the owner of all sockets.
 *
 * Accepted connections go to the node for as long as the listener is open. They outlive it, so that a listener can be
 * replaced while sessions continue; `connections` closes those that are left when the node ends.
 */
import { fromPromise } from 'xstate';
import type { ListenInput } from '../actors/slots.js';
import { connectionLimitsOf, listeningHost } from '../configuration/schema.js';
import { failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Listening, Network, Randomness, Time } from '../ports/ports.js';
import type { Acquaintances } from './acquaintances.js';
import { RefusalReports } from './refusal-reports.js';

interface Surroundings {
  readonly network: Network;
  readonly time: Time;
  readonly randomness: Randomness;
  readonly acquaintances: Acquaintances;
}

export function createListen({ network, time, randomness, acquaintances }: Surroundings) {
  return fromPromise<Listening, ListenInput>(async ({ input: { configuration, security, parent }, signal }) => {
    const reports = new RefusalReports();
    const listenAt = (host: string) =>
      network.listen({
        host,
        port: configuration.port,
        security,
        acceptsWebSockets: configuration.role === 'cloud',
        limits: connectionLimitsOf(configuration),
        handshakeTimeoutMs: limits.handshakeTimeoutMs,
        accepted: (connection) => parent.send({ type: 'connection.accepted', connection }),
        random: () => randomness.float(),
        isFamiliar: (address) => acquaintances.isFamiliar(address),
        refused: (failure, remoteAddress) => {
          const report = reports.refused(remoteAddress, failure, time.monotonicMs());
          if (report !== undefined) parent.send({ type: 'connection.refused', ...report });
        },
      });
    const host = listeningHost(configuration);
    const listening = await listenAt(host).catch((error: unknown) => {
      // A machine without IPv6: all interfaces then means those of IPv4. A configured address is never replaced.
      if (host !== configuration.host && host === '::' && failureOf(error).code === 'addressUnavailable') {
        return listenAt('0.0.0.0');
      }
      throw error;
    });
    // Stopped while it was opening: no later step would close it.
    if (signal.aborted) await listening.close();
    return listening;
  });
}
