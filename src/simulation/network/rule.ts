/**
 * A rule of the network: asked about a parcel, it returns a verdict, or leaves the parcel to the next rule.
 *
 * A stream of bytes stays ordered and whole, as in TCP: its bytes are never dropped or duplicated, they wait.
 */
import type { RandomStream } from '../random.js';

/** `dial` is a step of opening a connection, including the handshake; `bytes` goes over an open connection. */
export type ParcelKind = 'dial' | 'bytes' | 'datagram';

/** What one host sends to another at once. Hosts are named by their addresses. */
export interface Parcel {
  readonly from: string;
  readonly to: string;
  readonly kind: ParcelKind;
  /** Its size; 0 for a step that carries no user bytes, such as the end of a stream. */
  readonly bytes: number;
}

/** What happens to a parcel. */
export type Verdict =
  /** Arrives after this time. */
  | { readonly verdict: 'pass'; readonly latencyMs: number }
  /**
   * Arrives later than the weather says. Datagrams are overtaken meanwhile; on a stream, later bytes wait behind it.
   */
  | { readonly verdict: 'delay'; readonly byMs: number }
  /** Waits until then, or for as long as the rule is in the list, and is then judged again. */
  | { readonly verdict: 'hold'; readonly untilMs?: number }
  /** Datagrams only. */
  | { readonly verdict: 'drop' }
  /** Datagrams only: arrives twice, each copy with its own latency. */
  | { readonly verdict: 'duplicate' }
  /** Breaks the stream on both sides. The first `afterBytes` bytes still arrive. */
  | { readonly verdict: 'reset'; readonly afterBytes: number }
  /** Answers a dial on behalf of the other side: connection refused. Breaks an open stream. */
  | { readonly verdict: 'refuse' };

/** When and where a rule is asked. */
export interface Moment {
  readonly nowMs: number;
  /** The random stream of this rule for this pair of hosts: its draws change nothing else. */
  readonly random: RandomStream;
}

/** Whether a rule concerns parcels from one host to another. Must not change while the rule is in the list. */
export type Concern = (from: string, to: string) => boolean;

/**
 * The place of a rule in the list. Barriers come first: a parcel that a partition holds must not slip through as a copy
 * that another rule made. Rules that change the pace come last. Within a place, rules stand in the order of adding.
 */
export const rulePlaces = ['barrier', 'damage', 'pace'] as const;

/** Decides what happens to parcels; the first rule that returns a verdict wins. */
export interface Rule {
  /** A readable name, and the label of the rule's random stream: `cut 10.0.0.1 -> 10.0.0.2`. */
  readonly name: string;
  readonly place: (typeof rulePlaces)[number];
  /** All pairs by default. */
  readonly concerns?: Concern;
  /** When the rule leaves the list by itself. */
  readonly untilMs?: number;
  judge(parcel: Parcel, moment: Moment): Verdict | undefined;
}
