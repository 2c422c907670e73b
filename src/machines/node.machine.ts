/**
 * The root actor: the life of a node. It owns the configuration, the store and the listener, and starts and stops the rest
 * in an order in which nothing is lost: goodbye to the cloud and to the peers, then the listener, then the store.
 *
 * A member of a cluster runs membership, election and uplink; a cloud node runs a reception instead, and only answers. The
 * three of a member know nothing of each other: what one of them reports and another needs passes through here.
 *
 * While it runs, everything about it can be changed, by making the new before breaking the old: the new listener and the new database
 * are opened beside those that serve; only when all of it stands do the parts switch, and what was replaced is closed. What
 * fails before that is closed again, and has changed nothing.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, emit, enqueueActions, raise, sendTo, setup } from 'xstate';
import type {
  Adjustment,
  Happening,
  LeadershipChanged,
  ListenerReport,
  Mailbox,
  NodeCommand,
  Notice,
  ProviderReport,
  StoreHealthReport,
  UplinkReport,
} from '../actors/mailboxes.js';
import {
  type ControlReport,
  close,
  configurationFeed,
  configure,
  connections,
  control,
  copyStore,
  drainStore,
  getConfiguration,
  type InspectionReport,
  inspection,
  listen,
  type MetricsReport,
  metrics,
  openStore,
  type SuccessionInput,
  storeHealth,
} from '../actors/slots.js';
import type { Configured } from '../configuration/configured.js';
import {
  combine,
  type Effect,
  objectionTo,
  type Plan,
  planReconfiguration,
  type Requested,
  taken,
  type Wanted,
  withPartial,
  withProvided,
} from '../configuration/reconfiguration.js';
import { type Configuration, connectionLimitsOf } from '../configuration/schema.js';
import { type Failure, failureOf, type PastFailure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { type RefusalRecords, withRefusal } from '../core/refusals.js';
import type { Secret } from '../core/secret.js';
import { begun, ended, notYet, type Span } from '../core/span.js';
import type { Connection, ConnectionSecurity, Listening } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { Identity, Refusal } from '../wire/messages.js';
import { type ElectionOutput, electionMachine } from './election.machine.js';
import { membershipMachine } from './membership.machine.js';
import { receptionMachine } from './reception.machine.js';
import { uplinkMachine } from './uplink.machine.js';

export interface NodeInput {
  /** Names one life of the parts that serve: peers take what has another one for another process. */
  readonly newBoot: () => Boot;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  /** Never goes back, ms. */
  readonly monotonicMs: () => number;
}

interface NodeContext extends NodeInput {
  readonly boot: Boot;
  /** What the configuration in force was made of. A function, since it holds secrets and a context is shown. */
  readonly requested: Requested;
  /** What the provider said when it was made: only what differs from it later is another wish. */
  readonly provided: Requested;
  /** The configuration in force. */
  readonly configured: Configured | undefined;
  readonly store: Store | undefined;
  readonly listening: Listening | undefined;
  /** Where the page of the inspector is, while there is one. */
  readonly inspectorUrl: Secret | undefined;
  /** Where metrics are served, while they are. */
  readonly metricsPort: number | undefined;
  /** What has been asked for and not taken up yet. */
  readonly wanted: Wanted | undefined;
  /** The reconfiguration under way. */
  readonly target: Target | undefined;
  /** Who leads, as the outside world was told last. */
  readonly leadership: LeadershipChanged | undefined;
  /** What keeps the database from taking writes; undefined while nothing does. */
  readonly impairment: Failure | undefined;
  /** Connections that were refused. */
  readonly refusals: RefusalRecords;
  /** Why the node ended, if it did not end by itself. */
  readonly failure: Failure | undefined;
  /** The latest thing that went wrong while it ran. */
  readonly lastFailure: PastFailure | undefined;
}

/** A reconfiguration under way: what it wants, and what of it stands already. */
interface Target {
  readonly requested: Requested;
  readonly provided: Requested;
  /** The calls that asked for it. */
  readonly requests: readonly number[];
  readonly startedMs: number;
  readonly configured: Configured | undefined;
  readonly plan: Plan | undefined;
  /** Made beside the one that serves; undefined when that one stays, and once it has taken its place. */
  readonly listening: Listening | undefined;
  readonly store: Store | undefined;
  /** What the switch has replaced. */
  readonly retiredListening: Listening | undefined;
  readonly retiredStore: Store | undefined;
  readonly writesHeld: Span;
  readonly connectionsRefused: Span;
  readonly failure: Failure | undefined;
}

type Spans = 'writesHeld' | 'connectionsRefused';

/** What the regions of a running node say to each other. */
type InternalEvent =
  | { readonly type: 'service.leave' }
  | { readonly type: 'service.left' }
  | { readonly type: 'service.begin' }
  | { readonly type: 'control.renew' }
  | { readonly type: 'observation.renew' }
  | { readonly type: 'storage.renew' };

