/** What passes on the network, for observers that record it. Costs nothing when none does. */

/** What a stream carries: frames, HTTP, or meaningless noise. */
export type Speech = 'bytes' | 'http' | 'noise';

/** Something that has reached its destination. */
export interface Delivery {
  /** Virtual ms since the world began. */
  readonly atMs: number;
  /** Addresses of machines. */
  readonly from: string;
  readonly to: string;
  /**
   * `accepted`, `refused`: the result of a dial. `bytes`: frames of a node, or parts of them; `http`: bytes from and to
   * a web server; `noise`: bytes from and to a stranger. `closed`: the other side has ended a stream. `reset`: a stream
   * has broken.
   */
  readonly kind: 'accepted' | 'refused' | Speech | 'datagram' | 'closed' | 'reset';
  /** The number of the stream; undefined for datagrams, and for dials that reached no listener. */
  readonly stream?: number;
  /** The bytes that arrived; not to be changed. */
  readonly bytes: Uint8Array | undefined;
}

/** A datagram that was sent, whether or not a node receives it. */
export interface Broadcast {
  readonly atMs: number;
  readonly from: string;
  readonly port: number;
  readonly bytes: Uint8Array;
}

export interface Taps {
  onDelivery: ((delivery: Delivery) => void) | undefined;
  onBroadcast: ((broadcast: Broadcast) => void) | undefined;
}
