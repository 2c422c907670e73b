/**
 * Wants exactly one session with one peer: dials it, takes over the connections it opens, settles duplicates, backs off.
 *
 * Of two connections between the same two processes the one dialed by the smaller NodeId stays, so both sides decide
 * alike. Another process under the same NodeId has to wait until the present session proves dead: that is what keeps a
 * clone from pushing out the original.
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type {
  Address,
  Happening,
  Mailbox,
  PeerCommand,
  PeerReport,
  SessionIdentified,
  Source,
} from '../actors/mailboxes.js';
import { dial } from '../actors/slots.js';
import { itsEvent } from '../actors/typed.js';
import { formatAddress } from '../core/address.js';
import type { AuthorKey } from '../core/author.js';
import { backoffMs } from '../core/backoff.js';
import { type ErrorCode, type Failure, failureOf } from '../core/errors.js';
import { compareCodeUnits, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Connection, ConnectionSecurity } from '../ports/ports.js';

export interface PeerInput {
  readonly nodeId: NodeId;
  readonly selfId: NodeId;
  readonly parent: Mailbox<PeerReport>;
  readonly security: ConnectionSecurity;
  readonly random: () => number;
}

interface PeerContext extends PeerInput {
  /** Where it may be reached, by how we know; of beacons the newest first, since each of its networks may have one. */
  readonly addresses: Readonly<Partial<Record<Source, readonly Address[]>>>;
  readonly session: SessionIdentified | undefined;
  /** A connection of another process under the same NodeId, while the present session is asked whether it lives. */
  readonly contender: SessionIdentified | undefined;
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** Attempts that failed since the last news of where it is. */
  readonly turn: number;
  readonly lastFailure: Failure | undefined;
  /** Whether there was a sign since the last attempt that it may be reachable again. */
  readonly isStirred: boolean;
}

const duplicateConnection = {
  code: 'duplicateConnection',
  message: 'There is another connection between the two nodes, which stays.',
} as const;

const cameToNothing = {
  code: 'handshakeTimeout',
  message: 'A connection opened, but no session came of it.',
} as const;

/** How often a peer is dialed of which we know nothing but a session that is over. */
const attemptsAfterSession = 5;

/** The attempts, counted from the last success, of which the failure is told. */
const attemptsTold: ReadonlySet<number> = new Set([2, 16, 128, 1_024, 8_192, 65_536]);

