/** What the root actor of a node knows, and what it gives to each of its parts. */
import type { AnyActorRef, DoneActorEvent, ErrorActorEvent } from 'xstate';
import type {
  ControlReport,
  InspectionReport,
  LeadershipChanged,
  ListenerReport,
  MetricsReport,
  NodeCommand,
  Notice,
  ProviderReport,
  ReconfigurationReport,
  StoreHealthReport,
  UplinkReport,
} from '../actors/mailboxes.js';
import type { CloseInput } from '../actors/slots.js';
import { mailboxOf } from '../actors/typed.js';
import type { Configured } from '../configuration/configured.js';
import type { Plan, Requested, Wanted } from '../configuration/reconfiguration.js';
import type { Configuration } from '../configuration/schema.js';
import type { Candidacy } from '../core/election-rule.js';
import type { Failure, PastFailure } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { RefusalRecords } from '../core/refusals.js';
import type { Secret } from '../core/secret.js';
import type { ConnectionSecurity, Listening } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import type { Identity, Refusal } from '../wire/messages.js';

export interface NodeInput {
  /** Names one life of the parts that serve: peers take another name for another process. */
  readonly newBoot: () => Boot;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  /** Never goes back, ms. */
  readonly monotonicMs: () => number;
}

export interface NodeContext extends NodeInput {
  readonly boot: Boot;
  /** The configuration in force as it was written. A function, since it holds secrets and a context is shown. */
  readonly requested: Requested;
  /** What the provider said when that was written. Only what the provider says differently later is another wish. */
  readonly provided: Requested;
  /** The configuration in force. */
  readonly configured: Configured | undefined;
  readonly store: Store | undefined;
  readonly listening: Listening | undefined;
  /** Where the page of the inspector is, while there is one. */
  readonly inspectorUrl: Secret | undefined;
  /** Where metrics are served, while they are. */
  readonly metricsPort: number | undefined;
  /** What was asked for and is not taken up yet. */
  readonly wanted: Wanted | undefined;
  /** What the reconfiguration under way was asked for. */
  readonly underway: Underway | undefined;
  /** Whether local writes wait for another database. */
  readonly areWritesHeld: boolean;
  /** What a reconfiguration had open when the node began to stop. */
  readonly leftOpen: CloseInput;
  /** The leader, as the outside world was told last. */
  readonly leadership: LeadershipChanged | undefined;
  /** What keeps the database from taking writes; undefined while it takes them. */
  readonly impairment: Failure | undefined;
  /** Connections that were refused. */
  readonly refusals: RefusalRecords;
  /** Why the node ended, if it did not end by itself. */
  readonly failure: Failure | undefined;
  /** The latest failure while it ran. */
  readonly lastFailure: PastFailure | undefined;
}

export interface Underway {
  readonly requested: Requested;
  readonly provided: Requested;
  /** The calls that asked for it. */
  readonly requests: readonly number[];
  /** Known from the switch on. */
  readonly plan: Plan | undefined;
}

/** What the regions of a running node say to each other. */
export type InternalEvent =
  | { readonly type: 'service.leave' }
  | { readonly type: 'service.left' }
  | { readonly type: 'service.begin' }
  | { readonly type: 'control.renew' }
  | { readonly type: 'observation.renew' }
  | { readonly type: 'storage.renew' };

export type NodeMachineEvent =
  | NodeCommand
  | ProviderReport
  | ReconfigurationReport
  | ListenerReport
  | ControlReport
  | InspectionReport
  | MetricsReport
  | LeadershipChanged
  | UplinkReport
  | StoreHealthReport
  | Notice;

export type ChildEvent = DoneActorEvent<unknown, string> | ErrorActorEvent<unknown, string>;

/** What a node ends with: the reason if it failed. */
export interface NodeOutput {
  readonly failure: Failure | undefined;
}

const goodbye = { code: 'goodbye', message: 'The node is stopping.' } as const;

export function healthOf(impairment: Failure | undefined) {
  return { type: 'health.changed', impairment: impairment?.code } as const;
}

function configurationOf({ configured }: NodeContext): Configuration {
  return (configured as Configured).configuration;
}

export function identityOf({ configured, boot, listening }: NodeContext): Identity {
  const { nodeId } = (configured as Configured).configuration;
  return { nodeId: nodeId as NodeId, boot, port: (listening as Listening).port };
}

/** What every part of a running node needs. */
export function partInputOf<E extends { type: string }>(context: NodeContext, self: AnyActorRef) {
  const { configured, store, random } = context;
  const { configuration, keys, ca } = configured as Configured;
  const identity = identityOf(context);
  return { parent: mailboxOf<E>(self), identity, configuration, store: store as Store, keys, ca, random };
}

export function membershipInputOf(context: NodeContext, self: AnyActorRef) {
  const { security, initialPeers } = context.configured as Configured;
  return {
    ...partInputOf<Notice>(context, self),
    security: security as ConnectionSecurity,
    initialPeers,
    now: context.now,
  };
}

export function electionInputOf(context: NodeContext, self: AnyActorRef) {
  return {
    parent: mailboxOf<LeadershipChanged>(self),
    identity: identityOf(context),
    ...electionSettingsOf(configurationOf(context)),
    impairment: context.impairment?.code,
    term: context.leadership?.term ?? 0,
  };
}

export function electionSettingsOf({ eligible: isEligible, electionIntervalMs }: Configuration) {
  const candidacy: Candidacy = { isEligible };
  return { candidacy, electionIntervalMs };
}

export function inspectionInputOf(context: NodeContext, self: AnyActorRef) {
  const { inspector, nodeId } = configurationOf(context);
  return { settings: inspector, nodeId: nodeId as NodeId, parent: mailboxOf<InspectionReport>(self) };
}

export function metricsInputOf(context: NodeContext, self: AnyActorRef) {
  return { port: configurationOf(context).metricsPort, parent: mailboxOf<MetricsReport>(self) };
}

export function reconfigurationInputOf({ underway, requested, ...context }: NodeContext, self: AnyActorRef) {
  const { configured, store, listening, monotonicMs } = context;
  const isRunning = configured !== undefined && store !== undefined && listening !== undefined;
  return {
    parent: mailboxOf<ReconfigurationReport | ListenerReport>(self),
    requested: underway?.requested ?? requested,
    present: isRunning ? { configured, store, listening } : undefined,
    monotonicMs,
  };
}

/** Why the parts that serve leave. A peer need not look for a node that goes on under another NodeId. */
export function farewellOf({ underway }: NodeContext): Refusal {
  const renaming = underway?.plan?.changes.find(({ field }) => field === 'nodeId');
  if (renaming !== undefined) {
    return { code: 'identityChanged', message: `The node goes on under the NodeId "${renaming.to}".` };
  }
  return underway === undefined ? goodbye : { code: 'goodbye', message: 'The node is being reconfigured.' };
}

/** Everything that is open. */
export function closeInputOf({ listening, store, leftOpen }: NodeContext): CloseInput {
  const [listenings, stores] = [new Set(leftOpen.listenings), new Set(leftOpen.stores)];
  if (listening !== undefined) listenings.add(listening);
  if (store !== undefined) stores.add(store);
  return { listenings: [...listenings], stores: [...stores] };
}
