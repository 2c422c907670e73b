/** The reconfiguration, of a starting node and of a running one, with every possible failure in each step. */
import type { ListenerReport, ReconfigurationReport } from '../../../src/actors/mailboxes.js';
import type { Configured } from '../../../src/configuration/configured.js';
import { parseConfiguration } from '../../../src/configuration/parse.js';
import type { Configuration } from '../../../src/configuration/schema.js';
import type { NodeId } from '../../../src/core/ids.js';
import { reconfigurationMachine } from '../../../src/machines/reconfiguration.machine.js';
import type { Listening } from '../../../src/ports/ports.js';
import { defineWalk } from '../walk.js';
import { configured as base, mailbox, store } from './samples.js';

const requested = { nodeId: 'b', security: 'none', port: 1 } as const;
const { configuration } = parseConfiguration(requested);
const listening = { host: '127.0.0.1', port: 1, protect: () => {} } as unknown as Listening;

function configuredAs(changes: Partial<Configuration>): Configured {
  return { ...base, configuration: { ...configuration, ...changes } };
}

const other = 'x' as NodeId;
const present = { configured: configuredAs({}), store, listening };
const common = {
  parent: mailbox<ReconfigurationReport | ListenerReport>(),
  requested: () => requested,
  monotonicMs: () => 0,
};

export const reconfiguration = defineWalk({
  machine: reconfigurationMachine,
  inputs: [
    { ...common, present: undefined },
    { ...common, present },
  ],
  facts: ({ present, plan, listening, store, failure, isFatal, writesHeld, connectionsRefused }) => [
    ...[present, listening, store, failure].map((each) => each !== undefined),
    ...[plan.listener, plan.changes.length > 0, plan.effects.has('store'), plan.effects.has('service')],
    ...[isFatal, writesHeld.sinceMs !== undefined, connectionsRefused.sinceMs !== undefined],
  ],
  samples: { 'service.left': { '': { type: 'service.left' } } },
  outputs: {
    configure: {
      '': configuredAs({}),
      'a cloud node': configuredAs({ role: 'cloud' }),
      'another NodeId': configuredAs({ nodeId: other }),
      'another NodeId and port': configuredAs({ nodeId: other, port: 2 }),
      'another port': configuredAs({ port: 2 }),
      'another NodeId, on all interfaces': configuredAs({ nodeId: other, host: '0.0.0.0' }),
      'all interfaces': configuredAs({ host: '0.0.0.0' }),
      'not eligible': configuredAs({ eligible: false }),
    },
    openStore: { '': store },
    copyStore: { '': undefined },
    drainStore: { '': undefined },
    listen: { '': listening },
    close: { '': undefined },
  },
  // The node sends it once, in answer to the switch.
  mayCome: (name, leaves) => name !== 'service.left' || leaves.includes('leaving'),
  // The node sends it when the serving parts have left.
  resting: ['leaving'],
  goals: [['done']],
  laws: {
    'writes wait only where both databases are there': ({ writesHeld, store, present }) =>
      writesHeld.sinceMs === undefined || (store !== undefined && present !== undefined),
    'a node that starts holds no writes and refuses nobody': ({ present, writesHeld, connectionsRefused }) =>
      present !== undefined || (writesHeld.sinceMs === undefined && connectionsRefused.sinceMs === undefined),
  },
  ignored: [],
});