/** Failures that time alone does not mend: tried again, but rarely. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'wrongClusterKey',
  'duplicateNodeId',
  'protocolUnsupported',
  'nodeIdMismatch',
  'selfConnection',
]);

const machine = setup({
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
    /** Known by nothing but sessions that are over, or not at all. */
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
    /** At every address: at another one there may be somebody else. */
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
    /** What it has said itself holds no longer; what is configured may again. */
    forgetPlaces: assign(({ context: { addresses } }) => ({ addresses: knownOnly(addresses) })),
    forgetMistaken: assign(({ context: { addresses } }, { remoteAddress }: { remoteAddress: string }) => ({
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
    /** Admits a session, in place of the present one if there is one. */
    admit: enqueueActions(({ context, enqueue }, newcomer: SessionIdentified) => {
      if (context.session !== undefined) {
        enqueue.sendTo(context.session.session, { type: 'session.close', refusal: duplicateConnection });
      }
      enqueue.sendTo(newcomer.session, { type: 'session.admit' });
      // It starts without a divergence, and reports one if there is.
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
    /** The present session lives: two processes use one NodeId, and the one that was there first stays. */
    refuseContender: enqueueActions(({ context, enqueue }) => {
      if (context.contender === undefined) return;
      const failure = {
        code: 'duplicateNodeId',
        message: `Another live process uses the NodeId "${context.nodeId}" and is connected: give each node its own.`,
      } as const;
      enqueue.sendTo(context.contender.session, { type: 'session.refuse', refusal: failure });
      enqueue.assign({ contender: undefined });
      enqueue.sendTo(context.parent, {
        type: 'notice',
        happening: { type: 'peer.refused', nodeId: context.nodeId, failure },
      });
    }),
    forgetContender: assign({ contender: undefined }),
    forgetSession: assign({ session: undefined }),
    resetAttempts: assign({ attempt: 0, lastFailure: undefined }),
    recordFailure: assign(({ context }, { failure }: { failure: Failure }) => ({
      attempt: context.attempt + 1,
      turn: context.turn + 1,
      isStirred: false,
      lastFailure: failure,
    })),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, happening: Happening) => ({ type: 'notice' as const, happening }),
    ),
    tellConnected: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId, session } }) => ({
        type: 'notice' as const,
        happening: { type: 'peer.connected' as const, nodeId, remoteAddress: session?.remoteAddress ?? '' },
      }),
    ),
    tellDisconnected: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId } }, { failure }: { failure: Failure }) => ({
        type: 'notice' as const,
        happening: { type: 'peer.disconnected' as const, nodeId, failure },
      }),
    ),
    tellRefused: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId, lastFailure } }) => ({
        type: 'notice' as const,
        happening: { type: 'peer.refused' as const, nodeId, failure: lastFailure ?? duplicateConnection },
      }),
    ),
    /** Once, and then at ever greater distances: a node that is away for a week fills no log. */
    tellUnreachable: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure }) => {
      const { nodeId, attempt, turn, addresses, parent } = context;
      // Where it was before the failure: the turn has passed on. Its address may be forgotten meanwhile.
      const address = addressOf({ addresses, turn: turn - 1 });
      if (!attemptsTold.has(attempt) || address === undefined) return;
      const told = { address: formatAddress(address), attempts: attempt, failure };
      enqueue.sendTo(parent, { type: 'notice', happening: { type: 'peer.unreachable', nodeId, ...told } });
    }),
    tellDiverged: sendTo(
      ({ context }) => context.parent,
      ({ context: { nodeId } }, { authors }: { authors: readonly AuthorKey[] }) => ({
        type: 'notice' as const,
        happening: { type: 'peer.diverged' as const, nodeId, authors },
      }),
    ),
  },
}).createMachine({
  id: 'peer',
  context: ({ input }) => ({
    ...input,
    addresses: {},
    session: undefined,
    contender: undefined,
    attempt: 0,
    turn: 0,
    lastFailure: undefined,
    isStirred: false,
  }),
  initial: 'idle',
  on: {
    'peer.sighted': { actions: { type: 'rememberAddress', params: itsEvent } },
    'peer.unsighted': { actions: { type: 'forgetAddress', params: itsEvent } },
    // It is not waiting, or not for long.
    'peer.stirred': {},
    'peer.secure': { actions: { type: 'secure', params: itsEvent } },
    'peer.mistaken': { actions: { type: 'forgetMistaken', params: itsEvent } },
    'session.relocated': {
      guard: { type: 'isOwnSession', params: itsEvent },
      actions: { type: 'rememberPort', params: itsEvent },
    },
    'session.identified': { target: '.connected', actions: { type: 'admit', params: itsEvent } },
  },
  states: {
    /** Just met: nobody has said yet where it is. */
    idle: {
      on: {
        'peer.sighted': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
      },
    },
    dialing: {
      initial: 'connecting',
      states: {
        connecting: {
          on: {
            // It is somewhere else, or has started anew: what is being dialed may be dead.
            'peer.sighted': {
              target: 'connecting',
              reenter: true,
              actions: { type: 'rememberAddress', params: itsEvent },
            },
          },
          invoke: {
            src: 'dial',
            input: ({ context }) => ({ address: addressOf(context) as Address, security: context.security }),
            onDone: {
              target: 'introducing',
              actions: { type: 'handOver', params: ({ event }) => ({ connection: event.output }) },
            },
            onError: [
              {
                guard: { type: 'isRefusal', params: ({ event }) => ({ failure: failureOf(event.error) }) },
                target: '#peer.refused',
                actions: { type: 'recordFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
              },
              {
                target: '#peer.backingOff',
                actions: [
                  { type: 'recordFailure', params: ({ event }) => ({ failure: failureOf(event.error) }) },
                  {
                    type: 'tellUnreachable',
                    params: ({ event }) => ({ failure: failureOf(event.error) }),
                  },
                ],
              },
            ],
          },
        },
        /** The connection is open, and its session finds out who is there. */
        introducing: {
          after: {
            handshakeTimeout: {
              target: '#peer.backingOff',
              actions: { type: 'recordFailure', params: { failure: cameToNothing } },
            },
          },
          on: {
            'session.closed': [
              {
                guard: { type: 'isRefusal', params: itsEvent },
                target: '#peer.refused',
                actions: { type: 'recordFailure', params: itsEvent },
              },
              { target: '#peer.backingOff', actions: { type: 'recordFailure', params: itsEvent } },
            ],
            'peer.mistaken': {
              target: '#peer.refused',
              actions: [
                { type: 'recordFailure', params: itsEvent },
                { type: 'forgetMistaken', params: itsEvent },
              ],
            },
          },
        },
      },
    },
    connected: {
      entry: 'tellConnected',
      on: {
        // A connection alone proves nothing: what ends each session may be what it is there for.
        'session.advanced': { guard: { type: 'isOwnSession', params: itsEvent }, actions: 'resetAttempts' },
        'session.closed': [
          // The process lives on as another node.
          {
            guard: { type: 'isGone', params: itsEvent },
            target: 'backingOff',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
              'forgetPlaces',
            ],
          },
          {
            guard: { type: 'isRefusalOfOwnSession', params: itsEvent },
            target: 'refused',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
            ],
          },
          {
            guard: { type: 'isOwnSession', params: itsEvent },
            target: 'backingOff',
            actions: [
              { type: 'recordFailure', params: itsEvent },
              { type: 'tellDisconnected', params: itsEvent },
              'forgetSession',
            ],
          },
        ],
      },
      type: 'parallel',
      states: {
        claim: {
          initial: 'settled',
          states: {
            settled: {
              on: {
                'session.identified': [
                  {
                    guard: { type: 'isSurplus', params: itsEvent },
                    actions: { type: 'refuseSurplus', params: itsEvent },
                  },
                  {
                    guard: { type: 'isSameProcess', params: itsEvent },
                    actions: { type: 'admit', params: itsEvent },
                  },
                  { target: 'contested', actions: { type: 'holdContender', params: itsEvent } },
                ],
              },
            },
            /** Another process claims the NodeId: is the present session alive? */
            contested: {
              entry: 'probeSession',
              after: {
                duplicateProbe: {
                  target: 'settled',
                  actions: { type: 'admit', params: ({ context }) => context.contender as SessionIdentified },
                },
              },
              on: {
                'session.answered': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  target: 'settled',
                  actions: 'refuseContender',
                },
                'session.identified': { actions: { type: 'refuseSurplus', params: itsEvent } },
                'session.closed': [
                  {
                    guard: { type: 'isContender', params: itsEvent },
                    target: 'settled',
                    actions: 'forgetContender',
                  },
                  {
                    guard: { type: 'isOwnSession', params: itsEvent },
                    target: 'settled',
                    actions: [
                      'forgetSession',
                      { type: 'admit', params: ({ context }) => context.contender as SessionIdentified },
                    ],
                  },
                ],
              },
            },
          },
        },
        /** Whether both sides have the same history of every author. */
        chains: {
          initial: 'aligned',
          states: {
            aligned: {
              on: {
                'session.diverged': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  target: 'diverged',
                  actions: { type: 'tellDiverged', params: itsEvent },
                },
              },
            },
            diverged: {
              on: {
                // A session reports each author once: these are others.
                'session.diverged': {
                  guard: { type: 'isOwnSession', params: itsEvent },
                  actions: { type: 'tellDiverged', params: itsEvent },
                },
                'session.aligned': { guard: { type: 'isOwnSession', params: itsEvent }, target: 'aligned' },
              },
            },
          },
        },
      },
    },
    backingOff: {
      always: { guard: 'isForgotten', target: 'forgotten' },
      after: { backoff: 'dialing' },
      on: {
        // News of where it is, or that it has started anew: worth an attempt at once.
        'peer.sighted': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
        // Tried again soon, but not each time that there is a sign of it.
        'peer.stirred': { guard: 'isUnstirred', target: 'backingOff', reenter: true, actions: 'rememberStir' },
      },
    },
    /** It does not want us, or we do not want it: tried again, but rarely. */
    refused: {
      entry: 'tellRefused',
      always: { guard: 'isForgotten', target: 'forgotten' },
      after: { refusedBackoff: 'dialing' },
      on: {
        'peer.sighted': { target: 'dialing', actions: { type: 'rememberAddress', params: itsEvent } },
      },
    },
    forgotten: { type: 'final' },
  },
});