export type NodeEvent =
  | NodeCommand
  | ProviderReport
  | ListenerReport
  | ControlReport
  | InspectionReport
  | MetricsReport
  | LeadershipChanged
  | UplinkReport
  | StoreHealthReport
  | Notice;

/** What a node ends with: the reason if it failed. */
export interface NodeOutput {
  readonly failure: Failure | undefined;
}

const goodbye = { code: 'goodbye', message: 'The node is stopping.' } as const;

const machine = setup({
  types: {
    context: {} as NodeContext,
    input: {} as NodeInput,
    output: {} as NodeOutput,
    events: {} as NodeEvent | InternalEvent | DoneActorEvent<unknown, string> | ErrorActorEvent<unknown, string>,
    emitted: {} as Happening,
  },
  actors: {
    getConfiguration,
    configurationFeed,
    configure,
    openStore,
    copyStore,
    drainStore,
    storeHealth,
    listen,
    connections,
    control,
    inspection,
    metrics,
    close,
    membership: membershipMachine,
    election: electionMachine,
    uplink: uplinkMachine,
    reception: receptionMachine,
  },
  delays: { rebindOverlap: limits.rebindOverlapMs },
  guards: {
    isCloudNode: ({ context }) => context.configured?.configuration.role === 'cloud',
    hasFailed: ({ context }) => context.failure !== undefined,
    isWanted: ({ context }) => context.wanted !== undefined,
    isObserved: ({ context: { configured } }) =>
      configured?.configuration.inspector !== undefined || configured?.configuration.metricsPort !== undefined,
    isUnchanged: ({ context }) => context.target?.plan?.changes.length === 0,
    bindsBeside: ({ context }) => context.target?.plan?.listener === 'beside',
    bindsInstead: ({ context }) => context.target?.plan?.listener === 'instead',
    hasEffect: ({ context }, { effect }: { effect: Effect }) => context.target?.plan?.effects.has(effect) === true,
    hasRetiredStore: ({ context }) => context.target?.retiredStore !== undefined,
    hasRetiredListener: ({ context }) => context.target?.retiredListening !== undefined,
  },
  actions: {
    recordRequested: assign((_, params: { requested: Requested }) => {
      const requested = taken(params.requested);
      return { requested, provided: requested };
    }),
    recordConfigured: assign((_, { configured }: { configured: Configured }) => ({ configured })),
    recordStore: assign((_, { store }: { store: Store }) => ({ store })),
    recordListening: assign((_, { listening }: { listening: Listening }) => ({ listening })),
    recordInspector: assign((_, { url }: { url: Secret | undefined }) => ({ inspectorUrl: url })),
    recordMetrics: assign((_, { port }: { port: number | undefined }) => ({ metricsPort: port })),
    recordFailure: assign(({ context }, { error }: { error: unknown }) => ({
      failure: context.failure ?? failureOf(error),
    })),
    /** It ends only when it cannot know any more who lives. */
    recordElectionEnd: assign(({ context, event }) => ({
      failure: context.failure ?? (event as unknown as DoneActorEvent<ElectionOutput>).output.failure,
    })),
    recordLeadership: assign((_, leadership: LeadershipChanged) => ({ leadership })),
    tellHealth: enqueueActions(({ context, enqueue }, report: StoreHealthReport) => {
      const impairment = report.type === 'store.impaired' ? report.failure : undefined;
      enqueue.assign({ impairment, ...(impairment === undefined ? {} : troubled(context, impairment)) });
      enqueue.emit(report);
    }),
    /** It was that of another database. */
    forgetImpairment: enqueueActions(({ context, enqueue }) => {
      if (context.impairment === undefined) return;
      enqueue.assign({ impairment: undefined });
      enqueue.emit({ type: 'store.recovered' });
    }),
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    announce: emit((_, happening: Happening) => happening),
    recordRefusal: assign(({ context }, happening: Happening) => {
      if (happening.type !== 'connection.refused' && happening.type !== 'guest.refused') return {};
      const { remoteAddress, failure } = happening;
      const suppressed = happening.type === 'connection.refused' ? happening.suppressed : 0;
      return { refusals: withRefusal(context.refusals, { remoteAddress, failure, suppressed }, context.now()) };
    }),
    recordTrouble: assign(({ context }, happening: Happening) => {
      const isTrouble = happening.type === 'node.duplicated' || happening.type === 'failure';
      return isTrouble ? troubled(context, happening.failure) : {};
    }),
    report: enqueueActions(({ context, enqueue }, { where, failure }: { where: string; failure: Failure }) => {
      enqueue.assign(troubled(context, failure));
      enqueue.emit({ type: 'failure', where, failure });
    }),
    // What is asked for: a bad configuration is refused at once, and leaves the good one that waits.
    want: enqueueActions(({ context, enqueue }, { requested }: { requested: Requested }) => {
      const said = taken(requested);
      const refuse = (failure: Failure): void => {
        enqueue.assign(troubled(context, failure));
        enqueue.emit({ type: 'reconfiguration.failed', failure, requests: [] });
      };
      const unusable = objectionTo(said);
      if (unusable !== undefined) return refuse(unusable);
      const wanted = withProvided(context.wanted, context.provided, said);
      const failure = objectionIn(context, wanted);
      if (failure !== undefined) return refuse(failure);
      enqueue.assign({ wanted });
    }),
    wantPartial: enqueueActions(({ context, enqueue }, event: Extract<NodeCommand, { type: 'node.reconfigure' }>) => {
      const wanted = withPartial(context.wanted, event.partial, event.request);
      const failure =
        wanted.requests.length > limits.reconfigurationsWaitingMax ? tooManyWaiting : objectionIn(context, wanted);
      if (failure === undefined) enqueue.assign({ wanted });
      // Whoever called hears of it; nothing is wrong with the node.
      else enqueue.emit({ type: 'reconfiguration.failed', failure, requests: [event.request] });
    }),
    // How it is carried out.
    takeUp: assign(({ context }) => {
      const wanted = context.wanted as Wanted;
      const target: Target = {
        ...{
          requested: combine(context.requested, context.provided, wanted),
          provided: wanted.provided ?? context.provided,
          requests: wanted.requests,
          startedMs: context.monotonicMs(),
        },
        ...{ configured: undefined, plan: undefined, listening: undefined, store: undefined },
        ...{ retiredListening: undefined, retiredStore: undefined, failure: undefined },
        ...{ writesHeld: notYet, connectionsRefused: notYet },
      };
      return { target, wanted: undefined };
    }),
    plan: assign(({ context }, { configured }: { configured: Configured }) => {
      const plan = planReconfiguration(context.configured as Configured, configured, context.listening as Listening);
      return targetWith(context, { configured, plan });
    }),
    keepNewListening: assign(({ context }, { listening }: { listening: Listening }) =>
      targetWith(context, { listening }),
    ),
    keepNewStore: assign(({ context }, { store }: { store: Store }) => targetWith(context, { store })),
    keepObstacle: assign(({ context }, { error }: { error: unknown }) =>
      targetWith(context, { failure: context.target?.failure ?? failureOf(error) }),
    ),
    begin: assign(({ context }, { span }: { span: Spans }) =>
      targetWith(context, { [span]: begun(context.target?.[span] ?? notYet, context.monotonicMs()) }),
    ),
    end: assign(({ context }, { span }: { span: Spans }) =>
      targetWith(context, { [span]: ended(context.target?.[span] ?? notYet, context.monotonicMs()) }),
    ),
    /** From here on the new configuration is the one in force, and what was replaced only has to be closed. */
    adopt: assign(({ context }) => {
      const { target, store, listening } = context;
      if (target === undefined) return {};
      return {
        configured: target.configured,
        requested: target.requested,
        provided: target.provided,
        store: target.store ?? store,
        listening: target.listening ?? listening,
        target: {
          ...target,
          ...{ store: undefined, listening: undefined },
          retiredStore: target.store === undefined ? undefined : store,
          retiredListening: target.listening === undefined ? undefined : listening,
        },
      };
    }),
    /** A port: it does not throw. */
    protectListener: ({ context: { target, listening, configured } }) => {
      if (target?.plan?.listener !== 'protect' || configured === undefined) return;
      const { security, configuration } = configured;
      listening?.protect({
        security,
        acceptsWebSockets: configuration.role === 'cloud',
        limits: connectionLimitsOf(configuration),
      });
    },
    /** The parts that go on serving hear what has changed for them. */
    inform: enqueueActions(({ context, enqueue }) => {
      const effects = context.target?.plan?.effects ?? none;
      const configured = context.configured as Configured;
      const { role, eligible: isEligible, electionIntervalMs } = configured.configuration;
      const adjustment: Adjustment = {
        type: 'configuration.adjusted',
        effects,
        identity: identityOf(context),
        configured,
      };
      if (role === 'cloud') {
        enqueue.sendTo('reception', adjustment);
        return;
      }
      enqueue.sendTo('membership', adjustment);
      enqueue.sendTo('uplink', adjustment);
      if (!effects.has('election')) return;
      enqueue.sendTo('election', { type: 'eligibility.changed', isEligible });
      enqueue.sendTo('election', { type: 'electionInterval.changed', electionIntervalMs });
    }),
    renewRegions: enqueueActions(({ context: { target }, enqueue }) => {
      if (target?.plan?.effects.has('control')) enqueue.raise({ type: 'control.renew' });
      if (target?.plan?.effects.has('observation')) enqueue.raise({ type: 'observation.renew' });
      // Parts that begin anew have not heard yet that the database is impaired.
      const isNews = target?.plan?.effects.has('store') || target?.plan?.effects.has('service');
      if (isNews) enqueue.raise({ type: 'storage.renew' });
    }),
    drawBoot: assign(({ context }) => ({ boot: context.newBoot() })),
    /** The election that knew who leads is gone. */
    announceLeaderless: enqueueActions(({ context, enqueue }) => {
      if (context.leadership?.leaderId === undefined) return;
      const leadership: LeadershipChanged = { ...context.leadership, isLeader: false, leaderId: undefined };
      enqueue.assign({ leadership });
      enqueue.emit(leadership);
    }),
    reportFinished: enqueueActions(({ context: { target, monotonicMs }, enqueue }) => {
      if (target === undefined) return;
      const { plan, requests, startedMs, writesHeld, connectionsRefused } = target;
      const changes = plan?.changes ?? [];
      if (changes.length === 0 && requests.length === 0) return;
      enqueue.emit({
        ...{ type: 'reconfiguration.finished', changes, requests },
        tookMs: monotonicMs() - startedMs,
        writesHeldMs: writesHeld.lastedMs,
        connectionsRefusedMs: connectionsRefused.lastedMs,
      });
    }),
    reportObstacle: enqueueActions(({ context, enqueue }) => {
      const { target } = context;
      if (target?.failure === undefined) return;
      enqueue.assign(troubled(context, target.failure));
      enqueue.emit({ type: 'reconfiguration.failed', failure: target.failure, requests: target.requests });
    }),
    /** The provider may say now what calls have asked for. */
    recordProvided: assign(({ context: { target, provided } }) => ({ provided: target?.provided ?? provided })),
    forgetTarget: assign({ target: undefined }),
  },
}).createMachine({
  id: 'node',
  context: ({ input }) => ({
    ...input,
    boot: input.newBoot(),
    requested: () => undefined,
    provided: () => undefined,
    configured: undefined,
    store: undefined,
    listening: undefined,
    inspectorUrl: undefined,
    metricsPort: undefined,
    wanted: undefined,
    target: undefined,
    leadership: undefined,
    impairment: undefined,
    refusals: new Map(),
    failure: undefined,
    lastFailure: undefined,
  }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: [
    {
      id: 'connections',
      src: 'connections',
      input: {},
      onError: {
        actions: { type: 'report', params: ({ event }) => ({ where: 'connections', failure: failureOf(event.error) }) },
      },
    },
    {
      id: 'configurationFeed',
      src: 'configurationFeed',
      input: ({ self }) => ({ parent: self as Mailbox<ProviderReport> }),
      onError: {
        actions: {
          type: 'report',
          params: ({ event }) => ({ where: 'configuration', failure: failureOf(event.error) }),
        },
      },
    },
  ],
  on: {
    'node.stop': '.stopping',
    'node.reconfigure': { actions: { type: 'wantPartial', params: ({ event }) => event } },
    'configuration.changed': { actions: { type: 'want', params: ({ event }) => event } },
    'configuration.failed': {
      actions: { type: 'report', params: ({ event }) => ({ where: 'configuration', failure: event.failure }) },
    },
    'connection.accepted': { actions: { type: 'dropConnection', params: ({ event }) => event } },
    'connection.refused': {
      actions: [
        { type: 'recordRefusal', params: ({ event }) => event },
        { type: 'announce', params: ({ event }) => event },
      ],
    },
    notice: {
      actions: [
        { type: 'recordTrouble', params: ({ event }) => event.happening },
        { type: 'recordRefusal', params: ({ event }) => event.happening },
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
      initial: 'asking',
      states: {
        asking: {
          invoke: {
            src: 'getConfiguration',
            input: {},
            onDone: {
              target: 'checking',
              actions: { type: 'recordRequested', params: ({ event }) => ({ requested: event.output }) },
            },
            onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
          },
        },
        checking: {
          invoke: {
            src: 'configure',
            input: ({ context }) => ({ configuration: context.requested }),
            onDone: {
              target: '#node.openingStore',
              actions: { type: 'recordConfigured', params: ({ event }) => ({ configured: event.output }) },
            },
            onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
          },
        },
      },
    },
    openingStore: {
      invoke: {
        src: 'openStore',
        input: ({ context }) => ({ configuration: configurationOf(context.configured) }),
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
        input: ({ context, self }) => listenInputOf(context.configured, self as Mailbox<ListenerReport>),
        onDone: {
          target: 'running',
          actions: { type: 'recordListening', params: ({ event }) => ({ listening: event.output }) },
        },
        onError: { target: 'stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
    },
    running: {
      type: 'parallel',
      states: {
        /** The socket of the command line. */
        control: {
          initial: 'opened',
          on: { 'control.renew': '.reopened' },
          states: {
            /** With the node: it does not start without what it was told to open. */
            opened: {
              invoke: {
                src: 'control',
                input: ({ context, self }) => controlInputOf(context, self as Mailbox<ControlReport>),
                onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
              },
              on: {
                'control.failed': {
                  target: '#node.stopping',
                  actions: { type: 'recordFailure', params: ({ event }) => event },
                },
              },
            },
            /** In a node that serves, which goes on without. */
            reopened: {
              invoke: {
                src: 'control',
                input: ({ context, self }) => controlInputOf(context, self as Mailbox<ControlReport>),
                onError: {
                  actions: {
                    type: 'report',
                    params: ({ event }) => ({ where: 'control', failure: failureOf(event.error) }),
                  },
                },
              },
              on: {
                'control.renew': { target: 'reopened', reenter: true },
                'control.failed': {
                  actions: {
                    type: 'report',
                    params: ({ event }) => ({ where: 'control', failure: failureOf(event.error) }),
                  },
                },
              },
            },
          },
        },
        /** Who wants to watch the actors of this node, or to measure it, may. It goes on without, if that fails. */
        observation: {
          initial: 'deciding',
          on: { 'observation.renew': '.deciding' },
          states: {
            deciding: { always: [{ guard: 'isObserved', target: 'observed' }, { target: 'unobserved' }] },
            unobserved: {},
            observed: {
              invoke: [
                {
                  src: 'inspection',
                  input: ({ context, self }) => inspectionInputOf(context, self as Mailbox<InspectionReport>),
                  onError: {
                    target: 'unobserved',
                    actions: {
                      type: 'report',
                      params: ({ event }) => ({ where: 'inspector', failure: failureOf(event.error) }),
                    },
                  },
                },
                {
                  src: 'metrics',
                  input: ({ context, self }) => ({
                    port: configurationOf(context.configured).metricsPort,
                    parent: self as Mailbox<MetricsReport>,
                  }),
                  onError: {
                    target: 'unobserved',
                    actions: {
                      type: 'report',
                      params: ({ event }) => ({ where: 'metrics', failure: failureOf(event.error) }),
                    },
                  },
                },
              ],
              on: {
                'inspection.opened': { actions: { type: 'recordInspector', params: ({ event }) => event } },
                'inspection.failed': {
                  actions: { type: 'report', params: ({ event }) => ({ where: 'inspector', failure: event.failure }) },
                },
                'metrics.opened': { actions: { type: 'recordMetrics', params: ({ event }) => event } },
                'metrics.failed': {
                  actions: { type: 'report', params: ({ event }) => ({ where: 'metrics', failure: event.failure }) },
                },
              },
              exit: [
                { type: 'recordInspector', params: { url: undefined } },
                { type: 'recordMetrics', params: { port: undefined } },
              ],
            },
          },
        },
        /** Whether the database takes writes. Another database is another question. */
        storage: {
          initial: 'followed',
          on: {
            // A target within the region: one beside it would begin all regions anew.
            'storage.renew': { target: '.followed', actions: 'forgetImpairment' },
            'store.impaired': { actions: { type: 'tellHealth', params: ({ event }) => event } },
            'store.recovered': { actions: { type: 'tellHealth', params: ({ event }) => event } },
          },
          states: {
            followed: {
              invoke: {
                id: 'storeHealth',
                src: 'storeHealth',
                input: ({ context, self }) => ({
                  store: context.store as Store,
                  parent: self as Mailbox<StoreHealthReport>,
                }),
                onError: { target: '#node.stopping', actions: { type: 'recordFailure', params: ({ event }) => event } },
              },
            },
          },
        },
        /** What the node is there for. */
        service: {
          initial: 'starting',
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
                    security: context.configured?.security as ConnectionSecurity,
                    initialPeers: context.configured?.initialPeers ?? [],
                  }),
                  onDone: '#node.stopping',
                  onError: {
                    target: '#node.stopping',
                    actions: { type: 'recordFailure', params: ({ event }) => event },
                  },
                },
                {
                  id: 'election',
                  src: 'election',
                  input: ({ context, self }) => ({
                    parent: self as Mailbox<LeadershipChanged>,
                    identity: identityOf(context),
                    isEligible: configurationOf(context.configured).eligible,
                    electionIntervalMs: configurationOf(context.configured).electionIntervalMs,
                    impairment: context.impairment?.code,
                    term: context.leadership?.term ?? 0,
                  }),
                  onDone: {
                    target: '#node.stopping',
                    actions: 'recordElectionEnd',
                  },
                  onError: {
                    target: '#node.stopping',
                    actions: { type: 'recordFailure', params: ({ event }) => event },
                  },
                },
                {
                  id: 'uplink',
                  src: 'uplink',
                  input: ({ context, self }) => ({
                    ...inputOf(context),
                    parent: self as Mailbox<UplinkReport>,
                    now: context.now,
                  }),
                  onDone: '#node.stopping',
                  onError: {
                    target: '#node.stopping',
                    actions: { type: 'recordFailure', params: ({ event }) => event },
                  },
                },
              ],
              on: {
                'connection.accepted': { actions: sendTo('membership', ({ event }) => event) },
                'leadership.changed': {
                  actions: [
                    { type: 'recordLeadership', params: ({ event }) => event },
                    { type: 'announce', params: ({ event }) => event },
                    sendTo('uplink', ({ event }) => event),
                  ],
                },
                'store.impaired': {
                  actions: sendTo('election', ({ event }) => ({
                    type: 'health.changed',
                    impairment: event.failure.code,
                  })),
                },
                'store.recovered': { actions: sendTo('election', { type: 'health.changed', impairment: undefined }) },
                // The impairment was that of another database. The election may have begun with it.
                'storage.renew': { actions: sendTo('election', { type: 'health.changed', impairment: undefined }) },
                'uplink.changed': {
                  actions: [
                    { type: 'announce', params: ({ event }) => event },
                    sendTo('election', ({ event }) => event),
                  ],
                },
              },
              initial: 'serving',
              states: {
                serving: { on: { 'service.leave': 'leavingCloud' } },
                /** The cloud hears goodbye first: the next leader may connect to it at once. */
                leavingCloud: {
                  entry: sendTo('uplink', { type: 'uplink.leave' }),
                  on: { 'service.leave': {}, 'xstate.done.actor.uplink': 'leavingCluster' },
                },
                /** The peers hear goodbye; membership is done when the last session is closed. */
                leavingCluster: {
                  entry: sendTo('membership', ({ context }) => ({
                    type: 'membership.leave',
                    refusal: farewellOf(context),
                  })),
                  on: {
                    'service.leave': {},
                    // The uplink has ended.
                    'leadership.changed': {
                      actions: [
                        { type: 'recordLeadership', params: ({ event }) => event },
                        { type: 'announce', params: ({ event }) => event },
                      ],
                    },
                    'xstate.done.actor.membership': '#node.running.service.left',
                  },
                },
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
                serving: { on: { 'service.leave': 'leaving' } },
                leaving: {
                  entry: sendTo('reception', ({ context }) => ({
                    type: 'reception.leave',
                    refusal: farewellOf(context),
                  })),
                  on: { 'service.leave': {}, 'xstate.done.actor.reception': '#node.running.service.left' },
                },
              },
            },
            /** Everybody has heard goodbye. */
            left: {
              entry: ['announceLeaderless', raise({ type: 'service.left' })],
              on: { 'service.begin': { target: 'starting', actions: 'drawBoot' } },
            },
          },
        },
        /** How the configuration in force comes to be another one. */
        reconfiguration: {
          initial: 'settled',
          on: { 'node.stop': '.ending' },
          states: {
            settled: { always: { guard: 'isWanted', target: 'checking' } },
            checking: {
              entry: 'takeUp',
              invoke: {
                src: 'configure',
                input: ({ context }) => ({ configuration: context.target?.requested ?? context.requested }),
                onDone: {
                  target: 'deciding',
                  actions: { type: 'plan', params: ({ event }) => ({ configured: event.output }) },
                },
                onError: { target: 'undoing', actions: { type: 'keepObstacle', params: ({ event }) => event } },
              },
            },
            deciding: {
              always: [
                {
                  guard: 'isUnchanged',
                  target: 'settled',
                  actions: ['reportFinished', 'recordProvided', 'forgetTarget'],
                },
                { guard: 'bindsBeside', target: 'binding' },
                { guard: { type: 'hasEffect', params: { effect: 'store' } }, target: 'openingStore' },
                { guard: 'bindsInstead', target: 'rebinding' },
                { target: 'switching' },
              ],
            },
            /** The new listener, beside the one that serves. */
            binding: {
              invoke: {
                src: 'listen',
                input: ({ context, self }) =>
                  listenInputOf(context.target?.configured, self as Mailbox<ListenerReport>),
                onDone: [
                  {
                    guard: { type: 'hasEffect', params: { effect: 'store' } },
                    target: 'openingStore',
                    actions: { type: 'keepNewListening', params: ({ event }) => ({ listening: event.output }) },
                  },
                  {
                    target: 'switching',
                    actions: { type: 'keepNewListening', params: ({ event }) => ({ listening: event.output }) },
                  },
                ],
                onError: { target: 'undoing', actions: { type: 'keepObstacle', params: ({ event }) => event } },
              },
            },
            /** The new database, beside the one that serves. */
            openingStore: {
              invoke: {
                src: 'openStore',
                input: ({ context: { target } }) => ({ configuration: configurationOf(target?.configured) }),
                onDone: {
                  target: 'copying',
                  actions: { type: 'keepNewStore', params: ({ event }) => ({ store: event.output }) },
                },
                onError: { target: 'undoing', actions: { type: 'keepObstacle', params: ({ event }) => event } },
              },
            },
            /** Most of what is in the old one, which takes its time and keeps nobody waiting. */
            copying: {
              invoke: {
                src: 'copyStore',
                input: ({ context }) => successionOf(context.store, context.target?.store),
                onDone: 'draining',
                onError: { target: 'undoing', actions: { type: 'keepObstacle', params: ({ event }) => event } },
              },
            },
            /** Writes wait from here on, for the new database or, if it comes to nothing, for the old one. */
            draining: {
              entry: { type: 'begin', params: { span: 'writesHeld' } },
              invoke: {
                src: 'drainStore',
                input: ({ context }) => successionOf(context.store, context.target?.store),
                onDone: [{ guard: 'bindsInstead', target: 'rebinding' }, { target: 'switching' }],
                onError: { target: 'undoing', actions: { type: 'keepObstacle', params: ({ event }) => event } },
              },
            },
            /** The two listeners exclude each other: the only step in which something breaks before the new is made, hence the last. */
            rebinding: {
              entry: { type: 'begin', params: { span: 'connectionsRefused' } },
              exit: { type: 'end', params: { span: 'connectionsRefused' } },
              initial: 'closing',
              states: {
                closing: {
                  invoke: {
                    src: 'close',
                    input: ({ context }) => ({ listenings: listeningsOf(context), stores: [] }),
                    onDone: 'listening',
                    onError: { target: 'restoring', actions: { type: 'keepObstacle', params: ({ event }) => event } },
                  },
                },
                listening: {
                  invoke: {
                    src: 'listen',
                    input: ({ context, self }) =>
                      listenInputOf(context.target?.configured, self as Mailbox<ListenerReport>),
                    onDone: {
                      target: '#node.running.reconfiguration.switching',
                      actions: { type: 'keepNewListening', params: ({ event }) => ({ listening: event.output }) },
                    },
                    onError: { target: 'restoring', actions: { type: 'keepObstacle', params: ({ event }) => event } },
                  },
                },
                restoring: {
                  invoke: {
                    src: 'listen',
                    input: ({ context, self }) => listenInputOf(context.configured, self as Mailbox<ListenerReport>),
                    onDone: {
                      target: '#node.running.reconfiguration.undoing',
                      actions: { type: 'recordListening', params: ({ event }) => ({ listening: event.output }) },
                    },
                    // Nobody can reach it any more: whoever runs it has to know.
                    onError: {
                      target: '#node.stopping',
                      actions: { type: 'recordFailure', params: ({ event }) => event },
                    },
                  },
                },
              },
            },
            /** It came to nothing: what was made for it is closed, and the old configuration has never ceased to serve. */
            undoing: {
              entry: { type: 'end', params: { span: 'writesHeld' } },
              invoke: {
                src: 'close',
                input: ({ context: { target } }) => ({
                  listenings: present([target?.listening]),
                  stores: present([target?.store]),
                }),
                onDone: { target: 'settled', actions: ['reportObstacle', 'forgetTarget'] },
                onError: {
                  target: 'settled',
                  actions: [
                    {
                      type: 'report',
                      params: ({ event }) => ({ where: 'reconfiguration', failure: failureOf(event.error) }),
                    },
                    'reportObstacle',
                    'forgetTarget',
                  ],
                },
              },
            },
            /** Everything new stands. */
            switching: {
              entry: ['adopt', { type: 'end', params: { span: 'writesHeld' } }, 'protectListener'],
              always: [
                { guard: { type: 'hasEffect', params: { effect: 'service' } }, target: 'leaving' },
                { target: 'switched', actions: 'inform' },
              ],
            },
            /** Goodbye to everybody; then the parts that serve begin anew. */
            leaving: {
              entry: [{ type: 'begin', params: { span: 'connectionsRefused' } }, raise({ type: 'service.leave' })],
              exit: { type: 'end', params: { span: 'connectionsRefused' } },
              on: { 'service.left': { target: 'switched', actions: raise({ type: 'service.begin' }) } },
            },
            switched: {
              entry: ['reportFinished', 'renewRegions'],
              always: 'retiring',
            },
            /** What was replaced is closed. */
            retiring: {
              initial: 'starting',
              states: {
                starting: { always: [{ guard: 'hasRetiredStore', target: 'gathering' }, { target: 'gathered' }] },
                /** What peers have sent up to the goodbye. */
                gathering: {
                  invoke: {
                    src: 'drainStore',
                    input: ({ context }) => successionOf(context.target?.retiredStore, context.store),
                    onDone: 'gathered',
                    onError: {
                      target: 'gathered',
                      actions: {
                        type: 'report',
                        params: ({ event }) => ({ where: 'reconfiguration', failure: failureOf(event.error) }),
                      },
                    },
                  },
                },
                gathered: { always: [{ guard: 'hasRetiredListener', target: 'overlapping' }, { target: 'closing' }] },
                /** Who was about to dial the old address still may. */
                overlapping: { after: { rebindOverlap: 'closing' } },
                closing: {
                  invoke: {
                    src: 'close',
                    input: ({ context: { target } }) => ({
                      listenings: present([target?.retiredListening]),
                      stores: present([target?.retiredStore]),
                    }),
                    onDone: 'closed',
                    onError: {
                      target: 'closed',
                      actions: {
                        type: 'report',
                        params: ({ event }) => ({ where: 'reconfiguration', failure: failureOf(event.error) }),
                      },
                    },
                  },
                },
                closed: { type: 'final' },
              },
              onDone: { target: 'settled', actions: 'forgetTarget' },
            },
            /** The node stops, whatever was under way. */
            ending: {
              entry: raise({ type: 'service.leave' }),
              on: { 'node.stop': {}, 'service.left': '#node.stopping' },
            },
          },
        },
      },
    },
    /** Closes what is open. Entered after a failure, too, with whatever there is. */
    stopping: {
      on: {
        'node.stop': {},
        'node.reconfigure': {},
        'configuration.changed': {},
        'configuration.failed': {},
        // Recorded, but no reason to begin anew.
        'xstate.error.actor.*': {
          actions: {
            type: 'report',
            params: ({ event }) => ({ where: event.actorId, failure: failureOf(event.error) }),
          },
        },
      },
      invoke: {
        src: 'close',
        input: ({ context }) => ({ listenings: listeningsOf(context), stores: storesOf(context) }),
        onDone: [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }],
        onError: { target: 'failed', actions: { type: 'recordFailure', params: ({ event }) => event } },
      },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
});

