/**
 * The bully election (Garcia-Molina, 1982): of the live eligible nodes of the cluster, the one that precedes all others
 * leads. Authenticated heartbeats say which nodes are live, and in which state. Beacons never count.
 *
 * No node takes leadership: the leader hands it over. While another node leads, the rightful leader first waits until
 * it has been connected without a break for some time, longer after each return. Then it claims leadership, and leads
 * once the other node has stepped down. So a node with an unstable connection never becomes leader, and two nodes lead
 * at once only in a partition. For the same reason a leader does not step down for a node that it has just begun to
 * hear.
 *
 * A node with an impaired database does not lead, and its heartbeats tell the reason. The others replace it at once.
 */
import { assign, type ErrorActorEvent, enqueueActions, setup } from 'xstate';
import type { ElectionCommand, LeadershipChanged, LivenessReport, Mailbox } from '../actors/mailboxes.js';
import { liveness } from '../actors/slots.js';
import { itsEvent, mailboxOf } from '../actors/typed.js';
import {
  type Candidacy,
  type ClusterView,
  type ElectionRole,
  highestTerm,
  isClaimed,
  isRightful,
  isSameMemberState,
  isSecondLeader,
  leaderAmong,
  type MemberState,
  mayLead,
  memberStateOf,
  mustYield,
  newcomer,
  nextTerm,
  stableMs,
  type Uplink,
} from '../core/election-rule.js';
import { type ErrorCode, type Failure, failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Identity } from '../wire/messages.js';

export interface ElectionInput {
  readonly parent: Mailbox<LeadershipChanged>;
  readonly identity: Identity;
  readonly candidacy: Candidacy;
  readonly impairment?: ErrorCode | undefined;
  readonly electionIntervalMs: number;
  /** The highest known term, taken over from an earlier election of the same node. */
  readonly term: number;
}

interface ElectionContext extends Omit<ElectionInput, 'candidacy' | 'impairment'>, MemberState {
  readonly live: ReadonlyMap<NodeId, MemberState>;
  /** Nodes that have been live without a break for long enough that this node would step down for them. */
  readonly steady: ReadonlySet<NodeId>;
  /** The leader, as last reported to the parent. */
  readonly leaderId: NodeId | undefined;
  /**
   * Number of returns: how often this node began to wait for the leader's place, without a long quiet time in between.
   */
  readonly returns: number;
  /** The state of this node, as its heartbeats last told it. */
  readonly said: MemberState | undefined;
  readonly failure: Failure | undefined;
}

export type ElectionEvent =
  | ElectionCommand
  | LivenessReport
  /** A node has been live without a break for `hearingSteadyMs`. */
  | { readonly type: 'hearing.steady'; readonly nodeId: NodeId };

/** The output of an election. It ends only when it cannot know which nodes are live. */
export interface ElectionOutput {
  readonly failure: Failure | undefined;
}

