/** The guards and actions of a node's root actor, by their names in its chart. */
import { type ActorRefFrom, assign, emit, enqueueActions, setup } from 'xstate';
import type {
  Adjustment,
  LeadershipChanged,
  NodeCommand,
  NodeEvent,
  Parts,
  ReconfigurationReport,
  StoreHealthReport,
} from '../actors/mailboxes.js';
import {
  close,
  configurationFeed,
  connections,
  control,
  getConfiguration,
  inspection,
  metrics,
  storeHealth,
} from '../actors/slots.js';
import type { Configured } from '../configuration/configured.js';
import {
  combine,
  type Effect,
  objectionTo,
  type Plan,
  type Requested,
  taken,
  type Wanted,
  withPartial,
  withProvided,
} from '../configuration/reconfiguration.js';
import { connectionLimitsOf } from '../configuration/schema.js';
import { type Failure, failureOf, type PastFailure } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { withRefusal } from '../core/refusals.js';
import type { Secret } from '../core/secret.js';
import type { Connection, Listening } from '../ports/ports.js';
import { electionMachine } from './election.machine.js';
import { membershipMachine } from './membership.machine.js';
import {
  type ChildEvent,
  electionSettingsOf,
  type InternalEvent,
  identityOf,
  type NodeContext,
  type NodeInput,
  type NodeMachineEvent,
  type NodeOutput,
} from './node-context.js';
import { receptionMachine } from './reception.machine.js';
import { openPartsOf, type ReconfigurationMachine, reconfigurationMachine } from './reconfiguration.machine.js';
import { uplinkMachine } from './uplink.machine.js';

type ReconfigurationRef = ActorRefFrom<ReconfigurationMachine>;
type Completed = Extract<ReconfigurationReport, { type: 'reconfiguration.completed' }>;

