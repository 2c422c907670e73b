/**
 * Beacons: the UDP datagrams by which nodes find each other. They have the format of EntglDB, with a version, the boot,
 * a sequence number and an HMAC added (see docs/architecture.md).
 *
 * Invariants: `decodeBeacon` accepts any bytes and never throws. Every field of a beacon that it returns is validated.
 * With a key, only beacons written by a holder of the key pass. A replayed beacon does pass: boot and sequence let the
 * reader notice it, and a beacon only ever suggests which node to dial.
 */
import { assert } from '../core/errors.js';
import { type Boot, isBoot, isNodeId, type NodeId } from '../core/ids.js';
import { authenticationCode, isEqualInConstantTime } from '../core/keys.js';
import { limits } from '../core/limits.js';

export interface Beacon {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  /** Counts up with each beacon of one boot. */
  readonly sequence: number;
  /** The TCP port on which the node listens. */
  readonly port: number;
}

export interface BeaconCluster {
  /** 8 upper-case hex digits, or "" without a key. */
  readonly clusterHash: string;
  /** Undefined with security `none`: beacons are then neither signed nor checked. */
  readonly beaconKey: Uint8Array | undefined;
}

export type DecodedBeacon =
  | { readonly ok: true; readonly beacon: Beacon }
  | {
      readonly ok: false;
      /**
       * `foreignCluster`: of another cluster, or of a node of this cluster that has another key. `malformed`: not a
       * beacon of statemesh; that includes EntglDB's own beacons, which name no boot. `forged`: claims our cluster
       * without its key.
       */
      readonly reason: 'foreignCluster' | 'malformed' | 'forged';
    };

export function encodeBeacon(beacon: Beacon, cluster: BeaconCluster): Uint8Array {
  const fields: BeaconFields = {
    node_id: beacon.nodeId,
    tcp_port: beacon.port,
    cluster_hash: cluster.clusterHash,
    interests: [],
    v: beaconVersion,
    boot: beacon.boot,
    seq: beacon.sequence,
  };
  const mac = cluster.beaconKey && authenticationCode(cluster.beaconKey, canonicalText(fields));
  const bytes = new TextEncoder().encode(JSON.stringify({ ...fields, mac }));
  assert(bytes.length <= limits.beaconBytesMax, 'A beacon is larger than the limit.');
  return bytes;
}

/**
 * Decodes and checks a datagram.
 *
 * @param clusters One for each key of the ring: a beacon signed with any of them is accepted
 */
export function decodeBeacon(bytes: Uint8Array, ...clusters: readonly BeaconCluster[]): DecodedBeacon {
  const value = parse(bytes);
  if (value === undefined) return { ok: false, reason: 'malformed' };
  // First, because a foreign cluster may run another version with other fields.
  const { cluster_hash } = value;
  const claimed = clusters.filter(({ clusterHash }) => clusterHash === cluster_hash);
  if (typeof cluster_hash === 'string' && claimed.length === 0) {
    return { ok: false, reason: 'foreignCluster' };
  }
  if (!areBeaconFields(value)) return { ok: false, reason: 'malformed' };
  if (!claimed.some(({ beaconKey }) => beaconKey === undefined || isAuthentic(value, beaconKey)))
    return { ok: false, reason: 'forged' };
  return {
    ok: true,
    beacon: { nodeId: value.node_id, boot: value.boot, sequence: value.seq, port: value.tcp_port },
  };
}

const beaconVersion = 1;

interface BeaconFields {
  readonly node_id: NodeId;
  readonly tcp_port: number;
  readonly cluster_hash: string;
  readonly interests: readonly string[];
  readonly v: number;
  readonly boot: Boot;
  readonly seq: number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  if (bytes.length > limits.beaconBytesMax) return undefined;
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function areBeaconFields(value: object): value is BeaconFields & { mac?: unknown } {
  const { node_id, tcp_port, cluster_hash, interests, v, boot, seq } = value as Record<string, unknown>;
  return (
    typeof node_id === 'string' &&
    isNodeId(node_id) &&
    isIntegerWithin(tcp_port, 1, 65_535) &&
    typeof cluster_hash === 'string' &&
    Array.isArray(interests) &&
    interests.every((interest) => typeof interest === 'string') &&
    // A later version may add fields; the handshake decides whether the two nodes understand each other.
    isIntegerWithin(v, beaconVersion, Number.MAX_SAFE_INTEGER) &&
    typeof boot === 'string' &&
    isBoot(boot) &&
    isIntegerWithin(seq, 0, Number.MAX_SAFE_INTEGER)
  );
}

function isIntegerWithin(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isAuthentic(fields: BeaconFields & { mac?: unknown }, beaconKey: Uint8Array): boolean {
  return (
    typeof fields.mac === 'string' &&
    isEqualInConstantTime(fields.mac, authenticationCode(beaconKey, canonicalText(fields)))
  );
}

/** The text under the HMAC: a JSON array, so that two different beacons never have the same text. */
function canonicalText({ v, node_id, tcp_port, cluster_hash, interests, boot, seq }: BeaconFields): string {
  return JSON.stringify(['statemesh beacon', v, node_id, tcp_port, cluster_hash, interests, boot, seq]);
}