type PeerMachineType = typeof machine;
/** The type of {@link peerMachine}. */
export interface PeerMachine extends PeerMachineType {}
/** Wants exactly one session with one peer: dials, takes over inbound ones, backs off. */
export const peerMachine: PeerMachine = machine;

/**
 * Of two connections to one process, the one dialed by the smaller NodeId stays. Both sides apply this rule, so both
 * keep the same one. Of two dialed by the same side the newer stays: it would not have dialed had the older one lived.
 */
function isSurplus({ session, selfId, nodeId }: PeerContext, newcomer: SessionIdentified): boolean {
  if (session === undefined || session.identity.boot !== newcomer.identity.boot) return false;
  if (session.direction === newcomer.direction) return false;
  const dialedBySmaller = compareCodeUnits(selfId, nodeId) < 0 ? 'dialed' : 'accepted';
  return newcomer.direction !== dialedBySmaller;
}

/** The addresses in turn, one an attempt, from the freshest: what a beacon says holds now, what a session said held then. */
function addressOf({ addresses, turn }: Pick<PeerContext, 'addresses' | 'turn'>): Address | undefined {
  const candidates = candidatesOf(addresses);
  return candidates[turn % candidates.length];
}

type Addresses = PeerContext['addresses'];

/** Each address once. */
function candidatesOf({ beacon = [], known = [], session = [] }: Addresses): readonly Address[] {
  const all = [...beacon, ...known, ...session];
  return all.filter((address, index) => all.findIndex((other) => isSame(other, address)) === index);
}

/** Beacons come from each network that both are on; the other sources know one address. */
function withAddress(before: readonly Address[] = [], source: Source, address: Address): readonly Address[] {
  if (source !== 'beacon') return [address];
  // One host has one port: that of the latest beacon.
  return [address, ...before.filter(({ host }) => host !== address.host)].slice(0, limits.addressesPerPeerMax);
}

function isSame(one: Address, other: Address): boolean {
  return one.host === other.host && one.port === other.port;
}

function knownOnly({ known }: Addresses): Addresses {
  return known === undefined ? {} : { known };
}

/** Without an address at which somebody else was met; what is configured stays, to be tried again and complained of. */
function without(addresses: Addresses, remoteAddress: string): Addresses {
  const kept = Object.entries(addresses).map(([source, list]): [string, readonly Address[]] => [
    source,
    source === 'known' ? list : list.filter((address) => formatAddress(address) !== remoteAddress),
  ]);
  return Object.fromEntries(kept.filter(([, list]) => list.length > 0));
}

/** The wait after the failures so far. */
function waitMs({ attempt, random }: PeerContext, firstMs: number, maxMs: number): number {
  return backoffMs({ firstMs, maxMs, attempt: attempt - 1, random: random() });
}
