/** The uplink: cloud peers that come, change and go, leadership that comes and goes, and reports of two gateways. */

import type { CloudPeersReport, GatewayCondition, GatewayReport } from '../../../src/actors/mailboxes.js';
import { uplinkMachine } from '../../../src/machines/uplink.machine.js';
import type { CloudPeer } from '../../../src/remote-peers/remote-peer.js';
import { defineWalk } from '../walk.js';
import { cloudPeer } from './gateway.js';
import { adjusted, configuration, larger, lost, mailbox, smaller, store, us } from './samples.js';

const other: CloudPeer = { ...cloudPeer, nodeId: smaller.nodeId };

function stored(...peers: readonly CloudPeer[]): Extract<CloudPeersReport, { type: 'cloudPeers.changed' }> {
  return { type: 'cloudPeers.changed', peers: new Map(peers.map((peer) => [peer.nodeId, peer])) };
}

function changed(
  nodeId: typeof larger.nodeId,
  condition: GatewayCondition,
): Extract<GatewayReport, { type: 'gateway.changed' }> {
  return { type: 'gateway.changed', nodeId, condition };
}

export const uplink = defineWalk({
  machine: uplinkMachine,
  inputs: [
    {
      parent: mailbox(),
      identity: us,
      store,
      keys: undefined,
      ca: undefined,
      random: () => 0,
      now: () => 0,
      configuration: { ...configuration, yieldAfterMs: 30_000 },
    },
  ],
  facts: ({ gateways, isLeader, uplink, probing }) => [
    ...[isLeader, uplink, probing],
    [...gateways].map(([nodeId, { condition }]) => [nodeId, condition]),
  ],
  samples: {
    'cloudPeers.changed': {
      none: stored(),
      one: stored(cloudPeer),
      two: stored(cloudPeer, other),
      disabled: stored({ ...cloudPeer, isEnabled: false }),
    },
    'cloudPeers.failed': { '': { type: 'cloudPeers.failed', failure: lost } },
    'leadership.changed': {
      ours: { type: 'leadership.changed', isLeader: true, leaderId: us.nodeId, term: 1 },
      theirs: { type: 'leadership.changed', isLeader: false, leaderId: smaller.nodeId, term: 2 },
    },
    'gateway.changed': {
      resting: changed(larger.nodeId, 'idle'),
      trying: changed(larger.nodeId, 'trying'),
      online: changed(larger.nodeId, 'online'),
      rejected: changed(larger.nodeId, 'rejected'),
      disabled: changed(larger.nodeId, 'disabled'),
      'the other one is trying': changed(smaller.nodeId, 'trying'),
      'the other one rests': changed(smaller.nodeId, 'idle'),
    },
    'gateway.probed': {
      reached: { type: 'gateway.probed', nodeId: larger.nodeId, isReached: true },
      'not reached': { type: 'gateway.probed', nodeId: larger.nodeId, isReached: false },
      'the other one': { type: 'gateway.probed', nodeId: smaller.nodeId, isReached: false },
    },
    notice: { '': { type: 'notice', nodeEvent: { type: 'failure', where: 'here', failure: lost } } },
    'configuration.adjusted': { '': adjusted('uplink'), keys: adjusted('keys') },
    'resealing.failed': { '': { type: 'resealing.failed', failure: lost } },
    'uplink.leave': { '': { type: 'uplink.leave' } },
  },
  outputs: {},
  // A gateway that never rests cannot be probed: the uplink has to bear that.
  resting: ['active.unknown', 'active.ok', 'active.failed.leading', 'active.failed.waiting'],
  retrying: ['active.failed.probing'],
  goals: [['left']],
  laws: {
    'the parent knows whether it has failed': ({ uplink }, [state]) =>
      !state?.startsWith('active.') || (uplink === 'failed') === state.startsWith('active.failed'),
    'whoever is online has not failed': ({ gateways }, [state]) =>
      !state?.startsWith('active.failed') || [...gateways.values()].every(({ condition }) => condition !== 'online'),
    'a leader does not probe': ({ isLeader }, [state]) => !isLeader || state !== 'active.failed.probing',
    'only a probe waits for answers': ({ probing }, [state]) =>
      probing.length === 0 || state === 'active.failed.probing',
  },
  ignored: [
    {
      states: ['leaving'],
      events: ['cloudPeers.changed', 'cloudPeers.failed', 'configuration.adjusted', 'uplink.leave'],
      why: 'It is leaving: nobody is connected to any more.',
    },
  ],
});
