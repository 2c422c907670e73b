/**
 * The messages between two nodes. Each frame on the wire becomes one event of a session, named `frame.*`.
 *
 * Order on a connection: the handshake request (by the dialer) and the response, one vector clock from each side, then
 * batches and acknowledgements both ways. Heartbeats start at admission. Heartbeats, parcels and progress never reach a
 * machine.
 */

import type { AuthorKey } from '../core/author.js';
import type { Position, Run } from '../core/entry.js';
import type { ErrorCode } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { Presence, RelayedPresence } from '../core/liveness.js';
import type { Secret } from '../core/secret.js';

/** Raised when two versions can no longer understand each other. */
export const protocolVersion = 1;

/** The identity that a node claims. The cluster key proves membership; within the cluster, a member's word counts. */
export interface Identity {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  /** Where it listens, so that a peer that it dialed can dial back. */
  readonly port: number;
}

export interface HandshakeRequest {
  readonly type: 'frame.handshakeRequest';
  readonly version: number;
  readonly identity: Identity;
  /** The OAuth2 access token, for a cloud node. On the local network the cluster key has already been proved. */
  readonly token: Secret | undefined;
}

export interface HandshakeResponse {
  readonly type: 'frame.handshakeResponse';
  readonly version: number;
  readonly identity: Identity;
  /** The reason for a refusal; undefined when accepted. */
  readonly refusal: Refusal | undefined;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** How far the sender of this frame has come in every chain. */
export interface VectorClockFrame {
  readonly type: 'frame.vectorClock';
  /** An iterable: a received clock is decoded on each walk, and never held in memory as a whole. */
  readonly clock: Iterable<readonly [AuthorKey, Position]>;
  /** The last batch that the clock takes into account; later ones were still in flight. */
  readonly received: number;
}

/** Asks for a vector clock: the sender has left entries out and needs to know whether they arrived by another path. */
export interface VectorClockRequest {
  readonly type: 'frame.vectorClockRequest';
}

export interface BatchFrame {
  readonly type: 'frame.batch';
  /** 1, 2, 3, ... on a connection. */
  readonly sequence: number;
  readonly runs: readonly Run[];
  /** The only entry of the batch comes without its payload, which was sent before in the parts of a {@link Parcel}. */
  readonly isCarried?: boolean;
  /** Asks for a {@link ProgressFrame}. */
  readonly wantsProgress?: boolean;
}

/**
 * Announces a large document that comes in parts, between which other frames come. A connection carries one at a time;
 * a new parcel replaces the one before.
 */
export interface Parcel {
  readonly type: 'frame.parcel';
  /** The hash of the entry. It identifies the document if it is sent again in another session. */
  readonly hash: string;
  /** Size of the entry's payload as UTF-8. */
  readonly size: number;
  /** Where the parts begin: the receiver already holds the bytes before it. */
  readonly offset: number;
}

/** The next bytes of the parcel. */
export interface Part {
  readonly type: 'frame.part';
  readonly bytes: Uint8Array;
  readonly wantsProgress?: boolean;
}

/** How much of the parcel the receiver holds from an earlier session: the sender continues there. */
export interface ParcelHeld {
  readonly type: 'frame.parcelHeld';
  readonly hash: string;
  readonly held: number;
}

/**
 * The answer to a request for progress: how many bytes of the connection have been read. Heartbeats and
 * acknowledgements tell it, too.
 */
export interface ProgressFrame {
  readonly type: 'frame.progress';
  readonly received: number;
}

/** The batch is on the receiver's disk, as far as it could be applied. */
export interface Acknowledgement {
  readonly type: 'frame.acknowledgement';
  readonly sequence: number;
  /** How many bytes of the connection have been read. The link adds it. */
  readonly received?: number;
}

/**
 * The batch has arrived but cannot be written. The receiver tries again, and sends this frame at each attempt. The
 * sender waits, and sends no more than its window.
 */
export interface BatchHeld {
  readonly type: 'frame.batchHeld';
  readonly sequence: number;
  readonly code: ErrorCode;
}

export interface Heartbeat {
  readonly type: 'frame.heartbeat';
  readonly sequence: number;
  /** The last heartbeat heard from the other side and how long ago, to measure the round trip. */
  readonly echo: number;
  readonly heldMs: number;
  /** The sender's wall clock, ms since 1970, by which nodes notice a wrong clock. It decides nothing. */
  readonly wallMs: number;
  /** How often the sender sends heartbeats; its silence is judged by this interval. */
  readonly intervalMs: number;
  /** Digest of the vector clock. */
  readonly digest: string;
  /** How many bytes of the connection have been read. The link adds it. */
  readonly received?: number;
  /**
   * The other nodes with which the sender has sessions; only if they changed since the last heartbeat. Never over a
   * cloud link.
   */
  readonly neighbors: readonly NodeId[] | undefined;
  /** The sender's own sign of life. Undefined over a cloud link, and from a node that takes no part in elections. */
  readonly presence: Presence | undefined;
  /** The nodes that the sender knows to be live and that have no session with the receiver: all of them, each time. */
  readonly relayed: readonly RelayedPresence[];
}

/** A new access token for a cloud node, before the token of the handshake or of the last renewal expires. */
export interface TokenRenewal {
  readonly type: 'frame.tokenRenewal';
  readonly token: Secret;
}

/** Asks whether the receiver is still there. Sent when another process claims the receiver's NodeId. */
export interface Ping {
  readonly type: 'frame.ping';
}

export interface Pong {
  readonly type: 'frame.pong';
}

/** The sender listens on another port from now on. The port of its handshake stays open only for a moment. */
export interface Relocated {
  readonly type: 'frame.relocated';
  readonly port: number;
}

/** The last frame before an orderly end. */
export interface Goodbye {
  readonly type: 'frame.goodbye';
  readonly code: ErrorCode;
  readonly message: string;
}

/** Frames that links handle among themselves. */
export const linkFrames = [
  'frame.heartbeat',
  'frame.progress',
  'frame.parcel',
  'frame.part',
  'frame.parcelHeld',
] as const satisfies readonly Frame['type'][];

/** A later answer of these types contains the earlier one, so that the last one is enough. */
export const answerFrames: readonly Frame['type'][] = [
  'frame.pong',
  'frame.vectorClock',
  'frame.acknowledgement',
  'frame.progress',
  'frame.parcelHeld',
];

export type Frame =
  | HandshakeRequest
  | HandshakeResponse
  | VectorClockFrame
  | VectorClockRequest
  | BatchFrame
  | Parcel
  | Part
  | ParcelHeld
  | ProgressFrame
  | Acknowledgement
  | BatchHeld
  | Heartbeat
  | Ping
  | Pong
  | Goodbye
  | TokenRenewal
  | Relocated;
