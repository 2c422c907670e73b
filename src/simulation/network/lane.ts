/**
 * One direction of a stream: packets arrive in the order in which they were sent, or not at all.
 *
 * A packet that a rule holds keeps back everything behind it, as a lost segment does in TCP. A packet that has departed
 * arrives. On a narrow line packets wait for their turn, and depart in pieces.
 */
import type { VirtualClock } from '../clock.js';
import type { Piece, Sender } from './bottleneck.js';
import type { Route } from './routes.js';
import type { ParcelKind } from './rule.js';
import type { Holdable, RuleList } from './rule-list.js';

/** Bytes, or a callback that runs at the other end on arrival. */
export interface Packet {
  readonly kind: ParcelKind;
  readonly bytes: Uint8Array | undefined;
  readonly arrive: (() => void) | undefined;
  /** Not part of the bytes of the stream: on a narrow line it overtakes the packets that wait. */
  readonly isUrgent?: boolean;
}

export interface LaneOptions {
  readonly clock: VirtualClock;
  readonly rules: RuleList;
  readonly route: Route;
  received(bytes: Uint8Array): void;
  /** A rule breaks the stream: `rest`, a part of what was sent, still arrives, then the error. */
  broken(code: string, rest: Packet | undefined): void;
}

export class Lane implements Holdable, Sender {
  readonly #options: LaneOptions;
  /** Packets that are not judged yet, or held: by a rule, or for a turn on a narrow line. */
  readonly #waiting: Packet[] = [];
  readonly #travelling: Packet[] = [];
  readonly #deliver = () => this.#arrived();
  #lastArrivalMs = 0;
  #isHeld = false;
  #isShut = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  send(packet: Packet): void {
    if (this.#isShut) return;
    const { route } = this.#options;
    if (route.bottleneck !== undefined) {
      this.#queue(packet);
      if (!this.#isHeld) route.bottleneck.admit(this);
      return;
    }
    if (this.#waiting.length === 0 && route.isClear) {
      this.#depart(packet, route.drawLatencyMs());
      return;
    }
    this.#waiting.push(packet);
    if (!this.#isHeld) this.#judge();
  }

  /** Accepts no more packets and drops those that wait. Packets in flight arrive, and `last` behind them. */
  shut(...last: readonly (Packet | undefined)[]): void {
    if (this.#isShut) return;
    this.#isShut = true;
    this.#isHeld = false;
    this.#waiting.length = 0;
    this.#options.rules.forget(this);
    for (const packet of last) {
      if (packet !== undefined) this.#depart(packet, this.#options.route.drawLatencyMs());
    }
  }

  /** Drops what still waits for its turn on a narrow line; the other end no longer needs it. */
  discardQueue(): void {
    if (this.#options.route.bottleneck !== undefined && !this.#isHeld) this.#waiting.length = 0;
  }

  release(): void {
    this.#isHeld = false;
    const { bottleneck } = this.#options.route;
    if (bottleneck === undefined) this.#judge();
    else bottleneck.admit(this);
  }

  takeTurn(bytesMax: number): Piece | undefined {
    const packet = this.#waiting[0];
    if (packet === undefined || this.#isHeld) return undefined;
    const piece = beginningOf(packet, bytesMax) ?? packet;
    const latencyMs = this.#latencyOf(piece);
    if (latencyMs === undefined) return undefined;
    this.#waiting.shift();
    if (piece.bytes !== undefined && packet.bytes !== undefined && piece.bytes.length < packet.bytes.length) {
      this.#waiting.unshift({ ...packet, bytes: packet.bytes.subarray(piece.bytes.length) });
    }
    const sent = () => {
      if (!this.#isShut) this.#depart(piece, latencyMs);
    };
    return { bytes: piece.bytes?.length ?? 0, sent };
  }

  #queue(packet: Packet): void {
    const index = packet.isUrgent ? this.#waiting.findIndex(({ isUrgent }) => !isUrgent) : -1;
    this.#waiting.splice(index < 0 ? this.#waiting.length : index, 0, packet);
  }

  #judge(): void {
    for (let packet = this.#waiting[0]; packet !== undefined; packet = this.#waiting[0]) {
      const latencyMs = this.#latencyOf(packet);
      if (latencyMs === undefined) return;
      this.#waiting.shift();
      this.#depart(packet, latencyMs);
    }
  }

  /** How long a packet takes; undefined when it does not depart, because a rule holds it or has broken the stream. */
  #latencyOf(packet: Packet): number | undefined {
    const { route, rules, broken } = this.#options;
    const answer = route.ask(packet.kind, packet.bytes?.length ?? 0);
    if (answer === undefined) return route.drawLatencyMs();
    const { verdict, by } = answer;
    switch (verdict.verdict) {
      case 'hold':
        this.#isHeld = true;
        rules.hold(this, by, verdict.untilMs);
        return undefined;
      case 'reset':
        broken('ECONNRESET', beginningOf(packet, verdict.afterBytes));
        return undefined;
      case 'refuse':
        broken(packet.kind === 'dial' ? 'ECONNREFUSED' : 'ECONNRESET', undefined);
        return undefined;
      case 'drop':
      case 'duplicate':
        throw new Error(`Rule "${by.rule.name}" would ${verdict.verdict} a part of a stream: it can only hold it.`);
      case 'pass':
        return verdict.latencyMs + route.lineLatencyMs;
      case 'delay':
        return verdict.byMs + route.drawLatencyMs();
    }
  }

  #depart(packet: Packet, latencyMs: number): void {
    const { clock } = this.#options;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, clock.nowMs + latencyMs);
    this.#travelling.push(packet);
    // Bytes settle no promise by themselves; a step of a dial does.
    clock.scheduleAt(this.#lastArrivalMs, this.#deliver, packet.bytes !== undefined);
  }

  #arrived(): void {
    const packet = this.#travelling.shift();
    if (packet?.bytes !== undefined) this.#options.received(packet.bytes);
    else packet?.arrive?.();
  }
}

function beginningOf({ kind, bytes }: Packet, length: number): Packet | undefined {
  return bytes === undefined || length <= 0 ? undefined : { kind, bytes: bytes.subarray(0, length), arrive: undefined };
}
