/** The node: each step of starting, stopping and reconfiguring, with every possible failure. */

import type { Configured } from '../../../src/configuration/configured.js';
import { parseConfiguration } from '../../../src/configuration/parse.js';
import type { Effect, Plan } from '../../../src/configuration/reconfiguration.js';
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

interface Context {
  readonly configured: Configured | undefined;
  readonly underway: { readonly plan: unknown } | undefined;
}

/** Comes once in a reconfiguration. Another role needs other serving parts. */
function switched({ configured, underway }: Context, changes: Partial<Configuration>, effects: readonly Effect[]) {
  if (underway?.plan !== undefined) return undefined;
  const role = configured?.configuration.role ?? 'member';
  const plan: Plan = { changes: [], effects: new Set(effects), listener: 'protect' };
  const parts = { configured: configuredAs({ role, ...changes }), store, listening };
  return { type: 'reconfiguration.switched', plan, parts } as const;
}

function completed(effects: readonly Effect[]) {
  const took = { tookMs: 0, writesHeldMs: 0, connectionsRefusedMs: 0 };
  return { type: 'reconfiguration.completed', effects: new Set(effects), changes: [], ...took } as const;
}

const listening = { host: '127.0.0.1', port: 1, protect: () => {} } as unknown as Listening;

export const node = defineWalk({
  machine: nodeMachine,
  inputs: [{ newBoot: () => 'boot-b' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 }],
  // All waiting reconfigurations are alike.
  facts: ({ failure, configured, wanted, underway, areWritesHeld }) => [
    ...[failure !== undefined, configured?.configuration.role, wanted !== undefined, areWritesHeld],
    ...[underway !== undefined, underway?.plan !== undefined, configured?.configuration.inspector !== undefined],
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
      '': { type: 'notice', nodeEvent: { type: 'failure', where: 'here', failure: lost } },
      harmless: {
        type: 'notice',
        nodeEvent: { type: 'connection.refused', remoteAddress: '', failure: lost, suppressed: 2 },
      },
    },
    'writes.held': { '': { type: 'writes.held' } },
    'writes.released': { '': { type: 'writes.released' } },
    'reconfiguration.switched': {
      '': (context) => switched(context, {}, ['intervals']),
      'to a cloud node': (context) => switched(context, { role: 'cloud' }, ['service']),
      'to another NodeId': (context) => switched(context, { nodeId: other }, ['store', 'service']),
      'and is not eligible': (context) => switched(context, { eligible: false }, ['election']),
      'and is watched': (context) => switched(context, { inspector: { port: 0 } }, ['observation']),
    },
    'reconfiguration.rebound': { '': { type: 'reconfiguration.rebound', listening } },
    'reconfiguration.completed': {
      '': completed([]),
      'of everything': completed(['store', 'service', 'control', 'observation']),
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
    reconfiguration: {
      '': { failure: undefined, isFatal: false },
      'it failed': { failure: lost, isFatal: false },
      'it listens nowhere': { failure: lost, isFatal: true },
    },
    membership: { '': undefined },
    election: { '': { failure: lost } },
    uplink: { '': undefined },
    reception: { '': undefined },
    close: { '': undefined },
  },
  // After the switch, a reconfiguration waits until the serving parts have left, and then reports completion.
  mayCome: (name, leaves, { underway }) => {
    if (!/^(done )?(reconfiguration|writes)/.test(name)) return true;
    const isServing = leaves.some((leaf) => /^running[.]service[.](member|cloud)[.]serving$/.test(leaf));
    if (leaves.includes('starting')) return !/held|released|rebound/.test(name);
    if (/completed/.test(name)) return underway?.plan !== undefined && isServing;
    return !/^done/.test(name) || isServing;
  },
  reports: {
    reconfiguration: [
      'writes.held',
      'writes.released',
      'reconfiguration.switched',
      'reconfiguration.rebound',
      'reconfiguration.completed',
    ],
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
  ignored: [
    {
      states: ['starting'],
      events: ['reconfiguration.completed', 'reconfiguration.completed (of everything)'],
      why: 'A node that has started says so by running.',
    },
  ],
  nets: {
    '(root): xstate.error.actor.* -> stopping':
      'Each service has its own onError; this is for one that will be added without, so that the node still closes.',
  },
});
