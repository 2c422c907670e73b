/**
 * What a rule of the network is: asked about a parcel, it answers what becomes of it, or leaves that to the next one.
 *
 * A stream of bytes stays ordered and whole, as TCP has it: its bytes are never dropped or duplicated, they wait.
 */
import type { RandomStream } from '../random.js';

/** `dial` is a step of opening a connection, the handshake included; `bytes` is what goes over an open one. */
export type ParcelKind = 'dial' | 'bytes' | 'datagram';

/** What one host sends to another at once. Hosts are named by their addresses. */
export interface Parcel {
  readonly from: string;
  readonly to: string;
  readonly kind: ParcelKind;
  /** Its size; 0 for a step that carries no bytes of the user, such as the end of a stream. */
  readonly bytes: number;
}

/** What becomes of a parcel. */
export type Verdict =
  /** Arrives after this time. */
  | { readonly verdict: 'pass'; readonly latencyMs: number }
  /** Arrives later than the weather has it. Datagrams are overtaken meanwhile; what follows on a stream waits behind. */
  | { readonly verdict: 'delay'; readonly byMs: number }
  /** Waits until then, or for as long as the rule is in the list, and is then judged anew. */
  | { readonly verdict: 'hold'; readonly untilMs?: number }
  /** Datagrams only. */
  | { readonly verdict: 'drop' }
  /** Datagrams only: arrives twice, each in its own time. */
  | { readonly verdict: 'duplicate' }
  /** Breaks the stream on both sides. The first so many of the bytes still arrive. */
  | { readonly verdict: 'reset'; readonly afterBytes: number }
  /** Answers a dial in the place of the other side: nobody accepts connections here. Breaks an open stream. */
  | { readonly verdict: 'refuse' };

/** When and where a rule is asked. */
export interface Moment {
  readonly nowMs: number;
  /** Of this rule for this pair of hosts alone: what it draws shifts nothing else. */
  readonly random: RandomStream;
}

/** Whether a rule concerns what goes from one host to another. Must not change while the rule is in the list. */
export type Concern = (from: string, to: string) => boolean;

/**
 * Where in the list a rule stands. Barriers come first: what a partition keeps back must not slip through as the copy that
 * another rule has made of it. What changes the pace comes last. Within a place, rules stand in the order of adding.
 */
export const rulePlaces = ['barrier', 'damage', 'pace'] as const;

/** Says what becomes of what is sent; the first rule that answers wins. */
export interface Rule {
  /** For people, and the label of its random stream: `cut 10.0.0.1 -> 10.0.0.2`. */
  readonly name: string;
  readonly place: (typeof rulePlaces)[number];
  /** All pairs when left out. */
  readonly concerns?: Concern;
  /** When the rule leaves the list by itself. */
  readonly untilMs?: number;
  judge(parcel: Parcel, moment: Moment): Verdict | undefined;
}
