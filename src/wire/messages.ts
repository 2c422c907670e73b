/**
 * What two nodes say to each other. Each frame on the wire becomes one event of a session, named `frame.*`.
 *
 * Order on a connection: handshake request (by the dialer) and response, one vector clock from each side, then batches
 * and acknowledgements both ways. Heartbeats start with the admission and never reach a machine, nor do parcels and progress.
 */

import type { AuthorKey } from '../core/author.js';
import type { Position, Run } from '../core/entry.js';
import type { ErrorCode } from '../core/errors.js';
import type { Boot, NodeId } from '../core/ids.js';
import type { Presence, RelayedPresence } from '../core/liveness.js';
import type { Secret } from '../core/secret.js';

/** Raised when two versions cannot understand each other. */
export const protocolVersion = 1;

/** Who a node says it is. The cluster key proves membership; within the cluster the word of a member counts. */
export interface Identity {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  /** Where it listens, so that a peer whom it dialed can dial back. */
  readonly port: number;
}

export interface HandshakeRequest {
  readonly type: 'frame.handshakeRequest';
  readonly version: number;
  readonly identity: Identity;
  /** The OAuth2 access token, to a cloud node; on the local network the cluster key has been proved already. */
  readonly token: Secret | undefined;
}

export interface HandshakeResponse {
  readonly type: 'frame.handshakeResponse';
  readonly version: number;
  readonly identity: Identity;
  /** Why not; undefined when accepted. */
  readonly refusal: Refusal | undefined;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** How far the sender of this frame has come in every chain. */
export interface VectorClockFrame {
  readonly type: 'frame.vectorClock';
  /** To be walked through: what came from elsewhere is read anew each time, and never whole in memory. */
  readonly clock: Iterable<readonly [AuthorKey, Position]>;
  /** The last batch that the clock takes into account; later ones were still on their way. */
  readonly received: number;
}

/** Asks for a vector clock: the sender has left entries out and wants to know whether they came by another way. */
export interface VectorClockRequest {
  readonly type: 'frame.vectorClockRequest';
}

export interface BatchFrame {
  readonly type: 'frame.batch';
  /** 1, 2, 3, ... on a connection. */
  readonly sequence: number;
  readonly runs: readonly Run[];
  /** Its only entry has come without its payload, which was sent before, in the parts of a {@link Parcel}. */
  readonly isCarried?: boolean;
  /** Asks for {@link ProgressFrame}. */
  readonly wantsProgress?: boolean;
}

/** A large document is coming, in parts, between which other frames come. One at a time on a connection; another one takes its place. */
export interface Parcel {
  readonly type: 'frame.parcel';
  /** Of the entry: says what it is, should it be sent again in another session. */
  readonly hash: string;
  /** Of its payload as UTF-8. */
  readonly size: number;
  /** Where the parts begin: what is before is there already. */
  readonly offset: number;
}

/** The next bytes of the parcel. */
export interface Part {
  readonly type: 'frame.part';
  readonly bytes: Uint8Array;
  readonly wantsProgress?: boolean;
}

/** So much of the parcel is there, of an earlier session: go on from here. */
export interface ParcelHeld {
  readonly type: 'frame.parcelHeld';
  readonly hash: string;
  readonly held: number;
}

/** An answer to whoever asked: so many bytes of the connection have been read. Heartbeats and acknowledgements say it, too. */
export interface ProgressFrame {
  readonly type: 'frame.progress';
  readonly received: number;
}

/** The batch is on the disk of the receiver, as far as it could be applied. */
export interface Acknowledgement {
  readonly type: 'frame.acknowledgement';
  readonly sequence: number;
  /** How many bytes of the connection have been read. The link adds it. */
  readonly received?: number;
}

/** The batch has arrived, but cannot be written: the receiver tries again, and says so each time. The sender waits, and sends no more than its window. */
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
  /** The sender's wall clock, ms since 1970: so nodes notice whose clock is wrong. Nothing is decided by it. */
  readonly wallMs: number;
  /** How often the sender beats: it must not be judged by another measure. */
  readonly intervalMs: number;
  /** Digest of the vector clock. */
  readonly digest: string;
  /** How many bytes of the connection have been read. The link adds it. */
  readonly received?: number;
  /** With whom else the sender has a session; only when it changed since the last heartbeat. Never over a cloud link. */
  readonly neighbours: readonly NodeId[] | undefined;
  /** How the sender is. Undefined over a cloud link, and from a node that takes no part in elections. */
  readonly presence: Presence | undefined;
  /** Those whom the sender knows to be live, and who have no session with the receiver: all of them, each time. */
  readonly relayed: readonly RelayedPresence[];
}

/** To a cloud node: a fresh access token, before the one of the handshake, or of the last renewal, expires. */
export interface TokenRenewal {
  readonly type: 'frame.tokenRenewal';
  readonly token: Secret;
}

/** Are you there? Sent when somebody else claims the receiver's NodeId. */
export interface Ping {
  readonly type: 'frame.ping';
}

export interface Pong {
  readonly type: 'frame.pong';
}

/** The sender listens on another port from now on, and on the one of its handshake only for a moment. */
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
