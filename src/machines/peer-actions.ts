/** The guards and actions of a peer, by their names in its chart. */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type { Address, NodeEvent, PeerCommand, SessionIdentified, Source } from '../actors/mailboxes.js';
import { dial } from '../actors/slots.js';
import { noticeOf } from '../actors/typed.js';
import { formatAddress } from '../core/address.js';
import type { AuthorKey } from '../core/author.js';
import { waitMs } from '../core/backoff.js';
import type { Failure } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Connection, ConnectionSecurity } from '../ports/ports.js';
import {
  addressOf,
  attemptsAfterSession,
  attemptsTold,
  candidatesOf,
  duplicateConnection,
  isSame,
  isSurplus,
  knownOnly,
  type PeerContext,
  type PeerInput,
  refusals,
  withAddress,
  without,
} from './peer-context.js';

export const peerSetup = setup({
  types: { context: {} as PeerContext, input: {} as PeerInput, events: {} as PeerCommand },
  actors: { dial },
  delays: {
    backoff: ({ context }) =>
      waitMs(context, limits.backoffFirstMs, context.isStirred ? limits.stirredBackoffMaxMs : limits.backoffMaxMs),
    refusedBackoff: ({ context }) => waitMs(context, limits.refusedBackoffFirstMs, limits.refusedBackoffMaxMs),
    handshakeTimeout: limits.handshakeTimeoutMs,
    duplicateProbe: ({ context }) => limits.duplicateProbeMs + 2 * (context.session?.rate?.roundTripMs ?? 0),
  },
  guards: {
    /** Whether only ended sessions, or no source at all, tell of this peer. */
    isForgotten: ({ context }) => {
      const { session, ...announced } = context.addresses;
      if (Object.keys(announced).length > 0) return false;
      return session === undefined || context.attempt > attemptsAfterSession;
    },
    isUnstirred: ({ context }) => !context.isStirred,
    isOwnSession: ({ context }, { sessionId }: { sessionId: string }) => context.session?.sessionId === sessionId,
    isContender: ({ context }, { sessionId }: { sessionId: string }) => context.contender?.sessionId === sessionId,
    isSameProcess: ({ context }, { identity }: SessionIdentified) => context.session?.identity.boot === identity.boot,
    isSurplus: ({ context }, newcomer: SessionIdentified) => isSurplus(context, newcomer),
    isGone: ({ context }, { sessionId, failure }: { sessionId: string; failure: Failure }) =>
      context.session?.sessionId === sessionId && failure.code === 'identityChanged',
    /** Counts only once it holds for every address: there may be another node at another address. */
    isRefusal: ({ context }, { failure }: { failure: Failure }) =>
      refusals.has(failure.code) && context.turn + 1 >= candidatesOf(context.addresses).length,
    isRefusalOfOwnSession: ({ context }, { sessionId, failure }: { sessionId: string; failure: Failure }) =>
      context.session?.sessionId === sessionId && refusals.has(failure.code),
  },
  actions: {
    rememberAddress: assign(({ context }, { source, address }: { source: Source; address: Address }) => ({
      addresses: { ...context.addresses, [source]: withAddress(context.addresses[source], source, address) },
      turn: 0,
    })),
    rememberStir: assign({ isStirred: true }),
    forgetAddress: assign(({ context }, { source, address }: { source: Source; address?: Address }) => {
      const { [source]: before = [], ...others } = context.addresses;
      const left = address === undefined ? [] : before.filter((other) => !isSame(other, address));
      return { addresses: left.length === 0 ? others : { ...others, [source]: left } };
    }),
    secure: assign((_, { security }: { security: ConnectionSecurity }) => ({ security })),
    rememberPort: assign(({ context: { addresses, session } }, { port }: { port: number }) =>
      session === undefined
        ? {}
        : { addresses: { ...addresses, session: [{ host: session.remoteHost, port }] }, turn: 0 },
    ),
    /** Addresses that the peer told itself are outdated. Configured ones may be right again. */
    forgetPlaces: assign(({ context: { addresses } }) => ({ addresses: knownOnly(addresses) })),
    forgetWrongAddress: assign(({ context: { addresses } }, { remoteAddress }: { remoteAddress: string }) => ({
      addresses: without(addresses, remoteAddress),
    })),
    handOver: sendTo(
      ({ context }) => context.parent,
      ({ context }, { connection }: { connection: Connection }) => ({
        type: 'connection.dialed' as const,
        connection,
        expected: context.nodeId,
      }),
    ),
    /** Admits a session, and replaces the present one if there is one. */
    admit: enqueueActions(({ context, enqueue }, newcomer: SessionIdentified) => {
      if (context.session !== undefined) {
        enqueue.sendTo(context.session.session, { type: 'session.close', refusal: duplicateConnection });
      }
      enqueue.sendTo(newcomer.session, { type: 'session.admit' });
      // A session starts without divergence, and reports one later.
      enqueue.raise({ type: 'session.aligned', sessionId: newcomer.sessionId });
      const { remoteHost, identity } = newcomer;
      const address = identity.port > 0 ? { session: [{ host: remoteHost, port: identity.port }] } : {};
      enqueue.assign({ session: newcomer, contender: undefined, addresses: { ...context.addresses, ...address } });
    }),
    refuseSurplus: sendTo((_, newcomer: SessionIdentified) => newcomer.session, {
      type: 'session.refuse',
      refusal: duplicateConnection,
    }),
    holdContender: assign((_, contender: SessionIdentified) => ({ contender })),
    probeSession: enqueueActions(({ context, enqueue }) => {
      if (context.session !== undefined) enqueue.sendTo(context.session.session, { type: 'session.probe' });
    }),
    /** The present session lives, so two processes use one NodeId. The earlier one stays. */
    refuseContender: enqueueActions(({ context, enqueue }) => {
      const { contender, nodeId } = context;
      if (contender === undefined) return;
      const { session, remoteAddress } = contender;
      enqueue.sendTo(session, { type: 'session.refuse', refusal: duplicate(nodeId) });
      enqueue.assign({ contender: undefined });
      const failure = duplicate(nodeId, ` It was refused at ${remoteAddress}.`);
      enqueue.sendTo(context.parent, noticeOf({ type: 'peer.refused', nodeId, failure }));
    }),
    forgetContender: assign({ contender: undefined }),
    forgetSession: assign({ session: undefined }),
    resetAttempts: assign({ attempt: 0, lastFailure: undefined }),
    recordFailure: assign(({ context }, { failure }: { failure: Failure }) => ({
      attempt: context.attempt + 1,
      turn: context.turn + 1,
      isStirred: false,
      lastFailure: { ...failure, atMs: context.now() },
    })),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, event: NodeEvent) => noticeOf(event),
    ),
    tellConnected: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId, session } }) =>
        noticeOf({ type: 'peer.connected', nodeId, remoteAddress: session?.remoteAddress ?? '' }),
    ),
    tellDisconnected: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId } }, { failure }: { failure: Failure }) =>
        noticeOf({ type: 'peer.disconnected', nodeId, failure }),
    ),
    tellRefused: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId, lastFailure } }) => {
        const { code, message } = lastFailure ?? duplicateConnection;
        return noticeOf({ type: 'peer.refused', nodeId, failure: { code, message } });
      },
    ),
    /** Reports the first failure, and then ever fewer of them: a peer that is away for a week does not fill the log. */
    tellUnreachable: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure }) => {
      const { nodeId, attempt, turn, addresses, parent } = context;
      // The address before the failure: the turn has moved on. The peer may have lost that address meanwhile.
      const address = addressOf({ addresses, turn: turn - 1 });
      if (!attemptsTold.has(attempt) || address === undefined) return;
      const told = { address: formatAddress(address), attempts: attempt, failure };
      enqueue.sendTo(parent, noticeOf({ type: 'peer.unreachable', nodeId, ...told }));
    }),
    tellDiverged: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId } }, { authors }: { authors: readonly AuthorKey[] }) =>
        noticeOf({ type: 'peer.diverged', nodeId, authors }),
    ),
  },
});

function duplicate(nodeId: NodeId, where = ''): Failure {
  const message = `Another live process uses the NodeId "${nodeId}" and is connected: give each node its own.${where}`;
  return { code: 'duplicateNodeId', message };
}
