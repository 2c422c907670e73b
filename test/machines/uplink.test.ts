import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback } from 'xstate';
import type { GatewayCommand, GatewayCondition, UplinkReport } from '../../src/actors/mailboxes.js';
import type { Configuration } from '../../src/configuration/schema.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { uplinkMachine } from '../../src/machines/uplink.machine.js';
import type { Store } from '../../src/ports/store.js';
import type { CloudPeer } from '../../src/remote-peers/remote-peer.js';
import { manualClock, recorder } from './bench.js';
import { cloudPeer } from './walk/gateway.js';
import { adjusted } from './walk/samples.js';

const us = { nodeId: 'b' as NodeId, boot: 'boot-b' as Boot, port: 1 };
const yieldAfterMs = 30_000;

/** An uplink whose gateways the test plays. */
function setup() {
  const clock = manualClock();
  const parent = recorder<UplinkReport>();
  const heard: string[] = [];
  const tending: string[] = [];
  const machine = uplinkMachine.provide({
    actors: {
      cloudPeers: fromCallback(() => {}) as never,
      resealer: fromCallback(() => {
        tending.push('begins');
        return () => void tending.push('ends');
      }) as never,
      gateway: fromCallback<GatewayCommand, { peer: CloudPeer }>(({ input, receive }) =>
        receive(({ type }) => void heard.push(`${input.peer.nodeId} ${type.slice('gateway.'.length)}`)),
      ) as never,
    },
  });
  const actor = createActor(machine, {
    clock,
    input: {
      parent: parent.mailbox,
      identity: us,
      store: {} as Store,
      keys: undefined,
      ca: undefined,
      configuration: { yieldAfterMs } as Configuration,
      random: () => 0.999,
      now: () => 0,
    },
  }).start();
  return {
    actor,
    clock,
    tending,
    store: (...nodeIds: string[]) =>
      actor.send({
        type: 'cloudPeers.changed',
        peers: new Map(nodeIds.map((nodeId) => [nodeId as NodeId, { ...cloudPeer, nodeId: nodeId as NodeId }])),
      }),
    lead: (isLeader: boolean) =>
      actor.send({ type: 'leadership.changed', isLeader, leaderId: isLeader ? us.nodeId : undefined, term: 1 }),
    condition: (nodeId: string, condition: GatewayCondition) =>
      actor.send({ type: 'gateway.changed', nodeId: nodeId as NodeId, condition }),
    probed: (nodeId: string, isReached: boolean) =>
      actor.send({ type: 'gateway.probed', nodeId: nodeId as NodeId, isReached }),
    orders: () => heard.splice(0),
    told: () => parent.take().map((report) => (report.type === 'uplink.changed' ? report.uplink : report.nodeEvent)),
  };
}

/** It has led, has reached no cloud node, and rests. */
function cutOff() {
  const uplink = setup();
  uplink.store('x');
  uplink.lead(true);
  uplink.condition('x', 'trying');
  uplink.clock.advance(yieldAfterMs);
  uplink.lead(false);
  uplink.condition('x', 'idle');
  uplink.orders();
  return uplink;
}

