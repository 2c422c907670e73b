/**
 * The root actor: the life of a node. It owns the configuration, the store and the listener, and starts and stops the rest
 * in an order in which nothing is lost: goodbye to the cloud and to the peers, then the listener, then the store.
 *
 * A member of a cluster runs membership, election and uplink; a cloud node runs a reception instead, and only answers. The
 * three of a member know nothing of each other: what one of them reports and another needs passes through here.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, emit, enqueueActions, sendTo, setup } from 'xstate';
import { type Failure, failureOf } from '../core/errors.js';
import type { Boot } from '../core/ids.js';
import type { ClusterKeys } from '../core/keys.js';
import type { Configuration } from '../protocol/configuration.js';
import type {
  Happening,
  LeadershipChanged,
  ListenerReport,
  Mailbox,
  NodeCommand,
  Notice,
  UplinkReport,
} from '../protocol/events.js';
import type { Identity } from '../protocol/messages.js';
import type { Connection, ConnectionSecurity, Listening, ListenSecurity } from '../protocol/ports.js';
import type { RemotePeerDocument } from '../protocol/remote-peer.js';
import {
  type Configured,
  type ControlReport,
  closeListener,
  closeStore,
  configure,
  connections,
  control,
  listen,
  openStore,
} from '../protocol/services.js';
import type { Store } from '../protocol/store.js';
import { type ElectionOutput, electionMachine } from './election.machine.js';
import { membershipMachine } from './membership.machine.js';
import { receptionMachine } from './reception.machine.js';
import { uplinkMachine } from './uplink.machine.js';

export interface NodeInput {
  /** Gives the configuration as the user wrote it. A function, since it holds the cluster key and a context is shown. */
  readonly configuration: () => unknown;
  readonly boot: Boot;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
}

interface NodeContext extends Omit<NodeInput, 'configuration'> {
  readonly requested: () => unknown;
  readonly configuration: Configuration | undefined;
  readonly security: ListenSecurity | undefined;
  readonly keys: ClusterKeys | undefined;
  readonly ca: string | undefined;
  readonly initialPeers: readonly RemotePeerDocument[];
  /** Whether it may lead, if anybody has said so since the configuration was read. */
  readonly isEligible: boolean | undefined;
  readonly store: Store | undefined;
  readonly listening: Listening | undefined;
  /** Why the node ended, if it did not end by itself. */
  readonly failure: Failure | undefined;
  /** The latest thing that went wrong while it ran. */
  readonly lastFailure: Failure | undefined;
}

export type NodeEvent = NodeCommand | ListenerReport | ControlReport | LeadershipChanged | UplinkReport | Notice;

/** What a node ends with: the reason if it failed. */
export interface NodeOutput {
  readonly failure: Failure | undefined;
}

