/** The node: each step of starting, of stopping and of being reconfigured, with everything that can fail in it. */

import type { Configured } from '../../../src/configuration/configured.js';
import { parseConfiguration } from '../../../src/configuration/parse.js';
import type { Configuration } from '../../../src/configuration/schema.js';
import type { Boot, NodeId } from '../../../src/core/ids.js';
import { Secret } from '../../../src/core/secret.js';
import { nodeMachine } from '../../../src/machines/node.machine.js';
import type { Listening } from '../../../src/ports/ports.js';
import { defineWalk } from '../walk.js';
import { configured as base, connection, lost, store } from './samples.js';

const requested = { nodeId: 'b', security: 'none', port: 1 } as const;
const { configuration } = parseConfiguration(requested);

const other = 'x' as NodeId;

function configuredAs(changes: Partial<Configuration>): Configured {
  return { ...base, configuration: { ...configuration, ...changes } };
}

const listening = { host: '127.0.0.1', port: 1, protect: () => {} } as unknown as Listening;

export const node = defineWalk({
  machine: nodeMachine,
  inputs: [{ newBoot: () => 'boot-b' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 }],
  // A reconfiguration that waits is like another one.
  facts: ({ failure, configured, wanted, target }) => [
    ...[failure !== undefined, configured?.configuration.role, wanted !== undefined, target?.plan?.listener],
    ...(['store', 'service', 'control', 'observation'] as const).map((effect) => target?.plan?.effects.has(effect)),
    ...[target?.listening, target?.store, target?.retiredListening, target?.retiredStore].map(Boolean),
  ],
  samples: {
    'node.stop': { '': { type: 'node.stop' } },
    'node.reconfigure': {
      '': { type: 'node.reconfigure', partial: () => requested, request: 1 },
      'to something bad': { type: 'node.reconfigure', partial: () => ({ port: -1 }), request: 2 },
    },
    'configuration.changed': {
      '': { type: 'configuration.changed', requested: () => requested },
      bad: { type: 'configuration.changed', requested: () => undefined },
    },
    'configuration.failed': { '': { type: 'configuration.failed', failure: lost } },
    'leadership.changed': {
      '': { type: 'leadership.changed', isLeader: true, leaderId: 'a' as NodeId, term: 1 },
    },
    'uplink.changed': { '': { type: 'uplink.changed', uplink: 'failed' } },
    'connection.accepted': { '': { type: 'connection.accepted', connection } },
    'connection.refused': {
      '': { type: 'connection.refused', remoteAddress: '127.0.0.1:5', failure: lost, suppressed: 0 },
    },
    'control.failed': { '': { type: 'control.failed', error: lost } },
    notice: {
      '': { type: 'notice', happening: { type: 'failure', where: 'here', failure: lost } },
      harmless: {
        type: 'notice',
        happening: { type: 'connection.refused', remoteAddress: '', failure: lost, suppressed: 2 },
      },
    },
    'service.leave': {},
    'service.left': {},
    'service.begin': {},
    'control.renew': {},
    'inspection.opened': { '': { type: 'inspection.opened', url: new Secret('http://127.0.0.1:1/?token=x') } },
    'inspection.failed': { '': { type: 'inspection.failed', failure: lost } },
    'observation.renew': {},
    'metrics.opened': { '': { type: 'metrics.opened', port: 9464 } },
    'metrics.failed': { '': { type: 'metrics.failed', failure: lost } },
    'store.impaired': { '': { type: 'store.impaired', failure: lost } },
    'store.recovered': { '': { type: 'store.recovered' } },
    'storage.renew': {},
  },
  outputs: {
    getConfiguration: { '': () => requested },
    configure: {
      '': configuredAs({}),
      'a cloud node': configuredAs({ role: 'cloud' }),
      'another NodeId': configuredAs({ nodeId: other }),
      'another NodeId and port': configuredAs({ nodeId: other, port: 2 }),
      'another port': configuredAs({ port: 2 }),
      'another NodeId, on all interfaces': configuredAs({ nodeId: other, host: '0.0.0.0' }),
      'all interfaces': configuredAs({ host: '0.0.0.0' }),
      watched: configuredAs({ inspector: { port: 0 } }),
      'with a control socket, but not eligible': configuredAs({ control: true, eligible: false }),
    },
    openStore: { '': store },
    copyStore: { '': undefined },
    drainStore: { '': undefined },
    listen: { '': listening },
    membership: { '': undefined },
    election: { '': { failure: lost } },
    uplink: { '': undefined },
    reception: { '': undefined },
    close: { '': undefined },
  },
  reports: {
    control: ['control.failed'],
    inspection: ['inspection.opened', 'inspection.failed'],
    metrics: ['metrics.opened', 'metrics.failed'],
    storeHealth: ['store.impaired', 'store.recovered'],
    election: ['leadership.changed'],
    uplink: ['uplink.changed'],
  },
  resting: [
    ...['running.service.member.serving', 'running.service.cloud.serving'],
    ...['running.control.opened', 'running.control.reopened', 'running.reconfiguration.settled'],
    ...['running.observation.observed', 'running.observation.unobserved'],
    'running.storage.followed',
  ],
  goals: [['stopped', 'failed']],
  ignored: [],
  nets: {
    '(root): xstate.error.actor.* -> stopping':
      'Each service has its own onError; this is for one that will be added without, so that the node still closes.',
  },
});
