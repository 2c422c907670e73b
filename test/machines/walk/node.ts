/** The node: each step of starting and stopping, with everything that can fail in it. */
import type { Boot, NodeId } from '../../../src/core/ids.js';
import { nodeMachine } from '../../../src/machines/node.machine.js';
import type { Listening } from '../../../src/protocol/ports.js';
import type { Configured } from '../../../src/protocol/services.js';
import { defineWalk } from '../walk.js';
import { configuration, connection, lost, store } from './samples.js';

const configured: Configured = {
  configuration,
  security: { kind: 'none' },
  keys: undefined,
  ca: undefined,
  initialPeers: [],
};

const forTheCloud: Configured = { ...configured, configuration: { ...configuration, role: 'cloud' } };

export const node = defineWalk({
  machine: nodeMachine,
  inputs: [{ configuration: () => ({}), boot: 'boot-b' as Boot, random: () => 0, now: () => 0 }],
  facts: ({ failure, configuration: checked }) => [failure !== undefined, checked?.role],
  samples: {
    'node.stop': { '': { type: 'node.stop' } },
    'leadership.changed': {
      '': { type: 'leadership.changed', isLeader: true, leaderId: 'a' as NodeId, term: 1 },
    },
    'uplink.changed': { '': { type: 'uplink.changed', uplink: 'failed' } },
    'eligibility.changed': { '': { type: 'eligibility.changed', isEligible: false } },
    'connection.accepted': { '': { type: 'connection.accepted', connection } },
    'connection.refused': { '': { type: 'connection.refused', remoteAddress: '127.0.0.1:5', failure: lost } },
    'control.failed': { '': { type: 'control.failed', error: lost } },
    notice: {
      '': { type: 'notice', happening: { type: 'failure', where: 'here', failure: lost } },
      harmless: { type: 'notice', happening: { type: 'connection.refused', remoteAddress: '', failure: lost } },
    },
  },
  outputs: {
    configure: { '': configured, cloud: forTheCloud },
    openStore: { '': store },
    listen: { '': { host: '127.0.0.1', port: 1 } as Listening },
    membership: { '': undefined },
    election: { '': { failure: lost } },
    uplink: { '': undefined },
    reception: { '': undefined },
    closeListener: { '': undefined },
    closeStore: { '': undefined },
  },
  resting: ['running.member.serving', 'running.cloud.serving'],
  goals: [['stopped', 'failed']],
  ignored: [
    {
      states: ['configuring', 'openingStore', 'listening', 'stopping', 'running.cloud'],
      events: ['leadership.changed', 'uplink.changed'],
      why: 'Only the election and the uplink of a running member say so; what they said last does not matter to a node that stops.',
    },
    {
      states: ['configuring', 'openingStore', 'listening', 'stopping'],
      events: ['control.failed'],
      why: 'The control socket is open only while the node runs; what it said last does not matter to one that stops.',
    },
  ],
  nets: {
    '(root): xstate.error.actor.* -> stopping':
      'Each service has its own onError; this is for one that will be added without, so that the node still closes.',
  },
});