export const nodeSetup = setup({
  types: {
    context: {} as NodeContext,
    input: {} as NodeInput,
    output: {} as NodeOutput,
    events: {} as NodeMachineEvent | InternalEvent | ChildEvent,
    emitted: {} as NodeEvent,
  },
  actors: {
    getConfiguration,
    configurationFeed,
    storeHealth,
    connections,
    control,
    inspection,
    metrics,
    close,
    reconfiguration: reconfigurationMachine,
    membership: membershipMachine,
    election: electionMachine,
    uplink: uplinkMachine,
    reception: receptionMachine,
  },
  guards: {
    isCloudNode: ({ context }) => context.configured?.configuration.role === 'cloud',
    hasFailed: ({ context }) => context.failure !== undefined,
    isWanted: ({ context }) => context.wanted !== undefined,
    isObserved: ({ context: { configured } }) =>
      configured?.configuration.inspector !== undefined || configured?.configuration.metricsPort !== undefined,
    isConfigured: ({ context }) => context.configured !== undefined,
    isFatal: (_, { isFatal }: { isFatal: boolean }) => isFatal,
    renewsService: (_, { plan }: { plan: Plan }) => plan.effects.has('service'),
  },
  actions: {
    takeFirst: assign((_, params: { requested: Requested }) => {
      const requested = taken(params.requested);
      return {
        requested,
        provided: requested,
        underway: { requested, provided: requested, requests: [], plan: undefined },
      };
    }),
    takeUp: assign(({ context: { requested, provided, wanted } }) => {
      if (wanted === undefined) return {};
      return {
        wanted: undefined,
        underway: {
          requested: combine(requested, provided, wanted),
          provided: wanted.provided ?? provided,
          requests: wanted.requests,
          plan: undefined,
        },
      };
    }),
    /** Puts the new configuration into force. */
    adopt: assign(({ context }, { plan, parts }: { plan: Plan; parts: Parts }) => ({
      ...parts,
      requested: context.underway?.requested ?? context.requested,
      provided: context.underway?.provided ?? context.provided,
      underway: context.underway && { ...context.underway, plan },
    })),
    /** Calls a port: it does not throw. */
    protectListener: ({ context: { listening, configured } }, { plan }: { plan: Plan }) => {
      if (plan.listener !== 'protect' || configured === undefined) return;
      const { security, configuration } = configured;
      listening?.protect({
        security,
        acceptsWebSockets: configuration.role === 'cloud',
        limits: connectionLimitsOf(configuration),
      });
    },
    recordListening: assign((_, { listening }: { listening: Listening }) => ({ listening })),
    recordInspector: assign((_, { url }: { url: Secret | undefined }) => ({ inspectorUrl: url })),
    recordMetrics: assign((_, { port }: { port: number | undefined }) => ({ metricsPort: port })),
    recordHeldWrites: assign((_, { areHeld }: { areHeld: boolean }) => ({ areWritesHeld: areHeld })),
    recordLeadership: assign((_, leadership: LeadershipChanged) => ({ leadership })),
    fail: assign(({ context }, { failure }: { failure: Failure | undefined }) => ({
      failure: context.failure ?? failure,
    })),
    tellHealth: enqueueActions(({ context, enqueue }, report: StoreHealthReport) => {
      const impairment = report.type === 'store.impaired' ? report.failure : undefined;
      enqueue.assign({ impairment, ...(impairment === undefined ? {} : troubled(context, impairment)) });
      enqueue.emit(report);
    }),
    /** The impairment concerned another database. */
    forgetImpairment: enqueueActions(({ context, enqueue }) => {
      if (context.impairment === undefined) return;
      enqueue.assign({ impairment: undefined });
      enqueue.emit({ type: 'store.recovered' });
    }),
    dropConnection: (_, { connection }: { connection: Connection }) => connection.destroy(),
    announce: emit((_, event: NodeEvent) => event),
    recordRefusal: assign(({ context }, event: NodeEvent) => {
      if (event.type !== 'connection.refused' && event.type !== 'guest.refused') return {};
      const { remoteAddress, failure } = event;
      const suppressed = event.type === 'connection.refused' ? event.suppressed : 0;
      return { refusals: withRefusal(context.refusals, { remoteAddress, failure, suppressed }, context.now()) };
    }),
    recordTrouble: assign(({ context }, event: NodeEvent) => {
      const { type } = event;
      if (type === 'node.duplicated' || type === 'failure') return troubled(context, event.failure);
      // Another node may report this, too, when two processes with one NodeId try to connect to it.
      const isDuplicate = type === 'peer.refused' && event.failure.code === 'duplicateNodeId';
      return isDuplicate ? troubled(context, event.failure) : {};
    }),
    report: enqueueActions(({ context, enqueue }, { where, failure }: { where: string; failure: Failure }) => {
      enqueue.assign(troubled(context, failure));
      enqueue.emit({ type: 'failure', where, failure });
    }),
    /** Refuses an invalid configuration at once, and keeps a valid one until it can be taken up. */
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
    /** The caller gets the refusal; the node itself has not failed. */
    wantPartial: enqueueActions(({ context, enqueue }, event: Extract<NodeCommand, { type: 'node.reconfigure' }>) => {
      const wanted = withPartial(context.wanted, event.partial, event.request);
      const failure =
        wanted.requests.length > limits.reconfigurationsWaitingMax ? tooManyWaiting : objectionIn(context, wanted);
      if (failure === undefined) enqueue.assign({ wanted });
      else enqueue.emit({ type: 'reconfiguration.failed', failure, requests: [event.request] });
    }),
    /** Tells the parts that stay which changes concern them. */
    inform: enqueueActions(({ context, enqueue }, { plan: { effects } }: { plan: Plan }) => {
      const configured = context.configured as Configured;
      const { configuration } = configured;
      const identity = identityOf(context);
      const adjustment: Adjustment = { type: 'configuration.adjusted', effects, identity, configured };
      if (configuration.role === 'cloud') {
        enqueue.sendTo('reception', adjustment);
        return;
      }
      enqueue.sendTo('membership', adjustment);
      enqueue.sendTo('uplink', adjustment);
      if (!effects.has('election')) return;
      enqueue.sendTo('election', { type: 'election.adjusted', ...electionSettingsOf(configuration) });
    }),
    renewRegions: enqueueActions(({ enqueue }, { effects }: { effects: ReadonlySet<Effect> }) => {
      if (effects.has('control')) enqueue.raise({ type: 'control.renew' });
      if (effects.has('observation')) enqueue.raise({ type: 'observation.renew' });
      // Parts that start again do not know yet that the database is impaired.
      if (effects.has('store') || effects.has('service')) enqueue.raise({ type: 'storage.renew' });
    }),
    drawBoot: assign(({ context }) => ({ boot: context.newBoot() })),
    /** The election that knew the leader has ended. */
    announceLeaderless: enqueueActions(({ context, enqueue }) => {
      if (context.leadership?.leaderId === undefined) return;
      const leadership: LeadershipChanged = { ...context.leadership, isLeader: false, leaderId: undefined };
      enqueue.assign({ leadership });
      enqueue.emit(leadership);
    }),
    reportFinished: enqueueActions(({ context: { underway }, enqueue }, completed: Completed) => {
      const { changes, tookMs, writesHeldMs, connectionsRefusedMs } = completed;
      const requests = underway?.requests ?? [];
      // The provider may now supply what calls have asked for. Set with a function, because XState would call a
      // property that is a function.
      enqueue.assign(({ context }) => ({ provided: underway?.provided ?? context.provided }));
      if (changes.length === 0 && requests.length === 0) return;
      const durations = { tookMs, writesHeldMs, connectionsRefusedMs };
      enqueue.emit({ type: 'reconfiguration.finished', changes, requests, ...durations });
    }),
    reportObstacle: enqueueActions(({ context, enqueue }, { failure }: { failure: Failure | undefined }) => {
      if (failure === undefined) return;
      enqueue.assign(troubled(context, failure));
      enqueue.emit({ type: 'reconfiguration.failed', failure, requests: context.underway?.requests ?? [] });
    }),
    forgetUnderway: assign({ underway: undefined }),
    /** An interrupted reconfiguration leaves its parts to the node. */
    keepLeftOpen: assign(({ self }) => {
      const { children } = self.getSnapshot() as { children?: { reconfiguration?: ReconfigurationRef } };
      const snapshot = children?.reconfiguration?.getSnapshot();
      if (snapshot?.context === undefined || snapshot.status === 'done') return {};
      return { leftOpen: openPartsOf(snapshot.context) };
    }),
  },
});

/** Reports the failure of a part that the node can do without. */
export function reportOf(where: string) {
  return {
    type: 'report' as const,
    params: ({ event }: { readonly event: { readonly error: unknown } }) => ({
      where,
      failure: failureOf(event.error),
    }),
  };
}

const tooManyWaiting = {
  code: 'reconfigurationQueueFull',
  message: `${limits.reconfigurationsWaitingMax} reconfigurations wait already: try again when some have finished.`,
} as const;

/** Undefined before the provider has answered: the partial configuration cannot be judged yet. */
function objectionIn({ configured, underway, requested, provided }: NodeContext, wanted: Wanted): Failure | undefined {
  if (configured === undefined && underway === undefined) return undefined;
  return objectionTo(combine(underway?.requested ?? requested, provided, wanted));
}

/** A failure with its time. */
function troubled({ now }: NodeContext, failure: Failure): { lastFailure: PastFailure } {
  return { lastFailure: { ...failure, atMs: now() } };
}
