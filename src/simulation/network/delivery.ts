/** What passes on the network, for those who record it. Costs nothing when nobody does. */

/** What is said over a stream: frames, HTTP, or nothing that means anything. */
export type Speech = 'bytes' | 'http' | 'noise';

/** Something has reached its destination. */
export interface Delivery {
  /** Virtual ms since the world began. */
  readonly atMs: number;
  /** Addresses of machines. */
  readonly from: string;
  readonly to: string;
  /**
   * `accepted`, `refused`: what came of a dial. `bytes`: frames of a node, or parts of them; `http`: bytes from and to a web server;
   * `noise`: bytes from and to a stranger.
   * `closed`: the other side has ended a stream. `reset`: a stream has broken.
   */
  readonly kind: 'accepted' | 'refused' | Speech | 'datagram' | 'closed' | 'reset';
  /** Which stream; undefined for datagrams, and for dials that have found nobody. */
  readonly stream?: number;
  /** What arrived; not to be changed. */
  readonly bytes: Uint8Array | undefined;
}

/** Something was said to all who listen, whoever hears it. */
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