describe('uplink', () => {
  it('the node leads, the key changes, another node leads -> the leader keeps secrets sealed with the present key', () => {
    const { actor, lead, tending } = setup();
    expect(tending).toEqual([]);
    lead(true);
    expect(tending).toEqual(['begins']);
    actor.send(adjusted('uplink'));
    expect(tending).toEqual(['begins']);
    actor.send(adjusted('keys'));
    expect(tending).toEqual(['begins', 'ends', 'begins']);
    lead(false);
    expect(tending).toEqual(['begins', 'ends', 'begins', 'ends']);
  });

  it('peers come, stay and go, while the node leads or does not -> their gateways are started, updated and stopped', () => {
    const { store, lead, orders, actor } = setup();
    store('x');
    expect(orders()).toEqual(['x idle']);
    lead(true);
    expect(orders()).toEqual(['x open']);
    store('x', 'y');
    expect(orders()).toEqual(['x revise', 'x open', 'y open']);
    store('y');
    expect(orders()).toEqual(['x idle', 'y revise', 'y open']);
    expect(Object.keys(actor.getSnapshot().children).filter((id) => id.startsWith('gateway'))).toEqual(['gateway-y']);
    lead(false);
    expect(orders()).toEqual(['y idle']);
  });

  it('more peers than gateways -> the first by NodeId, and the others are reported once', () => {
    const { store, actor, told } = setup();
    const names = Array.from(
      { length: limits.gatewaysMax + 2 },
      (_, index) => `cloud-${String(index).padStart(3, '0')}`,
    );
    store(...names);
    store(...names);
    expect([...actor.getSnapshot().context.gateways.keys()]).toEqual(names.slice(0, limits.gatewaysMax));
    expect(told()).toMatchObject([{ type: 'failure', failure: { code: 'connectionLimit' } }]);
  });

  it('a leader reaches no cloud peer for yieldAfterMs -> failed; reaches one -> ok', () => {
    const { store, lead, condition, clock, told } = setup();
    store('x', 'y');
    lead(true);
    condition('x', 'trying');
    condition('y', 'rejected');
    clock.advance(yieldAfterMs - 1);
    expect(told()).toEqual([]);
    clock.advance(1);
    expect(told()).toEqual(['failed']);
    condition('y', 'online');
    expect(told()).toEqual(['ok']);
  });

  it('all cloud peers reject us, or none is enabled -> no reason to yield', () => {
    const { store, lead, condition, clock, told } = setup();
    store('x', 'y');
    lead(true);
    condition('x', 'rejected');
    condition('y', 'disabled');
    clock.advance(10 * yieldAfterMs);
    condition('x', 'disabled');
    clock.advance(10 * yieldAfterMs);
    expect(told()).toEqual([]);
  });

  it('a break of less than yieldAfterMs -> no report', () => {
    const { store, lead, condition, clock, told } = setup();
    store('x');
    lead(true);
    condition('x', 'online');
    condition('x', 'trying');
    clock.advance(yieldAfterMs - 1);
    condition('x', 'online');
    clock.advance(yieldAfterMs);
    expect(told()).toEqual(['ok']);
  });

  it('failed, and not leading -> probes with growing pauses, until one reaches a cloud peer', () => {
    const { probed, clock, told, orders } = cutOff();
    clock.advance(limits.probeFirstMs);
    expect(orders()).toEqual(['x probe']);
    probed('x', false);
    clock.advance(limits.probeFirstMs);
    expect(orders()).toEqual(['x idle']);
    clock.advance(limits.probeFirstMs);
    expect(orders()).toEqual(['x probe']);
    expect(told()).toEqual(['failed']);
    probed('x', true);
    expect(told()).toEqual(['ok']);
    clock.advance(limits.probeMaxMs);
    expect(orders()).toEqual(['x idle']);
  });

  it('a probe without an answer -> times out, and counts as failed', () => {
    const { clock, orders } = cutOff();
    clock.advance(limits.probeFirstMs);
    orders();
    clock.advance(limits.probeTimeoutMs);
    expect(orders()).toEqual(['x idle']);
    clock.advance(2 * limits.probeFirstMs);
    expect(orders()).toEqual(['x probe']);
  });

  it('it leads again after all -> its gateways try, and no probe runs', () => {
    const { store, lead, condition, clock, orders, told } = setup();
    store('x');
    lead(true);
    condition('x', 'trying');
    clock.advance(yieldAfterMs);
    lead(false);
    condition('x', 'idle');
    lead(true);
    condition('x', 'trying');
    orders();
    clock.advance(limits.probeMaxMs);
    expect(orders()).toEqual([]);
    condition('x', 'online');
    expect(told()).toEqual(['failed', 'ok']);
  });

  it('told to leave -> ends when all gateways rest, or after two seconds', () => {
    const { store, lead, condition, actor, orders } = setup();
    store('x');
    lead(true);
    condition('x', 'online');
    orders();
    actor.send({ type: 'uplink.leave' });
    expect(orders()).toEqual(['x idle']);
    expect(actor.getSnapshot().status).toBe('active');
    condition('x', 'idle');
    expect(actor.getSnapshot().status).toBe('done');
    const other = setup();
    other.store('x');
    other.lead(true);
    other.condition('x', 'online');
    other.actor.send({ type: 'uplink.leave' });
    other.clock.advance(limits.leavingTimeoutMs);
    expect(other.actor.getSnapshot().status).toBe('done');
  });
});