type NodeMachineType = typeof machine;
/** The type of {@link nodeMachine}. */
export interface NodeMachine extends NodeMachineType {}
/** The root: the life of a node, its configuration, database and identity. {@link composeNode} fills its slots. */
export const nodeMachine: NodeMachine = machine;

const tooManyWaiting = {
  code: 'reconfigurationQueueFull',
  message: `${limits.reconfigurationsWaitingMax} reconfigurations wait already: try again when some have finished.`,
} as const;

/** Before the configuration is known there is nothing to judge by. */
function objectionIn({ configured, target, requested, provided }: NodeContext, wanted: Wanted): Failure | undefined {
  if (configured === undefined) return undefined;
  return objectionTo(combine(target?.requested ?? requested, provided, wanted));
}

const none: ReadonlySet<Effect> = new Set();

function targetWith({ target }: NodeContext, parts: Partial<Target>): { target: Target | undefined } {
  return { target: target && { ...target, ...parts } };
}

function troubled({ now }: NodeContext, failure: Failure): { lastFailure: PastFailure } {
  return { lastFailure: { ...failure, atMs: now() } };
}

function configurationOf(configured: Configured | undefined): Configuration {
  return (configured as Configured).configuration;
}

/** Where there are both: whoever asks knows that. */
function successionOf(store: Store | undefined, successor: Store | undefined): SuccessionInput {
  return { store: store as Store, successor: successor as Store };
}

