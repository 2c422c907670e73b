import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { DiscoveryReport, Mailbox } from '../../src/actors/mailboxes.js';
import type { Configuration } from '../../src/configuration/schema.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import type { DatagramOptions, Network } from '../../src/ports/ports.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { createDiscovery } from '../../src/services/discovery.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';
import { type BeaconCluster, decodeBeacon, encodeBeacon } from '../../src/wire/beacon.js';

const intervalMs = 5_000;
/** With security `none`. */
const open: BeaconCluster = { clusterHash: '', beaconKey: undefined };
const identity = { nodeId: 'node-a' as NodeId, boot: 'boot-of-node-a-0' as Boot, port: 9_000 };

async function listening(keys?: ClusterKeys) {
  const clock = new VirtualClock();
  let options: DatagramOptions | undefined;
  const reports: DiscoveryReport[] = [];
  const sent: Uint8Array[] = [];
  const network: Pick<Network, 'openDatagrams'> = {
    openDatagrams: async (given) => {
      options = given;
      return { broadcast: (bytes) => void sent.push(typeof bytes === 'function' ? bytes() : bytes), close: () => {} };
    },
  };
  const parent: Pick<Mailbox<DiscoveryReport>, 'send'> = { send: (report) => void reports.push(report) };
  const input = {
    parent: parent as Mailbox<DiscoveryReport>,
    identity,
    configuration: { discovery: true, beaconIntervalMs: intervalMs, discoveryPort: 25_000 } as Configuration,
    keys,
  };
  const logic = createDiscovery({
    network: network as Network,
    time: simulatedTime(clock),
    acquaintances: new Acquaintances(),
  });
  const start = async () => {
    const actor = createActor(logic, { input }).start();
    await Promise.resolve();
    await Promise.resolve();
    return actor;
  };
  return {
    actor: await start(),
    restart: start,
    /** The beacons that it has sent. */
    sent: () =>
      sent.flatMap((bytes) => {
        const decoded = decodeBeacon(bytes, keys?.first ?? open);
        return decoded.ok ? [decoded.beacon] : [];
      }),
    /** The reports about a beacon. */
    hear(nodeId: string, boot: string, sequence: number, host = '10.0.0.2', port = 9_000, by: BeaconCluster = open) {
      reports.length = 0;
      const beacon = { nodeId: nodeId as NodeId, boot: boot.padEnd(16, '0') as Boot, sequence, port };
      options?.received(encodeBeacon(beacon, by), host);
      return reports.map(({ type }) => type);
    },
    /** The last report. */
    last: () => reports.at(-1),
    changeInterfaces() {
      reports.length = 0;
      options?.interfacesChanged?.();
      return reports.map(({ type }) => type);
    },
    /** The reports while time passes. */
    pass(ms: number) {
      reports.length = 0;
      const endMs = clock.nowMs + ms;
      while ((clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= endMs) clock.step();
      clock.advanceTo(endMs);
      return reports.map(({ type }) => type);
    },
  };
}

describe('discovery', () => {
  it('a node: heard again -> reported once; moved, or restarted -> once more', async () => {
    const { hear } = await listening();
    expect(hear('node-b', 'one', 1)).toEqual(['peer.discovered']);
    expect(hear('node-b', 'one', 2)).toEqual([]);
    expect(hear('node-b', 'one', 3, '10.0.0.3')).toEqual(['peer.discovered']);
    expect(hear('node-b', 'two', 1, '10.0.0.3')).toEqual(['peer.discovered']);
  });

  it('a beacon replayed: from elsewhere, or of an ended boot -> not reported', async () => {
    const { hear } = await listening();
    hear('node-b', 'one', 5);
    expect(hear('node-b', 'one', 5, '10.9.9.9')).toEqual([]);
    expect(hear('node-b', 'one', 4, '10.9.9.9')).toEqual([]);
    hear('node-b', 'two', 1);
    expect(hear('node-b', 'one', 6)).toEqual([]);
  });

  it('a node on two shared networks -> both addresses are reported; one of them silent -> that one is gone', async () => {
    const { hear, pass, last } = await listening();
    expect(hear('node-b', 'one', 1, '10.1.0.2')).toEqual(['peer.discovered']);
    expect(hear('node-b', 'one', 2, '10.2.0.2')).toEqual(['peer.discovered']);
    pass(limits.beaconGoneMs - 1_000);
    expect(hear('node-b', 'one', 4, '10.2.0.2')).toEqual(['peer.heard']);
    expect(pass(1_000 + intervalMs)).toEqual(['peer.vanished']);
    expect(last()).toMatchObject({ nodeId: 'node-b', address: { host: '10.1.0.2', port: 9_000 } });
  });

  it('more addresses than addressesPerPeerMax -> the one that was heard longest ago is forgotten', async () => {
    const { hear, last } = await listening();
    for (let count = 1; count <= limits.addressesPerPeerMax; count += 1)
      hear('node-b', 'one', count, `10.0.${count}.2`);
    expect(hear('node-b', 'one', 99, '10.9.9.2')).toEqual(['peer.discovered', 'peer.vanished']);
    expect(last()).toMatchObject({ address: { host: '10.0.1.2', port: 9_000 } });
  });

  it('a node that continues to announce itself -> is reported again, after heardAgainMs at the earliest', async () => {
    const { hear, pass } = await listening();
    hear('node-b', 'one', 1);
    pass(limits.heardAgainMs - 1);
    expect(hear('node-b', 'one', 2)).toEqual([]);
    pass(1);
    expect([hear('node-b', 'one', 3), hear('node-b', 'one', 4)]).toEqual([['peer.heard'], []]);
  });

  it('this machine is on another network -> is reported', async () => {
    const { changeInterfaces } = await listening();
    expect(changeInterfaces()).toEqual(['interfaces.changed']);
  });

  it('a node: silent -> reported as vanished, and discovered when it is back', async () => {
    const { hear, pass } = await listening();
    hear('node-b', 'one', 1);
    expect(pass(limits.beaconGoneMs - 1)).toEqual([]);
    expect(pass(intervalMs + 1)).toEqual(['peer.vanished']);
    expect(hear('node-b', 'one', 9)).toEqual(['peer.discovered']);
  });

  it('a flood of beacons from one host -> a limited number per second is read, and those of other hosts nevertheless', async () => {
    const { hear, pass } = await listening();
    for (let sequence = 1; sequence <= limits.beaconsPerSecondMax; sequence++) hear('node-b', 'one', sequence);
    expect(hear('node-c', 'one', 1)).toEqual([]);
    expect(hear('node-d', 'one', 1, '10.0.0.3')).toEqual(['peer.discovered']);
    pass(1_000);
    expect(hear('node-c', 'one', 2)).toEqual(['peer.discovered']);
  });

  it('beacons from more hosts in a second than beaconHostsPerSecondMax -> the further hosts wait for the next second', async () => {
    const { hear, pass } = await listening();
    for (let host = 0; host < limits.beaconHostsPerSecondMax; host += 1) {
      hear('node-b', 'one', 1 + host, `10.1.${host >> 8}.${host & 255}`);
    }
    expect(hear('node-c', 'one', 1, '10.2.0.1')).toEqual([]);
    pass(1_000);
    expect(hear('node-c', 'one', 2, '10.2.0.1')).toEqual(['peer.discovered']);
  });

  it("this node's own beacon -> nothing", async () => {
    const { hear } = await listening();
    expect(hear('node-a', identity.boot, 1)).toEqual([]);
  });

  it('a double that continues to send beacons -> reported once', async () => {
    const { hear, pass } = await listening();
    expect(hear('node-a', 'double', 7)).toEqual([]);
    pass(intervalMs);
    expect(hear('node-a', 'double', 8)).toEqual(['beacon.duplicated']);
    pass(intervalMs);
    expect(hear('node-a', 'double', 9)).toEqual([]);
  });

  it('a double -> gets a beacon soon, twice at most, and is reported by its answer, with its address', async () => {
    const { hear, pass, sent, last } = await listening();
    expect(sent()).toHaveLength(1);
    hear('node-a', 'double', 7);
    pass(limits.doubleAnswerMs);
    expect(sent()).toHaveLength(2);
    expect(hear('node-a', 'double', 8, '10.0.0.7', 9_007)).toEqual(['beacon.duplicated']);
    expect(last()).toMatchObject({ address: { host: '10.0.0.7', port: 9_007 } });
    pass(limits.doubleAnswerMs);
    expect(sent()).toHaveLength(3);
    hear('node-a', 'double', 9);
    pass(limits.doubleAnswerMs);
    expect(sent()).toHaveLength(3);
  });

  it('own beacons of an earlier boot, late or replayed -> no double', async () => {
    const { hear, pass } = await listening();
    for (const sequence of [1, 2, 3, 2]) expect(hear('node-a', 'before', sequence)).toEqual([]);
    pass(10 * intervalMs);
    expect(hear('node-a', 'before', 1)).toEqual([]);
  });

  it('another port -> announced at once, by the same boot with a higher number', async () => {
    const { actor, sent, pass } = await listening();
    pass(intervalMs);
    actor.send({ type: 'discovery.relocate', port: 9_001 });
    expect(sent().map(({ sequence, port }) => [sequence, port])).toEqual([
      [1, 9_000],
      [2, 9_000],
      [3, 9_001],
    ]);
  });

  it('a ring of keys -> sends with the first, and hears only nodes that send with any of them', async () => {
    type Root = Uint8Array;
    const [first, second, third] = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte)) as [Root, Root, Root];
    const { sent, hear } = await listening(new ClusterKeys(first, second));
    expect(sent().map(({ sequence }) => sequence)).toEqual([1]);
    const by = (root: Uint8Array, nodeId: string) =>
      hear(nodeId, 'a', 1, '10.0.0.2', 9_000, new ClusterKeys(root).first);
    expect(by(first, 'node-b')).toEqual(['peer.discovered']);
    expect(by(second, 'node-c')).toEqual(['peer.discovered']);
    expect(by(third, 'node-d')).toEqual(['beacon.foreign']);
    expect(hear('node-e', 'a', 1)).toEqual([]);
  });

  it('beacons of another key -> reported once in an hour for each host, of a bounded number of hosts', async () => {
    const { hear, pass, last } = await listening(new ClusterKeys(new Uint8Array(32).fill(1)));
    const other = new ClusterKeys(new Uint8Array(32).fill(2)).first;
    const from = (host: string) => hear('node-b', 'a', 1, host, 9_000, other);
    expect(from('10.0.0.2')).toEqual(['beacon.foreign']);
    expect(last()).toMatchObject({ host: '10.0.0.2', failure: { code: 'wrongClusterKey' } });
    expect(from('10.0.0.2')).toEqual([]);
    expect(from('10.0.0.3')).toEqual(['beacon.foreign']);
    pass(limits.refusalNewsMs);
    expect(from('10.0.0.2')).toEqual(['beacon.foreign']);
    let told = 2;
    for (let n = 0; n < 2 * limits.refusalsRememberedMax; n += 1) {
      if (n % 400 === 0) pass(1_000);
      told += from(`10.1.${n >> 8}.${n & 255}`).length;
    }
    expect(told).toBe(limits.refusalsRememberedMax);
  });

  it('a restart of discovery -> its numbers continue; otherwise no node would accept its beacons', async () => {
    const { actor, sent, restart } = await listening();
    actor.stop();
    await restart();
    expect(sent().map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it('beacons of many doubles, one after the other -> do not put off the own beacons', async () => {
    const { hear, pass, sent } = await listening();
    const before = sent().length;
    for (let boot = 0; boot < 15; boot += 1) {
      hear('node-a', `double-${boot}-`, 1);
      pass(limits.doubleAnswerMs - 50);
    }
    expect(sent().length - before).toBeGreaterThan(5);
    expect(sent().length - before).toBeLessThanOrEqual(15);
  });

  it('replays of many former boots -> a double that comes later is still told', async () => {
    const { hear, pass } = await listening();
    for (let boot = 0; boot < 40; boot += 1) hear('node-a', `former-${boot}-`, 1);
    pass(limits.beaconGoneMs);
    hear('node-a', 'double', 1);
    pass(limits.doubleAnswerMs);
    expect(hear('node-a', 'double', 2)).toEqual(['beacon.duplicated']);
  });

  it('a double that lives for long -> is told once, however many former boots are replayed', async () => {
    const { hear, pass } = await listening();
    const told: string[] = [];
    for (let sequence = 1; sequence < 20; sequence += 1) {
      told.push(...hear('node-a', 'double', sequence));
      for (let boot = 0; boot < 20; boot += 1) hear('node-a', `former-${sequence}-${boot}-`.slice(0, 16), 1);
      pass(intervalMs);
    }
    expect(told).toEqual(['beacon.duplicated']);
  });
});
