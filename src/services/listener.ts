/**
 * The listener, and the owner of all sockets.
 *
 * What is accepted goes to the node for as long as the listener is open. Connections outlive it, so that a listener can be
 * replaced while sessions go on; whatever is left when the node ends is closed by `connections`.
 */
import { type EventObject, fromCallback, fromPromise } from 'xstate';
import type { Failure } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { listeningHost } from '../protocol/configuration.js';
import type { Listening, Network, Time } from '../protocol/ports.js';
import type { ListenInput } from '../protocol/services.js';

export function createListen({ network, time }: { network: Network; time: Time }) {
  return fromPromise<Listening, ListenInput>(async ({ input: { configuration, security, parent }, signal }) => {
    const report = quietly(time, (remoteAddress: string, failure: Failure) => {
      parent.send({ type: 'connection.refused', remoteAddress, failure });
    });
    const listening = await network.listen({
      host: listeningHost(configuration),
      port: configuration.port,
      security,
      acceptsWebSockets: configuration.role === 'cloud',
      limits,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      accepted: (connection) => parent.send({ type: 'connection.accepted', connection }),
      refused: (failure, remoteAddress) => report(remoteAddress, failure),
    });
    // Stopped while it was opening: nobody will ever close it.
    if (signal.aborted) await listening.close();
    return listening;
  });
}

export function createConnections({ network }: { network: Network }) {
  return fromCallback<EventObject, object>(() => () => void network.closeAll());
}

/** The shortest time between two reports about one host and one kind of failure: a scan must not flood the log. */
const reportIntervalMs = 10_000;
const hostsRememberedMax = 1_000;

function quietly(time: Time, report: (remoteAddress: string, failure: Failure) => void): typeof report {
  const reportedAt = new Map<string, number>();
  return (remoteAddress, failure) => {
    const host = remoteAddress.slice(0, remoteAddress.lastIndexOf(':'));
    const kind = `${host} ${failure.code}`;
    const now = time.monotonicMs();
    if (now - (reportedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < reportIntervalMs) return;
    if (reportedAt.size >= hostsRememberedMax) reportedAt.clear();
    reportedAt.set(kind, now);
    report(remoteAddress, failure);
  };
}
