/**
 * The election of a node between a smaller and a larger one: every state of either that a rule uses, states of both
 * where that matters, and the uplink and eligibility of the node itself.
 */

import type { LivenessReport } from '../../../src/actors/mailboxes.js';
import {
  isSameMemberState,
  type MemberState,
  memberStateOf,
  newcomer,
  usualCandidacy,
} from '../../../src/core/election-rule.js';
import type { NodeId } from '../../../src/core/ids.js';
import { electionMachine } from '../../../src/machines/election.machine.js';
import { defineWalk } from '../walk.js';
import { larger, mailbox, smaller, us } from './samples.js';

type Others = { readonly smaller?: Partial<MemberState>; readonly larger?: Partial<MemberState> };

function live(others: Others): LivenessReport {
  const quiet: MemberState = { ...newcomer, term: 1 };
  return {
    type: 'liveness.changed',
    live: new Map([
      ...(others.smaller === undefined ? [] : ([[smaller.nodeId, { ...quiet, ...others.smaller }]] as const)),
      ...(others.larger === undefined ? [] : ([[larger.nodeId, { ...quiet, ...others.larger }]] as const)),
    ]),
  };
}

function settingsOf(isEligible: boolean) {
  return { candidacy: { ...usualCandidacy, isEligible }, electionIntervalMs: 5_000 };
}

/** The event comes once while a node is live. */
function heardSteadily(nodeId: NodeId) {
  return ({ live: others, steady }: { live: ReadonlyMap<NodeId, MemberState>; steady: ReadonlySet<NodeId> }) =>
    others.has(nodeId) && !steady.has(nodeId) ? ({ type: 'hearing.steady', nodeId } as const) : undefined;
}

const [following, claiming, leading] = [{}, { electionRole: 'claiming' }, { electionRole: 'leading' }] as const;
const failed = { uplink: 'failed' } as const;

export const election = defineWalk({
  machine: electionMachine,
  inputs: [true, false].map((isEligible) => ({
    parent: mailbox(),
    identity: us,
    term: 0,
    ...settingsOf(isEligible),
  })),
  // No decision depends on the term or on the number of returns.
  facts: ({ leaderId, said, live, steady, ...context }) => [
    ...[{ ...memberStateOf(context), term: 0 }, leaderId, [...live], [...steady].sort()],
    said && { ...said, term: 0 },
  ],
  samples: {
    'liveness.changed': {
      nobody: live({}),
      'a smaller one': live({ smaller: following }),
      'a smaller one leads': live({ smaller: leading }),
      'a smaller one claims': live({ smaller: claiming }),
      'a smaller one is impaired, and leads': live({ smaller: { ...leading, impairment: 'diskFull' } }),
      'a smaller one is not eligible, and leads': live({ smaller: { ...leading, isEligible: false } }),
      'the uplink of a smaller one has failed': live({ smaller: failed }),
      'the uplink of a smaller one that leads has failed': live({ smaller: { ...leading, ...failed } }),
      'a larger one': live({ larger: following }),
      'a larger one leads': live({ larger: leading }),
      'a larger one claims': live({ larger: claiming }),
      'the uplink of a larger one that leads has failed': live({ larger: { ...leading, ...failed } }),
      'both lead': live({ smaller: leading, larger: leading }),
      'a smaller one claims, a larger one leads': live({ smaller: claiming, larger: leading }),
    },
    'hearing.steady': {
      'of a smaller one': heardSteadily(smaller.nodeId),
      'of a larger one': heardSteadily(larger.nodeId),
    },
    'health.changed': {
      impaired: { type: 'health.changed', impairment: 'diskFull' },
      sound: { type: 'health.changed', impairment: undefined },
    },
    'uplink.changed': {
      ok: { type: 'uplink.changed', uplink: 'ok' },
      failed: { type: 'uplink.changed', uplink: 'failed' },
    },
    'election.adjusted': {
      'may lead': { type: 'election.adjusted', ...settingsOf(true) },
      'may not lead': { type: 'election.adjusted', ...settingsOf(false) },
    },
  },
  outputs: {},
  resting: ['observer', 'follower', 'candidate.claiming', 'leader'],
  goals: [['observer'], ['follower'], ['candidate.claiming'], ['leader']],
  laws: {
    'it says that it leads exactly while it does': ({ electionRole }, [state]) =>
      (electionRole === 'leading') === (state === 'leader'),
    'it claims exactly while it claims': ({ electionRole }, [state]) =>
      (electionRole === 'claiming') === (state === 'candidate.claiming'),
    'the parent knows whether it leads': ({ leaderId }, [state]) => (leaderId === us.nodeId) === (state === 'leader'),
    'what it says is how it is': ({ said, ...context }, [state]) =>
      state === 'failed' || (said !== undefined && isSameMemberState(said, context)),
    'it observes exactly while it may not lead': ({ isEligible, impairment }, [state]) =>
      state === 'failed' || (isEligible && impairment === undefined) !== (state === 'observer'),
    'it stands only while nobody live ought to lead rather': ({ live, uplink }, [state]) => {
      const other = live.get(smaller.nodeId);
      return (
        !state?.startsWith('candidate') ||
        other?.isEligible !== true ||
        other.impairment !== undefined ||
        (other.uplink === 'failed' && uplink !== 'failed')
      );
    },
    'nobody that it follows is gone, or does not lead': ({ leaderId, live }) =>
      leaderId === undefined || leaderId === us.nodeId || live.get(leaderId)?.electionRole === 'leading',
    'two never lead with the smaller one knowing of it for a while': ({ live, steady, uplink }, [state]) => {
      const other = live.get(larger.nodeId);
      if (!steady.has(larger.nodeId)) return true;
      return (
        state !== 'leader' || other?.electionRole !== 'leading' || (other.uplink === 'failed') !== (uplink === 'failed')
      );
    },
  },
  ignored: [],
});
