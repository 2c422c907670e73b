/**
 * The root actor: the life cycle of a node, and the events between its parts.
 *
 * A node gets its configuration, puts it into force (`reconfiguration.machine`), runs, and stops in an order in which
 * nothing is lost: goodbye to the cloud, goodbye to the peers, then it closes its listener, then its database.
 *
 * While it runs, a member of a cluster has a membership, an election and an uplink. A cloud node has a reception
 * instead, and only answers. The three parts of a member do not know each other: this machine passes on the reports of
 * one that another needs.
 */
import { raise, sendTo } from 'xstate';
import { itsActorsFailure, itsEvent, itsFailure, mailboxOf } from '../actors/typed.js';
import type { Store } from '../ports/store.js';
import { nodeSetup, reportOf } from './node-actions.js';
import {
  closeInputOf,
  electionInputOf,
  farewellOf,
  healthOf,
  inspectionInputOf,
  membershipInputOf,
  metricsInputOf,
  partInputOf,
  reconfigurationInputOf,
} from './node-context.js';

export type { NodeInput, NodeMachineEvent, NodeOutput } from './node-context.js';

const machine = nodeSetup.createMachine({
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
    underway: undefined,
    areWritesHeld: false,
    leftOpen: { listenings: [], stores: [] },
    leadership: undefined,
    impairment: undefined,
    refusals: new Map(),
    failure: undefined,
    lastFailure: undefined,
  }),
  output: ({ context }) => ({ failure: context.failure }),
  invoke: [
    { id: 'connections', src: 'connections', input: {}, onError: { actions: reportOf('connections') } },
    {
      id: 'configurationFeed',
      src: 'configurationFeed',
      input: ({ self }) => ({ parent: mailboxOf(self) }),
      onError: { actions: reportOf('configuration') },
    },
  ],
  on: {
    'node.stop': '.stopping',
    'node.reconfigure': { actions: { type: 'wantPartial', params: itsEvent } },
    'configuration.changed': { actions: { type: 'want', params: itsEvent } },
    'configuration.failed': {
      actions: { type: 'report', params: ({ event }) => ({ where: 'configuration', failure: event.failure }) },
    },
    'connection.accepted': { actions: { type: 'dropConnection', params: itsEvent } },
    'connection.refused': {
      actions: [
        { type: 'recordRefusal', params: itsEvent },
        { type: 'announce', params: itsEvent },
      ],
    },
    notice: {
      actions: [
        { type: 'recordTrouble', params: ({ event }) => event.nodeEvent },
        { type: 'recordRefusal', params: ({ event }) => event.nodeEvent },
        { type: 'announce', params: ({ event }) => event.nodeEvent },
      ],
    },
    'xstate.error.actor.*': { target: '.stopping', actions: { type: 'fail', params: itsFailure } },
  },
  initial: 'configuring',
  states: {
    configuring: {
      invoke: {
        src: 'getConfiguration',
        input: {},
        onDone: {
          target: 'starting',
          actions: { type: 'takeFirst', params: ({ event }) => ({ requested: event.output }) },
        },
        onError: { target: 'stopping', actions: { type: 'fail', params: itsFailure } },
      },
    },
    /** A reconfiguration with nothing in force before it. */
    starting: {
      exit: ['keepLeftOpen', 'forgetUnderway'],
      invoke: {
        id: 'reconfiguration',
        src: 'reconfiguration',
        input: ({ context, self }) => reconfigurationInputOf(context, self),
        onDone: [
          { guard: 'isConfigured', target: 'running' },
          { target: 'stopping', actions: { type: 'fail', params: ({ event }) => event.output } },
        ],
        onError: { target: 'stopping', actions: { type: 'fail', params: itsFailure } },
      },
      on: { 'reconfiguration.switched': { actions: { type: 'adopt', params: itsEvent } } },
    },
    running: {
      type: 'parallel',
      states: {
        /** The control socket, for the command line. */
        control: {
          initial: 'opened',
          on: { 'control.renew': '.reopened' },
          states: {
            /** A node does not start without the control socket that its configuration asks for. */
            opened: {
              invoke: {
                src: 'control',
                input: ({ context, self }) => partInputOf(context, self),
                onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
              },
              on: { 'control.failed': { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } } },
            },
            /** A node that already serves continues without it. */
            reopened: {
              invoke: {
                src: 'control',
                input: ({ context, self }) => partInputOf(context, self),
                onError: { actions: reportOf('control') },
              },
              on: {
                'control.renew': { target: 'reopened', reenter: true },
                'control.failed': { actions: reportOf('control') },
              },
            },
          },
        },
        /** Inspector and metrics. The node goes on without them if they fail. */
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
                  input: ({ context, self }) => inspectionInputOf(context, self),
                  onError: { target: 'unobserved', actions: reportOf('inspector') },
                },
                {
                  src: 'metrics',
                  input: ({ context, self }) => metricsInputOf(context, self),
                  onError: { target: 'unobserved', actions: reportOf('metrics') },
                },
              ],
              on: {
                'inspection.opened': { actions: { type: 'recordInspector', params: itsEvent } },
                'inspection.failed': {
                  actions: { type: 'report', params: ({ event }) => ({ where: 'inspector', failure: event.failure }) },
                },
                'metrics.opened': { actions: { type: 'recordMetrics', params: itsEvent } },
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
        /** Whether the database takes writes. A change of the database starts this again. */
        storage: {
          initial: 'followed',
          on: {
            // The target stands within the region: a target beside it would restart all regions.
            'storage.renew': { target: '.followed', actions: 'forgetImpairment' },
            'store.impaired': { actions: { type: 'tellHealth', params: itsEvent } },
            'store.recovered': { actions: { type: 'tellHealth', params: itsEvent } },
          },
          states: {
            followed: {
              invoke: {
                id: 'storeHealth',
                src: 'storeHealth',
                input: ({ context, self }) => ({ store: context.store as Store, parent: mailboxOf(self) }),
                onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
              },
            },
          },
        },
        /** The purpose of the node: it exchanges entries. */
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
                  input: ({ context, self }) => membershipInputOf(context, self),
                  onDone: '#node.stopping',
                  onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
                },
                {
                  id: 'election',
                  src: 'election',
                  input: ({ context, self }) => electionInputOf(context, self),
                  // The election ends only when it can no longer know which nodes are live.
                  onDone: {
                    target: '#node.stopping',
                    actions: { type: 'fail', params: ({ event }) => event.output },
                  },
                  onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
                },
                {
                  id: 'uplink',
                  src: 'uplink',
                  input: ({ context, self }) => ({ ...partInputOf(context, self), now: context.now }),
                  onDone: '#node.stopping',
                  onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
                },
              ],
              on: {
                'connection.accepted': { actions: sendTo('membership', itsEvent) },
                'leadership.changed': {
                  actions: [
                    { type: 'recordLeadership', params: itsEvent },
                    { type: 'announce', params: itsEvent },
                    sendTo('uplink', itsEvent),
                  ],
                },
                'store.impaired': { actions: sendTo('election', ({ event }) => healthOf(event.failure)) },
                'store.recovered': { actions: sendTo('election', healthOf(undefined)) },
                // The impairment concerned another database. The election may have started with it.
                'storage.renew': { actions: sendTo('election', healthOf(undefined)) },
                'uplink.changed': { actions: [{ type: 'announce', params: itsEvent }, sendTo('election', itsEvent)] },
              },
              initial: 'serving',
              states: {
                serving: { on: { 'service.leave': 'leavingCloud' } },
                /** The goodbye to the cloud comes first, because the next leader may connect to it at once. */
                leavingCloud: {
                  entry: sendTo('uplink', { type: 'uplink.leave' }),
                  on: { 'service.leave': {}, 'xstate.done.actor.uplink': 'leavingCluster' },
                },
                /** Says goodbye to the peers. The membership is done when the last session is closed. */
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
                        { type: 'recordLeadership', params: itsEvent },
                        { type: 'announce', params: itsEvent },
                      ],
                    },
                    'xstate.done.actor.membership': '#node.running.service.left',
                  },
                },
              },
            },
            /** A node that serves the leaders of many clusters. */
            cloud: {
              invoke: {
                id: 'reception',
                src: 'reception',
                input: ({ context, self }) => partInputOf(context, self),
                onDone: '#node.stopping',
                onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
              },
              on: { 'connection.accepted': { actions: sendTo('reception', itsEvent) } },
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
            /** Every peer has heard goodbye. */
            left: {
              entry: ['announceLeaderless', raise({ type: 'service.left' })],
              on: { 'service.begin': { target: 'starting', actions: 'drawBoot' } },
            },
          },
        },
        /** Puts another configuration into force. */
        reconfiguration: {
          initial: 'settled',
          on: { 'node.stop': '.ending' },
          states: {
            settled: { always: { guard: 'isWanted', target: 'changing' } },
            changing: {
              entry: 'takeUp',
              exit: 'keepLeftOpen',
              invoke: {
                id: 'reconfiguration',
                src: 'reconfiguration',
                input: ({ context, self }) => reconfigurationInputOf(context, self),
                onDone: [
                  {
                    guard: { type: 'isFatal', params: ({ event }) => event.output },
                    target: '#node.stopping',
                    actions: { type: 'fail', params: ({ event }) => event.output },
                  },
                  {
                    target: 'settled',
                    actions: [{ type: 'reportObstacle', params: ({ event }) => event.output }, 'forgetUnderway'],
                  },
                ],
                onError: { target: '#node.stopping', actions: { type: 'fail', params: itsFailure } },
              },
              on: {
                'writes.held': { actions: { type: 'recordHeldWrites', params: { areHeld: true } } },
                'writes.released': { actions: { type: 'recordHeldWrites', params: { areHeld: false } } },
                'reconfiguration.switched': [
                  {
                    guard: { type: 'renewsService', params: itsEvent },
                    actions: [
                      { type: 'adopt', params: itsEvent },
                      { type: 'protectListener', params: itsEvent },
                      raise({ type: 'service.leave' }),
                    ],
                  },
                  {
                    actions: [
                      { type: 'adopt', params: itsEvent },
                      { type: 'protectListener', params: itsEvent },
                      { type: 'inform', params: itsEvent },
                    ],
                  },
                ],
                'service.left': {
                  actions: [raise({ type: 'service.begin' }), sendTo('reconfiguration', { type: 'service.left' })],
                },
                'reconfiguration.rebound': { actions: { type: 'recordListening', params: itsEvent } },
                'reconfiguration.completed': {
                  actions: [
                    { type: 'reportFinished', params: itsEvent },
                    { type: 'renewRegions', params: itsEvent },
                  ],
                },
              },
            },
            /** Stops the node, even in the middle of a reconfiguration. */
            ending: {
              entry: ['forgetUnderway', raise({ type: 'service.leave' })],
              on: { 'node.stop': {}, 'service.left': '#node.stopping' },
            },
          },
        },
      },
    },
    /** Closes everything that is open. A failed node comes here, too. */
    stopping: {
      on: {
        'node.stop': {},
        'node.reconfigure': {},
        'configuration.changed': {},
        'configuration.failed': {},
        // A failure does not start the closing again.
        'xstate.error.actor.*': { actions: { type: 'report', params: itsActorsFailure } },
      },
      invoke: {
        src: 'close',
        input: ({ context }) => closeInputOf(context),
        onDone: [{ guard: 'hasFailed', target: 'failed' }, { target: 'stopped' }],
        onError: { target: 'failed', actions: { type: 'fail', params: itsFailure } },
      },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
});

type NodeMachineType = typeof machine;
/** The type of {@link nodeMachine}. */
export interface NodeMachine extends NodeMachineType {}
/** The root actor: life cycle, configuration, database and identity of a node. {@link composeNode} fills its slots. */
export const nodeMachine: NodeMachine = machine;
