/**
 * The table of peers, with one peer actor each, and the source of each address. Every session of the local network is a
 * child of the membership, including those that have not yet identified the other side.
 *
 * A beacon or a stored address only suggests an address to dial. Only an authenticated session proves which node is
 * there.
 */
import { sendTo } from 'xstate';
import type { DiscoveryReport, KnownPeersReport } from '../actors/mailboxes.js';
import { itsEvent, mailboxOf } from '../actors/typed.js';
import { formatAddress } from '../core/address.js';
import { membershipSetup } from './membership-actions.js';
import { duplicateNodeId } from './membership-context.js';

export type { MembershipInput } from './membership-context.js';

const machine = membershipSetup.createMachine({
  id: 'membership',
  context: ({ input }) => ({
    ...input,
    peers: new Map(),
    sessions: new Map(),
    sessionCount: 0,
    known: new Map(),
    quarantined: [],
    surplus: undefined,
  }),
  initial: 'present',
  on: {
    'connection.accepted': [
      {
        guard: { type: 'isOutdated', params: itsEvent },
        actions: { type: 'dropConnection', params: itsEvent },
      },
      { guard: 'isFull', actions: { type: 'dropConnection', params: itsEvent } },
      {
        actions: {
          type: 'startSession',
          params: ({ event }) => ({ connection: event.connection, direction: 'accepted' }),
        },
      },
    ],
    'connection.dialed': [
      {
        guard: { type: 'isOutdated', params: itsEvent },
        actions: { type: 'dropConnection', params: itsEvent },
      },
      { guard: 'isFull', actions: { type: 'dropConnection', params: itsEvent } },
      { actions: { type: 'startSession', params: ({ event }) => ({ ...event, direction: 'dialed' }) } },
    ],
    'session.identified': [
      {
        guard: { type: 'isUnwelcome', params: itsEvent },
        actions: [
          { type: 'refuseUnwelcome', params: itsEvent },
          { type: 'reportWrongAddress', params: itsEvent },
        ],
      },
      {
        actions: [
          { type: 'meetPeers', params: ({ event }) => ({ nodeIds: [event.identity.nodeId] }) },
          { type: 'introduce', params: itsEvent },
          { type: 'reportWrongAddress', params: itsEvent },
        ],
      },
    ],
    'session.answered': { actions: { type: 'tellSessionPeer', params: itsEvent } },
    'session.diverged': { actions: { type: 'tellSessionPeer', params: itsEvent } },
    'session.aligned': { actions: { type: 'tellSessionPeer', params: itsEvent } },
    'session.relocated': { actions: { type: 'tellSessionPeer', params: itsEvent } },
    'session.neighbors': { actions: { type: 'stirPeers', params: ({ event }) => ({ nodeIds: event.neighbors }) } },
    'session.advanced': { actions: { type: 'tellSessionPeer', params: itsEvent } },
    // Only a gateway needs this event.
    'session.matched': {},
    'session.probed': {
      actions: {
        type: 'tell',
        params: ({ context }) => ({
          type: 'node.duplicated',
          failure: duplicateNodeId(context.identity.nodeId),
        }),
      },
    },
    notice: { actions: { type: 'passOn', params: itsEvent } },
    'xstate.done.actor.*': { actions: { type: 'reap', params: itsEvent } },
    'xstate.error.actor.*': { actions: { type: 'contain', params: itsEvent } },
  },
  states: {
    present: {
      type: 'parallel',
      on: {
        'membership.leave': {
          target: 'leaving',
          actions: ['stopPeers', { type: 'sayGoodbye', params: itsEvent }],
        },
      },
      states: {
        table: {
          on: { 'configuration.adjusted': { actions: { type: 'adjust', params: itsEvent } } },
        },
        discovery: {
          initial: 'announcing',
          on: {
            'peer.discovered': {
              actions: [
                { type: 'meetPeers', params: ({ event }) => ({ nodeIds: [event.nodeId] }) },
                { type: 'tellDiscovered', params: ({ event }) => ({ ...event, source: 'beacon' }) },
              ],
            },
            'peer.vanished': {
              actions: { type: 'tellVanished', params: itsEvent },
            },
            'peer.heard': { actions: { type: 'stirPeers', params: ({ event }) => ({ nodeIds: [event.nodeId] }) } },
            'interfaces.changed': {
              actions: { type: 'stirPeers', params: ({ context }) => ({ nodeIds: context.peers.keys() }) },
            },
            'beacon.duplicated': {
              actions: {
                type: 'tell',
                params: ({ context, event }) => ({
                  type: 'node.duplicated',
                  failure: duplicateNodeId(context.identity.nodeId, formatAddress(event.address)),
                }),
              },
            },
            'beacon.foreign': {
              actions: {
                type: 'tell',
                params: ({ context, event: { host, failure } }) => ({
                  type: 'connection.refused',
                  remoteAddress: formatAddress({ host, port: context.configuration.discoveryPort }),
                  failure,
                  suppressed: 0,
                }),
              },
            },
            'discovery.failed': {
              actions: {
                type: 'tell',
                params: ({ event }) => ({ type: 'failure', where: 'discovery', failure: event.failure }),
              },
            },
          },
          states: {
            announcing: {
              invoke: {
                id: 'discovery',
                src: 'discovery',
                input: ({ context, self }) => ({
                  parent: mailboxOf<DiscoveryReport>(self),
                  identity: context.identity,
                  configuration: context.configuration,
                  keys: context.keys,
                }),
                onError: { target: 'failed', actions: { type: 'contain', params: itsEvent } },
              },
              on: {
                'configuration.adjusted': [
                  {
                    guard: { type: 'touchesDiscovery', params: itsEvent },
                    target: 'announcing',
                    reenter: true,
                    actions: 'tellAllVanished',
                  },
                  {
                    guard: { type: 'hasMoved', params: itsEvent },
                    actions: sendTo('discovery', ({ event }) => ({
                      type: 'discovery.relocate',
                      port: event.identity.port,
                    })),
                  },
                ],
              },
            },
            /** A bug of ours: the node continues with the peers that it knows. */
            failed: {
              on: {
                'configuration.adjusted': {
                  guard: { type: 'touchesDiscovery', params: itsEvent },
                  target: 'announcing',
                },
              },
            },
          },
        },
        knownPeers: {
          initial: 'gathering',
          invoke: {
            src: 'knownPeers',
            input: ({ context, self }) => ({
              parent: mailboxOf<KnownPeersReport>(self),
              store: context.store,
              configuration: context.configuration,
              initialPeers: context.initialPeers,
            }),
            onError: { actions: { type: 'contain', params: itsEvent } },
          },
          on: {
            'knownPeers.changed': {
              target: '.active',
              actions: [
                { type: 'meetPeers', params: ({ event }) => ({ nodeIds: event.peers.keys() }) },
                { type: 'updateKnown', params: itsEvent },
              ],
            },
            'knownPeers.failed': {
              actions: {
                type: 'tell',
                params: ({ event }) => ({ type: 'failure', where: 'known peers', failure: event.failure }),
              },
            },
            'configuration.adjusted': {
              guard: { type: 'touchesKnownPeers', params: itsEvent },
              target: 'knownPeers',
              reenter: true,
            },
          },
          states: {
            /** Reads the known peers. */
            gathering: {},
            active: {},
          },
        },
      },
    },
    leaving: {
      always: { guard: 'isAlone', target: 'left' },
      after: { leavingTimeout: 'left' },
      on: {
        'connection.accepted': { actions: { type: 'dropConnection', params: itsEvent } },
        'connection.dialed': { actions: { type: 'dropConnection', params: itsEvent } },
        'session.identified': {
          actions: { type: 'refuseUnwelcome', params: itsEvent },
        },
      },
    },
    left: { type: 'final' },
  },
});

type MembershipMachineType = typeof machine;
/** The type of {@link membershipMachine}. */
export interface MembershipMachine extends MembershipMachineType {}
/** The table of peers: beacons, stored and known peers, inbound connections; one peer actor each. */
export const membershipMachine: MembershipMachine = machine;
