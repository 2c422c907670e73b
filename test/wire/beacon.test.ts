import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Boot, type NodeId, parseNodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { type Beacon, type BeaconCluster, decodeBeacon, encodeBeacon } from '../../src/wire/beacon.js';

const keyed: BeaconCluster = { clusterHash: 'A1B2C3D4', beaconKey: new Uint8Array(32).fill(7) };
const open: BeaconCluster = { clusterHash: '', beaconKey: undefined };
const beacon: Beacon = { nodeId: parseNodeId('till-3'), boot: 'boot-1' as Boot, sequence: 12, port: 9000 };

const fields = (bytes: Uint8Array): Record<string, unknown> => JSON.parse(Buffer.from(bytes).toString());
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const malformed = { ok: false, reason: 'malformed' };
const forged = { ok: false, reason: 'forged' };
const foreign = { ok: false, reason: 'foreignCluster' };

const beacons: fc.Arbitrary<Beacon> = fc.record({
  nodeId: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/) as unknown as fc.Arbitrary<NodeId>,
  boot: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/) as unknown as fc.Arbitrary<Boot>,
  sequence: fc.maxSafeNat(),
  port: fc.integer({ min: 1, max: 65_535 }),
});

describe('beacon', () => {
  test('beacon: on the wire -> the fields of EntglDB and our own', () => {
    expect(fields(encodeBeacon(beacon, keyed))).toEqual({
      node_id: 'till-3',
      tcp_port: 9000,
      cluster_hash: 'A1B2C3D4',
      interests: [],
      v: 1,
      boot: 'boot-1',
      seq: 12,
      // HMAC-SHA256 of ["statemesh beacon",1,"till-3",9000,"A1B2C3D4",[],"boot-1",12], computed independently.
      mac: '8E2hxRags-3QHRhQ-e7ZqMpUGNoVRXLSseZnEXI6G6s',
    });
    expect(fields(encodeBeacon(beacon, open))).not.toHaveProperty('mac');
  });

  test('beacon: any, with a key or without -> decodes to the same beacon, within the limit', () => {
    fc.assert(
      fc.property(beacons, fc.constantFrom(keyed, open), (any, cluster) => {
        const bytes = encodeBeacon(any, cluster);
        expect(bytes.length).toBeLessThanOrEqual(limits.beaconBytesMax);
        expect(decodeBeacon(bytes, cluster)).toEqual({ ok: true, beacon: any });
      }),
    );
  });

  test('beacon: another cluster hash -> foreignCluster, with any other content', () => {
    expect(decodeBeacon(encodeBeacon(beacon, open), keyed)).toEqual(foreign);
    expect(decodeBeacon(encodeBeacon(beacon, keyed), open)).toEqual(foreign);
    expect(decodeBeacon(bytesOf({ cluster_hash: 'FFFFFFFF', v: 99 }), keyed)).toEqual(foreign);
  });

  test('beacon: no mac, a wrong one, or one by another key -> forged', () => {
    const { mac, ...unsigned } = fields(encodeBeacon(beacon, keyed));
    expect(decodeBeacon(bytesOf(unsigned), keyed)).toEqual(forged);
    for (const wrong of ['', 'x', 5, null, [mac], `${mac}=`, ` ${mac}`, String(mac).toLowerCase()]) {
      expect(decodeBeacon(bytesOf({ ...unsigned, mac: wrong }), keyed)).toEqual(forged);
    }
    const otherKey = { ...keyed, beaconKey: new Uint8Array(32) };
    expect(decodeBeacon(encodeBeacon(beacon, otherKey), keyed)).toEqual(forged);
  });

  test('beacon: signed with any key of the ring -> accepted; with the hash of one but not its key -> forged', () => {
    const other: BeaconCluster = { clusterHash: 'FFFF0000', beaconKey: new Uint8Array(32).fill(9) };
    for (const cluster of [keyed, other])
      expect(decodeBeacon(encodeBeacon(beacon, cluster), keyed, other).ok).toBe(true);
    const mixed = { ...other, beaconKey: keyed.beaconKey };
    expect(decodeBeacon(encodeBeacon(beacon, mixed), keyed, other)).toEqual(forged);
    expect(decodeBeacon(encodeBeacon(beacon, open), keyed, other)).toEqual(foreign);
  });

  test('beacon: any signed field changed -> forged', () => {
    const signed = fields(encodeBeacon(beacon, keyed));
    const changes = { node_id: 'till-4', tcp_port: 9001, interests: ['users'], v: 2, boot: 'boot-2', seq: 13 };
    for (const [name, value] of Object.entries(changes)) {
      expect(decodeBeacon(bytesOf({ ...signed, [name]: value }), keyed)).toEqual(forged);
    }
  });

  test('beacon: a field missing or wrong -> malformed', () => {
    const valid = fields(encodeBeacon(beacon, open));
    const wrong: Record<string, unknown[]> = {
      node_id: [undefined, 5, '', '-till', 'a b', 'x'.repeat(65), 'a\n'],
      tcp_port: [undefined, '9000', 0, -1, 65_536, 1.5, null],
      cluster_hash: [undefined, 5, null],
      interests: [undefined, 'users', [5], null],
      v: [undefined, 0, '1', 1.5],
      boot: [undefined, '', 5, 'x'.repeat(33), 'a.b'],
      seq: [undefined, -1, 2 ** 53, 0.5, '1', null],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        expect([name, value, decodeBeacon(bytesOf({ ...valid, [name]: value }), open)]).toEqual([
          name,
          value,
          malformed,
        ]);
      }
    }
  });

  test('beacon: of EntglDB itself -> malformed, because it names no boot', () => {
    const theirs = { node_id: 'till-3', tcp_port: 9000, cluster_hash: '', interests: ['users'] };
    expect(decodeBeacon(bytesOf(theirs), open)).toEqual(malformed);
  });

  test('beacon: of a later version, with unknown fields -> accepted', () => {
    const later = { ...fields(encodeBeacon(beacon, open)), v: 2, colour: 'green' };
    expect(decodeBeacon(bytesOf(later), open)).toEqual({ ok: true, beacon });
  });

  test('beacon: larger than the limit, not JSON, not UTF-8, not an object -> malformed', () => {
    const valid = encodeBeacon(beacon, open);
    const padded = (length: number) => Buffer.concat([valid, Buffer.alloc(length - valid.length, ' ')]);
    expect(decodeBeacon(padded(limits.beaconBytesMax), open)).toEqual({ ok: true, beacon });
    expect(decodeBeacon(padded(limits.beaconBytesMax + 1), open)).toEqual(malformed);
    for (const text of ['', '{', 'null', '5', '"x"', '[]', 'true', '[['.repeat(500)]) {
      expect(decodeBeacon(Buffer.from(text), open)).toEqual(malformed);
    }
    // In a field that is not read, so that only the encoding is wrong.
    const notUtf8 = Buffer.from(bytesOf({ ...fields(valid), colour: 'green' }));
    expect(decodeBeacon(notUtf8, open)).toEqual({ ok: true, beacon });
    notUtf8[notUtf8.indexOf('green')] = 0xff;
    expect(decodeBeacon(notUtf8, open)).toEqual(malformed);
  });

  test('decode: any bytes -> never throws, and never yields a beacon without the key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_200 }), (bytes) => {
        expect(decodeBeacon(bytes, keyed).ok).toBe(false);
        expect(decodeBeacon(bytes, open).ok).toBe(false);
      }),
    );
  });

  test('decode: a signed beacon with bytes changed -> never another beacon', () => {
    const signed = encodeBeacon(beacon, keyed);
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.integer({ min: 0, max: 255 }), (index, byte) => {
        const changed = Uint8Array.from(signed);
        changed[index] = byte;
        const decoded = decodeBeacon(changed, keyed);
        if (decoded.ok) expect(decoded.beacon).toEqual(beacon);
      }),
      { numRuns: 2_000 },
    );
  });

  test('decode: any JSON in place of any field -> never throws, and every accepted beacon is valid', () => {
    const valid = fields(encodeBeacon(beacon, open));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(valid)), fc.jsonValue(), (name, value) => {
        const decoded = decodeBeacon(bytesOf({ ...valid, [name]: value }), open);
        if (!decoded.ok) return;
        expect(decoded.beacon.nodeId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
        expect(decoded.beacon.boot).toMatch(/^[A-Za-z0-9_-]{1,32}$/);
        expect(decoded.beacon.port).toBeGreaterThanOrEqual(1);
        expect(decoded.beacon.port).toBeLessThanOrEqual(65_535);
        expect(Number.isSafeInteger(decoded.beacon.sequence) && decoded.beacon.sequence >= 0).toBe(true);
      }),
    );
  });
});
