/** The guards and actions of a membership, by their names in its chart. */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type {
  Address,
  Adjustment,
  Direction,
  NodeEvent,
  Notice,
  PeerCommand,
  PeerReport,
  SessionIdentified,
  SessionOutput,
  SessionReport,
  Source,
} from '../actors/mailboxes.js';
import { discovery, knownPeers } from '../actors/slots.js';
import { mailboxOf, noticeOf } from '../actors/typed.js';
import { formatAddress } from '../core/address.js';
import { failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Connection, ConnectionSecurity } from '../ports/ports.js';
import type { Refusal } from '../wire/messages.js';
import {
  duplicateNodeId,
  isInForce,
  type KnownPeers,
  type MembershipContext,
  type MembershipEvent,
  type MembershipInput,
  peerActorId,
  quarantineKeyOf,
  refusalOf,
  retired,
  scopes,
  tableFull,
  without,
  withoutPeer,
  withRow,
} from './membership-context.js';
import { peerMachine } from './peer.machine.js';
import { sessionMachine } from './session.machine.js';

export const membershipSetup = setup({
  types: {
    context: {} as MembershipContext,
    input: {} as MembershipInput,
    events: {} as
      | MembershipEvent
      | DoneActorEvent<SessionOutput | undefined, string>
      | ErrorActorEvent<unknown, string>,
  },
  actors: { discovery, knownPeers, peer: peerMachine, session: sessionMachine },
  delays: { leavingTimeout: limits.leavingTimeoutMs },
  guards: {
    isAlone: ({ context }) => context.sessions.size === 0,
    /** The listener makes unidentified connections give way. For a moment there may be two for each place. */
    isFull: ({ context }) => context.sessions.size >= limits.connectionsMax + 2 * limits.unauthenticatedMax,
    /** Whether a connection was accepted or dialed under security rules that have changed since. */
    isOutdated: ({ context }, { connection }: { connection: Connection }) =>
      !isInForce(connection.protection, context.security),
    /** The key of the cluster signs the beacons. */
    touchesDiscovery: (_, { effects }: Adjustment) => effects.has('discovery') || effects.has('keys'),
    hasMoved: ({ context }, { identity }: Adjustment) => identity.port !== context.identity.port,
    touchesKnownPeers: (_, { effects }: Adjustment) => effects.has('knownPeers'),
    isUnwelcome: ({ context }, { identity }: SessionIdentified) => refusalOf(context, identity) !== undefined,
  },
  actions: {
    /**
     * Turns a connection into a session. The session belongs to no peer before its handshake tells the NodeId of the
     * other side.
     */
    startSession: assign(
      (
        { context, spawn, self },
        { connection, direction, expected }: { connection: Connection; direction: Direction; expected?: NodeId },
      ) => {
        const { identity, store, configuration, random } = context;
        const sessionId = `session-${context.sessionCount + 1}`;
        const parent = mailboxOf<SessionReport>(self);
        const ref = spawn('session', {
          id: sessionId,
          input: {
            sessionId,
            parent,
            connection,
            direction,
            expected,
            identity,
            store,
            scopes,
            random,
            access: { kind: 'cluster' },
            intervals: configuration,
          },
        });
        const row = { ref, protection: connection.protection, peerId: undefined };
        return { sessionCount: context.sessionCount + 1, sessions: withRow(context.sessions, sessionId, row) };
      },
    ),
    /** Calls a port: closing a connection neither throws nor returns a result. */
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    /** Starts one actor for each peer, as long as the table has room. */
    meetPeers: assign(({ context, spawn, self }, { nodeIds }: { nodeIds: Iterable<NodeId> }) => {
      const peers = new Map(context.peers);
      for (const nodeId of nodeIds) {
        if (nodeId === context.identity.nodeId || peers.has(nodeId)) continue;
        if (peers.size >= limits.peersMax) break;
        const { security, random, now } = context;
        const parent = mailboxOf<PeerReport>(self);
        const input = { nodeId, selfId: context.identity.nodeId, parent, security, random, now };
        peers.set(nodeId, spawn('peer', { id: peerActorId(nodeId), input }));
      }
      return { peers };
    }),
    /** Lets the peer actor decide about a session. */
    introduce: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      const { identity, session, sessionId } = event;
      const peer = context.peers.get(identity.nodeId);
      if (peer === undefined) {
        enqueue.sendTo(session, { type: 'session.refuse', refusal: tableFull });
        return;
      }
      const row = context.sessions.get(sessionId);
      if (row === undefined) return;
      enqueue.assign({ sessions: withRow(context.sessions, sessionId, { ...row, peerId: identity.nodeId }) });
      enqueue.sendTo(peer, event);
    }),
    refuseUnwelcome: enqueueActions(({ context, enqueue }, event: SessionIdentified) => {
      const { identity, session, remoteHost } = event;
      const refusal = refusalOf(context, identity) ?? tableFull;
      enqueue.sendTo(session, { type: 'session.refuse', refusal });
      if (refusal.code !== 'duplicateNodeId') return;
      const failure = duplicateNodeId(identity.nodeId, formatAddress({ host: remoteHost, port: identity.port }));
      enqueue.sendTo(context.parent, noticeOf({ type: 'node.duplicated', failure }));
    }),
    reportWrongAddress: enqueueActions(
      ({ context, enqueue }, { identity, expected, remoteAddress }: SessionIdentified) => {
        const peer = expected === undefined || expected === identity.nodeId ? undefined : context.peers.get(expected);
        if (peer === undefined) return;
        const message = `"${identity.nodeId}" answers at the address of "${expected}": correct the address.`;
        enqueue.sendTo(peer, {
          type: 'peer.wrongAddress',
          remoteAddress,
          failure: { code: 'nodeIdMismatch', message },
        });
      },
    ),
    tellDiscovered: enqueueActions(
      ({ context, enqueue }, { nodeId, address, source }: { nodeId: NodeId; address: Address; source: Source }) => {
        const peer = context.peers.get(nodeId);
        if (peer !== undefined) enqueue.sendTo(peer, { type: 'peer.discovered', address, source });
      },
    ),
    /** Sessions and peers continue; each hears only of changes that concern it. */
    adjust: enqueueActions(({ context, enqueue }, { effects, identity, configured }: Adjustment) => {
      const { configuration, keys, initialPeers } = configured;
      const security = configured.security as ConnectionSecurity;
      const hasMoved = identity.port !== context.identity.port;
      enqueue.assign({ identity, configuration, keys, initialPeers, security });
      for (const { ref } of context.sessions.values()) {
        if (effects.has('intervals')) enqueue.sendTo(ref, { type: 'session.adjust', intervals: configuration });
        if (hasMoved) enqueue.sendTo(ref, { type: 'session.relocate', port: identity.port });
      }
      if (!effects.has('keys')) return;
      for (const peer of context.peers.values()) enqueue.sendTo(peer, { type: 'peer.secure', security });
      for (const { ref, protection } of context.sessions.values()) {
        if (!isInForce(protection, security)) enqueue.sendTo(ref, { type: 'session.close', refusal: retired });
      }
    }),
    /** Discovery starts again, and cannot report the loss of a peer that it does not find again. */
    tellAllVanished: enqueueActions(({ context, enqueue }) => {
      for (const peer of context.peers.values()) {
        enqueue.sendTo(peer, { type: 'peer.vanished', source: 'beacon' });
      }
    }),
    tellVanished: enqueueActions(({ context, enqueue }, { nodeId, address }: { nodeId: NodeId; address?: Address }) => {
      const peer = context.peers.get(nodeId);
      if (peer === undefined) return;
      enqueue.sendTo(peer, { type: 'peer.vanished', source: 'beacon', ...(address === undefined ? {} : { address }) });
    }),
    /** Other nodes reach these peers, or hear them, so this node may reach them, too. */
    stirPeers: enqueueActions(({ context, enqueue }, { nodeIds }: { nodeIds: Iterable<NodeId> }) => {
      for (const nodeId of nodeIds) {
        const peer = context.peers.get(nodeId);
        if (peer !== undefined) enqueue.sendTo(peer, { type: 'peer.stirred' });
      }
    }),
    /** Tells the peers that were added, moved or removed, and remembers the new list. */
    updateKnown: enqueueActions(({ context, enqueue }, { peers, quarantined, surplus }: KnownPeers) => {
      for (const nodeId of context.known.keys()) {
        const peer = context.peers.get(nodeId);
        if (peer !== undefined && !peers.has(nodeId)) enqueue.sendTo(peer, { type: 'peer.vanished', source: 'known' });
      }
      for (const [nodeId, address] of peers) {
        const peer = context.peers.get(nodeId);
        // Tells every known address: the peer's actor may be new although the address is not.
        if (peer === undefined) continue;
        enqueue.sendTo(peer, { type: 'peer.discovered', source: 'known', address });
      }
      const toldBefore = new Set(context.quarantined.map(quarantineKeyOf));
      for (const document of quarantined.filter((each) => !toldBefore.has(quarantineKeyOf(each)))) {
        enqueue.sendTo(context.parent, noticeOf({ type: 'document.quarantined', ...document }));
      }
      if (surplus !== undefined && context.surplus === undefined) {
        enqueue.sendTo(context.parent, noticeOf({ type: 'failure', where: 'known peers', failure: surplus }));
      }
      enqueue.assign({ known: peers, quarantined, surplus });
    }),
    tellSessionPeer: enqueueActions(({ context, enqueue }, event: { sessionId: string } & PeerCommand) => {
      const peerId = context.sessions.get(event.sessionId)?.peerId;
      const peer = peerId === undefined ? undefined : context.peers.get(peerId);
      if (peer !== undefined) enqueue.sendTo(peer, event as PeerCommand);
    }),
    /** Reaps a child that has ended: the actor of a session, or of a forgotten peer. */
    reap: enqueueActions(
      ({ context, enqueue }, { actorId, output }: { actorId: string; output: SessionOutput | undefined }) => {
        enqueue.stopChild(actorId);
        if (output === undefined) {
          enqueue.assign({ peers: withoutPeer(context.peers, actorId) });
          return;
        }
        enqueue.assign({ sessions: without(context.sessions, actorId) });
        const owner = output.peerId ?? output.expected;
        const peer = owner === undefined ? undefined : context.peers.get(owner);
        if (peer !== undefined) {
          enqueue.sendTo(peer, { type: 'session.closed', sessionId: output.sessionId, failure: output.failure });
        }
      },
    ),
    /**
     * A failed child is a bug, but it concerns that child only: record it, stop the child, and let the others continue.
     */
    contain: enqueueActions(({ context, enqueue }, { actorId, error }: { actorId: string; error: unknown }) => {
      const failure = failureOf(error);
      enqueue.stopChild(actorId);
      enqueue.sendTo(context.parent, noticeOf({ type: 'failure', where: actorId, failure }));
      const owner = context.peers.get(context.sessions.get(actorId)?.peerId as NodeId);
      if (owner !== undefined) enqueue.sendTo(owner, { type: 'session.closed', sessionId: actorId, failure });
      for (const { ref, peerId } of context.sessions.values()) {
        if (peerId !== undefined && peerActorId(peerId) === actorId) {
          enqueue.sendTo(ref, { type: 'session.close', refusal: failure });
        }
      }
      enqueue.assign({ sessions: without(context.sessions, actorId), peers: withoutPeer(context.peers, actorId) });
    }),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, event: NodeEvent) => noticeOf(event),
    ),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Notice) => event,
    ),
    stopPeers: enqueueActions(({ context, enqueue }) => {
      for (const nodeId of context.peers.keys()) enqueue.stopChild(peerActorId(nodeId));
      enqueue.assign({ peers: new Map() });
    }),
    sayGoodbye: enqueueActions(({ context, enqueue }, { refusal }: { refusal: Refusal }) => {
      for (const { ref } of context.sessions.values()) enqueue.sendTo(ref, { type: 'session.close', refusal });
    }),
  },
});