const machine = setup({
  types: {
    context: {} as NodeContext,
    input: {} as NodeInput,
    output: {} as NodeOutput,
    events: {} as NodeEvent | ErrorActorEvent<unknown, string>,
    emitted: {} as Happening,
  },
  actors: {
    configure,
    openStore,
    listen,
    connections,
    control,
    closeListener,
    closeStore,
    membership: membershipMachine,
    election: electionMachine,
    uplink: uplinkMachine,
    reception: receptionMachine,
  },
  guards: {
    isCloudNode: ({ context }) => context.configuration?.role === 'cloud',
    hasFailed: ({ context }) => context.failure !== undefined,
  },
  actions: {
    recordConfiguration: assign((_, configured: Configured) => ({
      configuration: configured.configuration,
      security: configured.security,
      keys: configured.keys,
      ca: configured.ca,
      initialPeers: configured.initialPeers,
    })),
    recordStore: assign((_, { store }: { store: Store }) => ({ store })),
    recordListening: assign((_, { listening }: { listening: Listening }) => ({ listening })),
    forgetListening: assign({ listening: undefined }),
    forgetStore: assign({ store: undefined }),
    recordFailure: assign(({ context }, { error }: { error: unknown }) => ({
      failure: context.failure ?? failureOf(error),
    })),
    recordEligibility: assign((_, { isEligible }: { isEligible: boolean }) => ({ isEligible })),
    /** It ends only when it cannot know any more who lives. */
    recordElectionEnd: assign(({ context, event }) => ({
      failure: context.failure ?? (event as unknown as DoneActorEvent<ElectionOutput>).output.failure,
    })),
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    announce: emit((_, happening: Happening) => happening),
    recordTrouble: assign(({ context }, happening: Happening) => ({
      lastFailure:
        happening.type === 'node.duplicated' || happening.type === 'failure' ? happening.failure : context.lastFailure,
    })),
    report: enqueueActions(({ enqueue }, { where, error }: { where: string; error: unknown }) => {
      const failure = failureOf(error);
      enqueue.assign({ lastFailure: failure });
      enqueue.emit({ type: 'failure', where, failure });
    }),
  },
}).createMachine({
  id: 'node',
  context: ({ input: { configuration: requested, ...input } }) => ({
    ...input,
    requested,
    configuration: undefined,
    security: undefined,
    keys: undefined,
    ca: undefined,
    initialPeers: [],
    isEligible: undefined,
    store: undefined,
    listening: undefined,
    failure: undefined,
    lastFailure: undefined,
  }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: {
    id: 'connections',
    src: 'connections',
    input: {},
    onError: { actions: { type: 'report', params: ({ event }) => ({ where: 'connections', error: event.error }) } },
  },
  on: {
    'node.stop': '.stopping',
    // Counts when the election begins.
    'eligibility.changed': { actions: { type: 'recordEligibility', params: ({ event }) => event } },
    'connection.accepted': { actions: { type: 'dropConnection', params: ({ event }) => event } },
    'connection.refused': { actions: { type: 'announce', params: ({ event }) => event } },
    notice: {
      actions: [
        { type: 'recordTrouble', params: ({ event }) => event.happening },
        { type: 'announce', params: ({ event }) => event.happening },
      ],
    },
    'xstate.error.actor.*': {
      target: '.stopping',
      actions: { type: 'recordFailure', params: ({ event }) => event },
    },
  },
  initial: 'configuring',
  states: {
    configuring: {
      invoke: {
        src: 'configure',
        input: ({ context }) => ({ configuration: context.requested }),
        onDone: {
          target: 'openingStore',
          actions: { type: 'recordConfiguration', params: ({ event }) => event.output },
        },
        onError: { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
    },
    openingStore: {
      invoke: {
        src: 'openStore',
        input: ({ context }) => ({ configuration: context.configuration as Configuration }),
        onDone: {
          target: 'listening',
          actions: { type: 'recordStore', params: ({ event }) => ({ store: event.output }) },
        },
        onError: { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
    },
    listening: {
      invoke: {
        src: 'listen',
        input: ({ context, self }) => ({
          configuration: context.configuration as Configuration,
          security: context.security as ListenSecurity,
          parent: self as Mailbox<ListenerReport>,
        }),
        onDone: {
          target: 'running',
          actions: { type: 'recordListening', params: ({ event }) => ({ listening: event.output }) },
        },
        onError: { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
    },
    running: {
      initial: 'starting',
      invoke: {
        src: 'control',
        input: ({ context, self }) => ({
          configuration: context.configuration as Configuration,
          parent: self as Mailbox<ControlReport>,
        }),
        onError: { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
      on: {
        'control.failed': { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
      states: {
        starting: { always: [{ guard: 'isCloudNode', target: 'cloud' }, { target: 'member' }] },
        /** A node of a cluster. */
        member: {
          invoke: [
            {
              id: 'membership',
              src: 'membership',
              input: ({ context, self }) => ({
                ...inputOf(context),
                parent: self as Mailbox<Notice>,
                security: context.security as ConnectionSecurity,
                initialPeers: context.initialPeers,
              }),
              onDone: '#node.stopping',
              onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
            },
            {
              id: 'election',
              src: 'election',
              input: ({ context, self }) => ({
                parent: self as Mailbox<LeadershipChanged>,
                identity: identityOf(context),
                isEligible: context.isEligible ?? (context.configuration as Configuration).eligible,
                electionIntervalMs: (context.configuration as Configuration).electionIntervalMs,
              }),
              onDone: {
                target: '#node.stopping',
                actions: 'recordElectionEnd',
              },
              onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
            },
            {
              id: 'uplink',
              src: 'uplink',
              input: ({ context, self }) => ({
                ...inputOf(context),
                parent: self as Mailbox<UplinkReport>,
                now: context.now,
              }),
              onDone: '.leavingCluster',
              onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
            },
          ],
          on: {
            'connection.accepted': { actions: sendTo('membership', ({ event }) => event) },
            'eligibility.changed': {
              actions: [
                { type: 'recordEligibility', params: ({ event }) => event },
                sendTo('election', ({ event }) => event),
              ],
            },
            'leadership.changed': {
              actions: [{ type: 'announce', params: ({ event }) => event }, sendTo('uplink', ({ event }) => event)],
            },
            'uplink.changed': {
              actions: [{ type: 'announce', params: ({ event }) => event }, sendTo('election', ({ event }) => event)],
            },
          },
          initial: 'serving',
          states: {
            serving: { on: { 'node.stop': 'leavingCloud' } },
            /** The cloud hears goodbye first: the next leader may connect to it at once. */
            leavingCloud: { entry: sendTo('uplink', { type: 'uplink.leave' }), on: { 'node.stop': {} } },
            /** The peers hear goodbye; membership is done when the last session is closed. */
            leavingCluster: { entry: sendTo('membership', { type: 'membership.leave' }), on: { 'node.stop': {} } },
          },
        },
        /** A node that answers the leaders of many clusters. */
        cloud: {
          invoke: {
            id: 'reception',
            src: 'reception',
            input: ({ context, self }) => ({ ...inputOf(context), parent: self as Mailbox<Notice> }),
            onDone: '#node.stopping',
            onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
          },
          on: { 'connection.accepted': { actions: sendTo('reception', ({ event }) => event) } },
          initial: 'serving',
          states: {
            serving: { on: { 'node.stop': 'leaving' } },
            leaving: { entry: sendTo('reception', { type: 'reception.leave' }), on: { 'node.stop': {} } },
          },
        },
      },
    },
    /** Closes what is open. Entered after a failure, too, with whatever there is. */
    stopping: {
      on: {
        'node.stop': {},
        // Recorded, but no reason to begin anew.
        'xstate.error.actor.*': {
          actions: { type: 'report', params: ({ event }) => ({ where: event.actorId, error: event.error }) },
        },
      },
      initial: 'closingListener',
      states: {
        closingListener: {
          invoke: {
            src: 'closeListener',
            input: ({ context }) => ({ listening: context.listening }),
            onDone: { target: 'closingStore', actions: 'forgetListening' },
            onError: { target: 'closingStore', actions: { type: 'recordFailure', params: ({ event }) => event } },
          },
        },
        closingStore: {
          invoke: {
            src: 'closeStore',
            input: ({ context }) => ({ store: context.store }),
            onDone: { target: 'closed', actions: 'forgetStore' },
            onError: { target: 'closed', actions: { type: 'recordFailure', params: ({ event }) => event } },
          },
        },
        closed: { type: 'final' },
      },
      onDone: [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }],
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
});

type NodeMachineType = typeof machine;
export interface NodeMachine extends NodeMachineType {}
export const nodeMachine: NodeMachine = machine;

function identityOf({ configuration, boot, listening }: NodeContext): Identity {
  return { nodeId: (configuration as Configuration).nodeId, boot, port: (listening as Listening).port };
}

/** What every part of a running node needs. */
function inputOf(context: NodeContext) {
  const { configuration, store, keys, ca, random } = context;
  return {
    identity: identityOf(context),
    configuration: configuration as Configuration,
    store: store as Store,
    ...{ keys, ca, random },
  };
}
