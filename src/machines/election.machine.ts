/**
 * The bully election (Garcia-Molina, 1982): of the live eligible nodes of the cluster the one that precedes all others leads. Who is
 * live, and how, is what authenticated heartbeats say; beacons never move it.
 *
 * Leadership is handed over, not taken: while somebody leads, the one that ought to waits until it has been there without a break
 * for a while, longer each time, then claims, and leads once the other has stepped down. So a node that comes and goes never
 * becomes leader, and leaderships overlap only where a partition has made two.
 */
import { assign, type ErrorActorEvent, enqueueActions, setup } from 'xstate';
import {
  type Ballot,
  highestTerm,
  isClaimed,
  isRightful,
  isSameStanding,
  isSecondLeader,
  leaderAmong,
  mustYield,
  nextTerm,
  type Stance,
  type Standing,
  stableMs,
  standingOf,
  type Uplink,
} from '../core/ballot.js';
import { type Failure, failureOf } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { ElectionCommand, LeadershipChanged, LivenessReport, Mailbox } from '../protocol/events.js';
import type { Identity } from '../protocol/messages.js';
import { liveness } from '../protocol/services.js';

export interface ElectionInput {
  readonly parent: Mailbox<LeadershipChanged>;
  readonly identity: Identity;
  readonly isEligible: boolean;
  readonly electionIntervalMs: number;
  /** The highest term that is known, of an election of the same node before. */
  readonly term: number;
}

interface ElectionContext extends ElectionInput {
  readonly live: ReadonlyMap<NodeId, Standing>;
  readonly uplink: Uplink;
  readonly stance: Stance;
  /** Who leads, as the parent was told. */
  readonly leaderId: NodeId | undefined;
  /** How often it has begun to wait for the leader to be replaced, since it was last left in peace. */
  readonly returns: number;
  /** What the heartbeats say of this node. */
  readonly said: Standing | undefined;
  readonly failure: Failure | undefined;
}

export type ElectionEvent = ElectionCommand | LivenessReport;