function identityOf({ configured, boot, listening }: NodeContext): Identity {
  return { nodeId: configurationOf(configured).nodeId as NodeId, boot, port: (listening as Listening).port };
}

/** What every part of a running node needs. */
function inputOf(context: NodeContext) {
  const { configured, store, random } = context;
  const { configuration, keys, ca } = configured as Configured;
  return { identity: identityOf(context), configuration, store: store as Store, ...{ keys, ca, random } };
}

function listenInputOf(configured: Configured | undefined, parent: Mailbox<ListenerReport>) {
  const { configuration, security } = configured as Configured;
  return { configuration, security, parent };
}

function controlInputOf({ configured }: NodeContext, parent: Mailbox<ControlReport>) {
  return { configuration: configurationOf(configured), parent };
}

function inspectionInputOf({ configured }: NodeContext, parent: Mailbox<InspectionReport>) {
  const { inspector, nodeId } = configurationOf(configured);
  return { settings: inspector, nodeId: nodeId as NodeId, parent };
}

/** Why the parts that serve leave: whoever hears that this node is another one from now on need not look for it. */
function farewellOf({ target }: NodeContext): Refusal {
  const renaming = target?.plan?.changes.find(({ field }) => field === 'nodeId');
  if (renaming !== undefined) {
    return { code: 'identityChanged', message: `The node goes on under the NodeId "${renaming.to}".` };
  }
  return target === undefined ? goodbye : { code: 'goodbye', message: 'The node is being reconfigured.' };
}

function present<T>(all: readonly (T | undefined)[]): T[] {
  return all.filter((each) => each !== undefined);
}

/** All that are open, whatever is under way. */
function listeningsOf({ listening, target }: NodeContext): Listening[] {
  return present([listening, target?.listening, target?.retiredListening]);
}

function storesOf({ store, target }: NodeContext): Store[] {
  return present([store, target?.store, target?.retiredStore]);
}
