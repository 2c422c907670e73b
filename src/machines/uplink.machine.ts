/**
 * The node's way to the cloud: a gateway for each cloud peer, and one verdict on all of them, which the election uses.
 *
 * A leader that reaches no cloud peer for `yieldAfterMs` has failed, and another node may lead. Only reaching a cloud
 * peer clears this verdict: when this node leads again after all, or by a probe while it does not lead. A refusal by
 * the cloud is no such failure, since it would refuse any other node as well.
 */
import { assign, type DoneActorEvent, type ErrorActorEvent, enqueueActions, sendTo, setup } from 'xstate';
import type {
  Adjustment,
  CloudPeersReport,
  GatewayCommand,
  GatewayCondition,
  GatewayReport,
  LeadershipChanged,
  Mailbox,
  NodeEvent,
  Notice,
  ResealerReport,
  UplinkCommand,
  UplinkReport,
} from '../actors/mailboxes.js';
import { cloudPeers, resealer } from '../actors/slots.js';
import { itsEvent, mailboxOf, noticeOf } from '../actors/typed.js';
import { backoffMs } from '../core/backoff.js';
import type { Uplink } from '../core/election-rule.js';
import { failureOf } from '../core/errors.js';
import { compareCodeUnits, type NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { CloudPeer } from '../remote-peers/remote-peer.js';
import { type GatewayInput, gatewayMachine } from './gateway.machine.js';

/** The input that each gateway gets, too. */
export interface UplinkInput extends Omit<GatewayInput, 'peer' | 'parent'> {
  readonly parent: Mailbox<UplinkReport>;
}

interface UplinkContext extends UplinkInput {
  readonly gateways: ReadonlyMap<NodeId, GatewayRow>;
  readonly isLeader: boolean;
  /** The verdict as last reported. */
  readonly uplink: Uplink;
  /** Number of cloud peers beyond the maximum, as the last reading found. */
  readonly leftOut: number;
  /** Number of failed probes in a row. */
  readonly probeAttempt: number;
  /** Gateways that have not answered the present probe yet. */
  readonly probing: readonly NodeId[];
}

interface GatewayRow {
  readonly ref: Mailbox<GatewayCommand>;
  readonly condition: GatewayCondition;
}

type UplinkEvent = UplinkCommand | CloudPeersReport | ResealerReport | GatewayReport;

const machine = setup({
  types: {
    context: {} as UplinkContext,
    input: {} as UplinkInput,
    events: {} as UplinkEvent | DoneActorEvent<unknown, string> | ErrorActorEvent<unknown, string>,
  },
  actors: { cloudPeers, resealer, gateway: gatewayMachine },
  delays: {
    yieldAfter: ({ context }) => context.configuration.yieldAfterMs,
    probeBackoff: ({ context: { probeAttempt, random } }) =>
      backoffMs({ firstMs: limits.probeFirstMs, maxMs: limits.probeMaxMs, attempt: probeAttempt, random: random() }),
    probeTimeout: limits.probeTimeoutMs,
    leavingTimeout: limits.leavingTimeoutMs,
  },
  guards: {
    isLeader: ({ context }) => context.isLeader,
    isFollower: ({ context }) => !context.isLeader,
    isOnline: ({ context }) => conditions(context).includes('online'),
    isCutOff: ({ context }) => context.isLeader && isCutOff(conditions(context)),
    isNotCutOff: ({ context }) => !context.isLeader || !isCutOff(conditions(context)),
    hasNobodyToReach: ({ context }) => conditions(context).every((condition) => condition === 'disabled'),
    isAtRest: ({ context }) =>
      conditions(context).every((condition) => condition === 'disabled' || condition === 'idle'),
    touchesKeys: (_, { effects }: Adjustment) => effects.has('keys'),
    isReached: (_, { isReached }: { isReached: boolean }) => isReached,
    hasNothingToProbe: ({ context }) => context.probing.length === 0,
  },
  actions: {
    recordLeadership: assign((_, { isLeader }: LeadershipChanged) => ({ isLeader })),
    /** Stops the gateways of peers that are no longer stored. They say goodbye first. */
    stopGateways: enqueueActions(({ context, enqueue }, { peers }: { peers: CloudPeers }) => {
      const served = servedOf(peers);
      for (const [nodeId, { ref }] of rowsOf(context)) {
        if (served.has(nodeId)) continue;
        enqueue.sendTo(ref, { type: 'gateway.idle' });
        enqueue.stopChild(actorIdOf(nodeId));
      }
      enqueue.assign({ gateways: new Map(rowsOf(context).filter(([nodeId]) => served.has(nodeId))) });
    }),
    reviseGateways: enqueueActions(({ context, enqueue }, { peers }: { peers: CloudPeers }) => {
      for (const [nodeId, { ref }] of rowsOf(context)) {
        const peer = peers.get(nodeId);
        if (peer !== undefined) enqueue.sendTo(ref, { type: 'gateway.revise', peer });
      }
    }),
    startGateways: assign(({ context, spawn, self }, { peers }: { peers: CloudPeers }) => {
      const { identity, store, configuration, keys, ca, random, now } = context;
      const parent = mailboxOf<GatewayReport>(self);
      const gateways = new Map(context.gateways);
      for (const [nodeId, peer] of servedOf(peers)) {
        if (gateways.has(nodeId)) continue;
        const input = { peer, parent, identity, store, configuration, keys, ca, random, now };
        const ref = spawn('gateway', { id: actorIdOf(nodeId), input });
        gateways.set(nodeId, { ref, condition: peer.isEnabled ? 'idle' : 'disabled' });
      }
      return { gateways };
    }),
    /** Reports once that there are more cloud peers than gateways. */
    tellLeftOut: enqueueActions(({ context, enqueue }, { peers }: { peers: CloudPeers }) => {
      const leftOut = Math.max(0, peers.size - limits.gatewaysMax);
      enqueue.assign({ leftOut });
      if (leftOut === 0 || leftOut === context.leftOut) return;
      const message = `${leftOut} of ${peers.size} cloud peers are left out: a node connects to ${limits.gatewaysMax} at most.`;
      const failure = { code: 'connectionLimit', message } as const;
      enqueue.sendTo(context.parent, noticeOf({ type: 'failure', where: 'cloud peers', failure }));
    }),
    adjust: enqueueActions(({ context, enqueue }, adjustment: Adjustment) => {
      const { configuration, keys, ca } = adjustment.configured;
      enqueue.assign({ identity: adjustment.identity, configuration, keys, ca });
      for (const [, { ref }] of rowsOf(context)) enqueue.sendTo(ref, adjustment);
    }),
    /** The leader keeps secrets sealed with the key in use, and starts again when that key changes. */
    tendSecrets: enqueueActions(({ context, enqueue, self }) => {
      enqueue.stopChild('resealer');
      if (!context.isLeader) return;
      const { store, keys } = context;
      const parent = mailboxOf<ResealerReport>(self);
      enqueue.spawnChild('resealer', { id: 'resealer', input: { parent, store, keys } });
    }),
    tellGateways: enqueueActions(({ context, enqueue }) => {
      const type = context.isLeader ? 'gateway.open' : 'gateway.idle';
      for (const [, { ref }] of rowsOf(context)) enqueue.sendTo(ref, { type });
    }),
    idleGateways: enqueueActions(({ context, enqueue }) => {
      for (const [, { ref }] of rowsOf(context)) enqueue.sendTo(ref, { type: 'gateway.idle' });
    }),
    recordCondition: assign(({ context }, { nodeId, condition }: { nodeId: NodeId; condition: GatewayCondition }) => {
      const row = context.gateways.get(nodeId);
      return row === undefined ? {} : { gateways: new Map(context.gateways).set(nodeId, { ...row, condition }) };
    }),
    /**
     * A failed gateway is a bug, but it concerns that gateway only. It starts again when the stored peers change next.
     */
    contain: enqueueActions(({ context, enqueue }, { actorId, error }: { actorId: string; error: unknown }) => {
      enqueue.stopChild(actorId);
      enqueue.assign({
        gateways: new Map(rowsOf(context).filter(([nodeId]) => actorIdOf(nodeId) !== actorId)),
        probing: context.probing.filter((nodeId) => actorIdOf(nodeId) !== actorId),
      });
      enqueue.sendTo(context.parent, noticeOf({ type: 'failure', where: actorId, failure: failureOf(error) }));
    }),
    report: enqueueActions(({ context, enqueue }, { uplink }: { uplink: Uplink }) => {
      if (context.uplink === uplink) return;
      enqueue.assign({ uplink });
      enqueue.sendTo(context.parent, { type: 'uplink.changed', uplink });
    }),
    startProbe: enqueueActions(({ context, enqueue }) => {
      const asked = rowsOf(context).filter(([, { condition }]) => condition === 'idle');
      enqueue.assign({ probing: asked.map(([nodeId]) => nodeId), probeAttempt: context.probeAttempt + 1 });
      for (const [, { ref }] of asked) enqueue.sendTo(ref, { type: 'gateway.probe' });
    }),
    endProbe: enqueueActions(({ context, enqueue }) => {
      enqueue.assign({ probing: [] });
      // Applies to probes that are still running. The gateways of a leader have other orders.
      if (context.isLeader) return;
      for (const [, { ref }] of rowsOf(context)) enqueue.sendTo(ref, { type: 'gateway.idle' });
    }),
    recordProbed: assign(({ context }, { nodeId }: { nodeId: NodeId }) => ({
      probing: context.probing.filter((other) => other !== nodeId),
    })),
    resetProbes: assign({ probeAttempt: 0 }),
    passOn: sendTo(
      ({ context }) => context.parent,
      (_, event: Notice) => event,
    ),
    tell: sendTo(
      ({ context }) => context.parent,
      (_, event: NodeEvent) => noticeOf(event),
    ),
  },
}).createMachine({
  id: 'uplink',
  context: ({ input }) => ({
    ...input,
    gateways: new Map(),
    isLeader: false,
    uplink: 'unknown',
    leftOut: 0,
    probeAttempt: 0,
    probing: [],
  }),
  initial: 'active',
  on: {
    'gateway.changed': { actions: { type: 'recordCondition', params: itsEvent } },
    // An answer to a probe that is over.
    'gateway.probed': {},
    'leadership.changed': { actions: { type: 'recordLeadership', params: itsEvent } },
    'resealing.failed': {
      actions: {
        type: 'tell',
        params: ({ event }) => ({ type: 'failure', where: 'sealed secrets', failure: event.failure }),
      },
    },
    notice: { actions: { type: 'passOn', params: itsEvent } },
    'xstate.error.actor.*': { actions: { type: 'contain', params: itsEvent } },
  },
  states: {
    active: {
      invoke: {
        src: 'cloudPeers',
        input: ({ context, self }) => ({ store: context.store, parent: mailboxOf<CloudPeersReport>(self) }),
        onError: {
          actions: {
            type: 'tell',
            params: ({ event }) => ({ type: 'failure', where: 'cloud peers', failure: failureOf(event.error) }),
          },
        },
      },
      on: {
        'cloudPeers.changed': {
          actions: [
            { type: 'tellLeftOut', params: itsEvent },
            { type: 'stopGateways', params: itsEvent },
            { type: 'reviseGateways', params: itsEvent },
            { type: 'startGateways', params: itsEvent },
            'tellGateways',
          ],
        },
        'cloudPeers.failed': {
          actions: {
            type: 'tell',
            params: ({ event }) => ({ type: 'failure', where: 'cloud peers', failure: event.failure }),
          },
        },
        'leadership.changed': {
          actions: [{ type: 'recordLeadership', params: itsEvent }, 'tellGateways', 'tendSecrets'],
        },
        'configuration.adjusted': [
          {
            guard: { type: 'touchesKeys', params: itsEvent },
            actions: [{ type: 'adjust', params: itsEvent }, 'tendSecrets'],
          },
          { actions: { type: 'adjust', params: itsEvent } },
        ],
        'uplink.leave': 'leaving',
      },
      /** Whether this node could reach the cloud, for the election. */
      initial: 'unknown',
      states: {
        unknown: {
          entry: { type: 'report', params: { uplink: 'unknown' } },
          always: [
            { guard: 'isOnline', target: 'ok' },
            { guard: 'isCutOff', target: 'missing' },
          ],
        },
        ok: {
          entry: [{ type: 'report', params: { uplink: 'ok' } }, 'resetProbes'],
          always: [
            { guard: 'hasNobodyToReach', target: 'unknown' },
            { guard: 'isCutOff', target: 'missing' },
          ],
        },
        /** Perhaps for a moment only. */
        missing: {
          always: [
            { guard: 'isOnline', target: 'ok' },
            { guard: 'isNotCutOff', target: 'unknown' },
          ],
          after: { yieldAfter: 'failed' },
        },
        failed: {
          entry: { type: 'report', params: { uplink: 'failed' } },
          always: [
            { guard: 'isOnline', target: 'ok' },
            { guard: 'hasNobodyToReach', target: 'unknown' },
          ],
          initial: 'waiting',
          states: {
            /** The gateways of a leader keep trying. */
            leading: { always: { guard: 'isFollower', target: 'waiting' } },
            waiting: {
              always: { guard: 'isLeader', target: 'leading' },
              after: { probeBackoff: 'probing' },
            },
            probing: {
              entry: 'startProbe',
              exit: 'endProbe',
              always: [
                { guard: 'isLeader', target: 'leading' },
                { guard: 'hasNothingToProbe', target: 'waiting' },
              ],
              after: { probeTimeout: 'waiting' },
              on: {
                'gateway.probed': [
                  {
                    guard: { type: 'isReached', params: itsEvent },
                    target: '#uplink.active.ok',
                  },
                  { actions: { type: 'recordProbed', params: itsEvent } },
                ],
              },
            },
          },
        },
      },
    },
    leaving: {
      entry: 'idleGateways',
      always: { guard: 'isAtRest', target: 'left' },
      after: { leavingTimeout: 'left' },
    },
    left: { type: 'final' },
  },
});

type UplinkMachineType = typeof machine;
/** The type of {@link uplinkMachine}. */
export interface UplinkMachine extends UplinkMachineType {}
/** Runs all gateways of a node, and decides whether another node should lead because they reach no cloud peer. */
export const uplinkMachine: UplinkMachine = machine;

type CloudPeers = ReadonlyMap<NodeId, CloudPeer>;

/** The first cloud peers by NodeId, up to the maximum of gateways. So every node of a cluster serves the same ones. */
function servedOf(peers: CloudPeers): CloudPeers {
  const inOrder = [...peers].sort(([a], [b]) => compareCodeUnits(a, b));
  return new Map(inOrder.slice(0, limits.gatewaysMax));
}

function rowsOf({ gateways }: UplinkContext): (readonly [NodeId, GatewayRow])[] {
  return [...gateways];
}

function conditions(context: UplinkContext): readonly GatewayCondition[] {
  return rowsOf(context).map(([, { condition }]) => condition);
}

/** Whether there are cloud peers, none is reached, and none has rejected this node. */
function isCutOff(all: readonly GatewayCondition[]): boolean {
  const enabled = all.filter((condition) => condition !== 'disabled');
  return enabled.length > 0 && !enabled.includes('online') && enabled.some((condition) => condition !== 'rejected');
}

function actorIdOf(nodeId: NodeId): string {
  return `gateway-${nodeId}`;
}