const machine = setup({
  types: {
    context: {} as ElectionContext,
    input: {} as ElectionInput,
    output: {} as ElectionOutput,
    events: {} as ElectionEvent | ErrorActorEvent<unknown, string>,
  },
  actors: { liveness },
  delays: {
    candidacy: limits.candidacyMs,
    hearingSteady: limits.hearingSteadyMs,
    stable: ({ context }) => stableMs(context.returns),
    undisturbed: limits.stableMaxMs,
  },
  guards: {
    mayLead: ({ context }) => mayLead(context),
    mayNotLead: ({ context }) => !mayLead(context),
    /** Whether this node precedes all other live nodes that may lead. */
    isRightful: ({ context }) => isRightful(clusterViewOf(context)),
    isOutranked: ({ context }) => !isRightful(clusterViewOf(context)),
    isLed: ({ context }) => leaderAmong(context.live, undefined) !== undefined,
    isLeaderless: ({ context }) => leaderAmong(context.live, undefined) === undefined,
    /** Whether no other node stands in its way. */
    isUncontested: ({ context }) =>
      isRightful(clusterViewOf(context)) && leaderAmong(context.live, undefined) === undefined,
    mustYield: ({ context }) => mustYield(steadyClusterViewOf(context)),
    isClaimed: ({ context }) => isClaimed(steadyClusterViewOf(context)),
    isSecondLeader: ({ context }) => isSecondLeader(steadyClusterViewOf(context)),
    hasNews: ({ context }) => hasNewMemberState(context) || leaderOf(context) !== context.leaderId,
  },
  actions: {
    recordLive: enqueueActions(({ context, enqueue }, { live }: { live: ReadonlyMap<NodeId, MemberState> }) => {
      for (const nodeId of live.keys()) {
        if (context.live.has(nodeId)) continue;
        const steady = { id: hearingOf(nodeId), delay: 'hearingSteady' } as const;
        enqueue.raise({ type: 'hearing.steady', nodeId }, steady);
      }
      for (const nodeId of context.live.keys()) if (!live.has(nodeId)) enqueue.cancel(hearingOf(nodeId));
      enqueue.assign({
        live,
        steady: new Set([...context.steady].filter((nodeId) => live.has(nodeId))),
        term: highestTerm(context.term, live),
      });
    }),
    recordSteady: assign(({ context }, { nodeId }: { nodeId: NodeId }) => ({
      steady: new Set([...context.steady, nodeId]),
    })),
    recordImpairment: assign((_, { impairment }: { impairment: ErrorCode | undefined }) => ({ impairment })),
    recordUplink: assign((_, { uplink }: { uplink: Uplink }) => ({ uplink })),
    recordSettings: enqueueActions(
      ({ enqueue }, { candidacy, electionIntervalMs }: Extract<ElectionCommand, { type: 'election.adjusted' }>) => {
        enqueue.assign({ ...candidacy, electionIntervalMs });
        enqueue.sendTo('liveness', { type: 'electionInterval.changed', electionIntervalMs });
      },
    ),
    recordFailure: assign((_, { error }: { error: unknown }) => ({ failure: failureOf(error) })),
    takeElectionRole: assign((_, { electionRole }: { electionRole: ElectionRole }) => ({ electionRole })),
    beginTerm: assign(({ context }) => ({ term: nextTerm(context.term) })),
    countReturn: assign(({ context }) => ({ returns: context.returns + 1 })),
    forgetReturns: assign({ returns: 0 }),
    /** Tells the other nodes the state of this node, and the parent the leader, each when it has changed. */
    tell: enqueueActions(({ context, enqueue }) => {
      if (hasNewMemberState(context)) {
        const memberState = memberStateOf(context);
        enqueue.assign({ said: memberState });
        enqueue.sendTo('liveness', { type: 'memberState.changed', memberState });
      }
      const leaderId = leaderOf(context);
      if (leaderId === context.leaderId) return;
      enqueue.assign({ leaderId });
      enqueue.sendTo(context.parent, leadership(context, leaderId));
    }),
    /** Without knowing which nodes are live, this node neither leads nor follows. */
    resign: enqueueActions(({ context, enqueue }) => {
      if (context.leaderId !== undefined) enqueue.sendTo(context.parent, leadership(context, undefined));
      enqueue.assign({ leaderId: undefined, electionRole: 'following' });
    }),
  },
}).createMachine({
  id: 'election',
  context: ({ input: { candidacy, ...input } }) => ({
    ...newcomer,
    ...input,
    ...candidacy,
    live: new Map(),
    steady: new Set(),
    leaderId: undefined,
    returns: 0,
    said: undefined,
    failure: undefined,
  }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: {
    id: 'liveness',
    src: 'liveness',
    input: ({ context, self }) => ({
      parent: mailboxOf<LivenessReport>(self),
      identity: context.identity,
      electionIntervalMs: context.electionIntervalMs,
    }),
    onError: { target: '.failed', actions: [{ type: 'recordFailure', params: itsEvent }, 'resign'] },
  },
  on: {
    'liveness.changed': { actions: { type: 'recordLive', params: itsEvent } },
    'hearing.steady': { actions: { type: 'recordSteady', params: itsEvent } },
    'health.changed': { actions: { type: 'recordImpairment', params: itsEvent } },
    'uplink.changed': { actions: { type: 'recordUplink', params: itsEvent } },
    'election.adjusted': { actions: { type: 'recordSettings', params: itsEvent } },
  },
  // Runs after the transitions of the states below.
  always: { guard: 'hasNews', actions: 'tell' },
  initial: 'observer',
  states: {
    /** This node may not lead, or its database is impaired. It follows the leader. */
    observer: {
      entry: { type: 'takeElectionRole', params: { electionRole: 'following' } },
      always: { guard: 'mayLead', target: 'follower' },
    },
    follower: {
      entry: { type: 'takeElectionRole', params: { electionRole: 'following' } },
      always: [
        { guard: 'mayNotLead', target: 'observer' },
        { guard: 'isRightful', target: 'candidate' },
      ],
      after: { undisturbed: { actions: 'forgetReturns' } },
    },
    /** This node ought to lead. */
    candidate: {
      always: [
        { guard: 'mayNotLead', target: 'observer' },
        { guard: 'isOutranked', target: 'follower' },
      ],
      initial: 'canvassing',
      states: {
        /** No node leads. This node waits a moment for a node that precedes it. */
        canvassing: {
          entry: { type: 'takeElectionRole', params: { electionRole: 'following' } },
          always: { guard: 'isLed', target: 'waiting' },
          after: { candidacy: '#election.leader' },
        },
        /** Another node leads, and stays leader until this node has proved steady. */
        waiting: {
          entry: [{ type: 'takeElectionRole', params: { electionRole: 'following' } }, 'countReturn'],
          always: { guard: 'isLeaderless', target: 'canvassing' },
          after: { stable: 'claiming' },
        },
        /** Asks the leader to step down. The leader does when it agrees that this node ought to lead. */
        claiming: {
          entry: { type: 'takeElectionRole', params: { electionRole: 'claiming' } },
          always: { guard: 'isUncontested', target: '#election.leader' },
        },
      },
    },
    leader: {
      entry: ['beginTerm', { type: 'takeElectionRole', params: { electionRole: 'leading' } }],
      always: [
        { guard: 'mayNotLead', target: 'observer' },
        { guard: 'mustYield', target: 'follower' },
        { guard: 'isClaimed', target: 'follower' },
        { guard: 'isSecondLeader', target: 'candidate.waiting' },
      ],
      after: { undisturbed: { actions: 'forgetReturns' } },
    },
    /** The parent knows the reason, and that this node knows no leader. */
    failed: { type: 'final' },
  },
});

type ElectionMachineType = typeof machine;
/** The type of {@link electionMachine}. */
export interface ElectionMachine extends ElectionMachineType {}
/** Elects the leader: the smallest NodeId of the nodes that are live and eligible, and reach the cloud. */
export const electionMachine: ElectionMachine = machine;

function clusterViewOf(context: ElectionContext): ClusterView {
  return { ...memberStateOf(context), nodeId: context.identity.nodeId, live: context.live };
}

/** The view without the other nodes for which a leader would not step down yet. */
function steadyClusterViewOf(context: ElectionContext): ClusterView {
  const { live, steady } = context;
  return { ...clusterViewOf(context), live: new Map([...live].filter(([nodeId]) => steady.has(nodeId))) };
}

/** The id of the delayed event that marks a node as steady. */
function hearingOf(nodeId: NodeId): string {
  return `hearing ${nodeId}`;
}

function leaderOf({ identity, electionRole, live, leaderId }: ElectionContext): NodeId | undefined {
  return electionRole === 'leading' ? identity.nodeId : leaderAmong(live, leaderId);
}

/** Whether the other nodes do not know the state of this node yet. */
function hasNewMemberState(context: ElectionContext): boolean {
  return context.said === undefined || !isSameMemberState(context.said, context);
}

function leadership({ identity, term }: ElectionContext, leaderId: NodeId | undefined): LeadershipChanged {
  return { type: 'leadership.changed', isLeader: leaderId === identity.nodeId, leaderId, term };
}