/** What an election ends with, which it does only when it cannot know who is live. */
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
    stable: ({ context }) => stableMs(context.returns),
    undisturbed: limits.stableMaxMs,
  },
  guards: {
    isEligible: ({ context }) => context.isEligible,
    isIneligible: ({ context }) => !context.isEligible,
    /** Whether this node precedes all other live and eligible ones. */
    isRightful: ({ context }) => isRightful(ballotOf(context)),
    isOutranked: ({ context }) => !isRightful(ballotOf(context)),
    isLed: ({ context }) => leaderAmong(context.live, undefined) !== undefined,
    isLeaderless: ({ context }) => leaderAmong(context.live, undefined) === undefined,
    /** Whether nothing stands in its way any more. */
    isUncontested: ({ context }) => isRightful(ballotOf(context)) && leaderAmong(context.live, undefined) === undefined,
    mustYield: ({ context }) => mustYield(ballotOf(context)),
    isClaimed: ({ context }) => isClaimed(ballotOf(context)),
    isSecondLeader: ({ context }) => isSecondLeader(ballotOf(context)),
    hasNews: ({ context }) => isStandingNews(context) || leaderOf(context) !== context.leaderId,
  },
  actions: {
    recordLive: assign(({ context }, { live }: { live: ReadonlyMap<NodeId, Standing> }) => ({
      live,
      term: highestTerm(context.term, live),
    })),
    recordUplink: assign((_, { uplink }: { uplink: Uplink }) => ({ uplink })),
    recordEligibility: assign((_, { isEligible }: { isEligible: boolean }) => ({ isEligible })),
    recordInterval: enqueueActions(
      ({ enqueue }, event: Extract<ElectionCommand, { type: 'electionInterval.changed' }>) => {
        enqueue.assign({ electionIntervalMs: event.electionIntervalMs });
        enqueue.sendTo('liveness', event);
      },
    ),
    recordFailure: assign((_, { error }: { error: unknown }) => ({ failure: failureOf(error) })),
    takeStance: assign((_, { stance }: { stance: Stance }) => ({ stance })),
    beginTerm: assign(({ context }) => ({ term: nextTerm(context.term) })),
    countReturn: assign(({ context }) => ({ returns: context.returns + 1 })),
    forgetReturns: assign({ returns: 0 }),
    /** The other nodes hear how this one is, and the parent who leads: each when it has changed. */
    tell: enqueueActions(({ context, enqueue }) => {
      if (isStandingNews(context)) {
        const standing = standingOf(context);
        enqueue.assign({ said: standing });
        enqueue.sendTo('liveness', { type: 'standing.changed', standing });
      }
      const leaderId = leaderOf(context);
      if (leaderId === context.leaderId) return;
      enqueue.assign({ leaderId });
      enqueue.sendTo(context.parent, leadership(context, leaderId));
    }),
    /** Without knowing who is live, this node follows nobody, and leads least of all. */
    resign: enqueueActions(({ context, enqueue }) => {
      if (context.leaderId !== undefined) enqueue.sendTo(context.parent, leadership(context, undefined));
      enqueue.assign({ leaderId: undefined, stance: 'following' });
    }),
  },
}).createMachine({
  id: 'election',
  context: ({ input }) => ({
    ...input,
    live: new Map(),
    uplink: 'unknown',
    stance: 'following',
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
      parent: self as Mailbox<LivenessReport>,
      identity: context.identity,
      electionIntervalMs: context.electionIntervalMs,
    }),
    onError: { target: '.failed', actions: [{ type: 'recordFailure', params: ({ event }) => event }, 'resign'] },
  },
  on: {
    'liveness.changed': { actions: { type: 'recordLive', params: ({ event }) => event } },
    'uplink.changed': { actions: { type: 'recordUplink', params: ({ event }) => event } },
    'eligibility.changed': { actions: { type: 'recordEligibility', params: ({ event }) => event } },
    'electionInterval.changed': { actions: { type: 'recordInterval', params: ({ event }) => event } },
  },
  // After the states below have drawn their consequences.
  always: { guard: 'hasNews', actions: 'tell' },
  initial: 'observer',
  states: {
    /** Not eligible: it knows who leads, and never does. */
    observer: {
      entry: { type: 'takeStance', params: { stance: 'following' } },
      always: { guard: 'isEligible', target: 'follower' },
    },
    follower: {
      entry: { type: 'takeStance', params: { stance: 'following' } },
      always: [
        { guard: 'isIneligible', target: 'observer' },
        { guard: 'isRightful', target: 'candidate' },
      ],
      after: { undisturbed: { actions: 'forgetReturns' } },
    },
    /** It ought to lead. */
    candidate: {
      always: [
        { guard: 'isIneligible', target: 'observer' },
        { guard: 'isOutranked', target: 'follower' },
      ],
      initial: 'canvassing',
      states: {
        /** Nobody leads: does anybody turn up who ought to rather? */
        canvassing: {
          entry: { type: 'takeStance', params: { stance: 'following' } },
          always: { guard: 'isLed', target: 'waiting' },
          after: { candidacy: '#election.leader' },
        },
        /** Somebody leads, and goes on to until this node has proved steady. */
        waiting: {
          entry: [{ type: 'takeStance', params: { stance: 'following' } }, 'countReturn'],
          always: { guard: 'isLeaderless', target: 'canvassing' },
          after: { stable: 'claiming' },
        },
        /** The leader is asked to step down, which it does when it agrees that this node ought to lead. */
        claiming: {
          entry: { type: 'takeStance', params: { stance: 'claiming' } },
          always: { guard: 'isUncontested', target: '#election.leader' },
        },
      },
    },
    leader: {
      entry: ['beginTerm', { type: 'takeStance', params: { stance: 'leading' } }],
      always: [
        { guard: 'isIneligible', target: 'observer' },
        { guard: 'mustYield', target: 'follower' },
        { guard: 'isClaimed', target: 'follower' },
        { guard: 'isSecondLeader', target: 'candidate.waiting' },
      ],
      after: { undisturbed: { actions: 'forgetReturns' } },
    },
    /** The parent has been told that nobody leads as far as this node knows, and hears why. */
    failed: { type: 'final' },
  },
});

type ElectionMachineType = typeof machine;
/** The type of {@link electionMachine}. */
export interface ElectionMachine extends ElectionMachineType {}
/** Who leads: the smallest NodeId of those that are live and eligible, and reach the cloud. */
export const electionMachine: ElectionMachine = machine;

function ballotOf({ identity, isEligible, uplink, live }: ElectionContext): Ballot {
  return { nodeId: identity.nodeId, isEligible, uplink, live };
}

function leaderOf({ identity, stance, live, leaderId }: ElectionContext): NodeId | undefined {
  return stance === 'leading' ? identity.nodeId : leaderAmong(live, leaderId);
}

function isStandingNews({ said, ...standing }: ElectionContext): boolean {
  return said === undefined || !isSameStanding(said, standing);
}

function leadership({ identity, term }: ElectionContext, leaderId: NodeId | undefined): LeadershipChanged {
  return { type: 'leadership.changed', isLeader: leaderId === identity.nodeId, leaderId, term };
}
