/** The context of a node's root actor, and the inputs of the node's parts. */
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
  /** Makes a name for one life of the serving parts. Peers take a new name for a new process. */
  readonly newBoot: () => Boot;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
  /** A clock that never goes back, ms. */
  readonly monotonicMs: () => number;
}

export interface NodeContext extends NodeInput {
  readonly boot: Boot;
  /**
   * The configuration in force as it was written. A function, because it holds secrets and a context is shown to
   * people.
   */
  readonly requested: Requested;
  /** The provider's configuration at that time. Only a later difference from it is a new request. */
  readonly provided: Requested;
  /** The configuration in force. */
  readonly configured: Configured | undefined;
  readonly store: Store | undefined;
  readonly listening: Listening | undefined;
  /** The address of the inspector's page; undefined without an inspector. */
  readonly inspectorUrl: Secret | undefined;
  /** The port that serves metrics; undefined without metrics. */
  readonly metricsPort: number | undefined;
  /** The request that waits for the reconfiguration under way. */
  readonly wanted: Wanted | undefined;
  /** The request of the reconfiguration under way. */
  readonly underway: Underway | undefined;
  /** Whether local writes wait for another database. */
  readonly areWritesHeld: boolean;
  /** The parts that a reconfiguration had open when the node began to stop. */
  readonly leftOpen: CloseInput;
  /** The leader, as last reported to the outside world. */
  readonly leadership: LeadershipChanged | undefined;
  /** Why the database takes no writes; undefined while it takes them. */
  readonly impairment: Failure | undefined;
  /** The refused connections. */
  readonly refusals: RefusalRecords;
  /** The reason why the node ended, if it failed. */
  readonly failure: Failure | undefined;
  /** The latest failure while the node ran. */
  readonly lastFailure: PastFailure | undefined;
}

export interface Underway {
  readonly requested: Requested;
  readonly provided: Requested;
  /** The calls that made the request. */
  readonly requests: readonly number[];
  /** Undefined before the switch. */
  readonly plan: Plan | undefined;
}

/** Events between the regions of a running node. */
export type InternalEvent =
  | { readonly type: 'service.leave' }
  | { readonly type: 'service.left' }
  | { readonly type: 'service.begin' }
  | { readonly type: 'control.renew' }
  | { readonly type: 'observation.renew' }
  | { readonly type: 'storage.renew' };

/** What the root actor accepts. */
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

/** The output of a node, with the reason if it has failed. */
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

/** The input that every part of a running node needs. */
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

/**
 * The reason that peers hear when the serving parts leave. If the node continues under another NodeId, peers need not
 * look for it.
 */
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
