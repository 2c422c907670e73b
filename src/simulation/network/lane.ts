/**
 * One direction of a stream: packets arrive in the order in which they were sent, or not at all.
 *
 * What a rule holds keeps back everything behind it, as a lost segment does in TCP. What has departed arrives.
 */
import type { VirtualClock } from '../clock.js';
import type { Route } from './routes.js';
import type { ParcelKind } from './rule.js';
import type { Holdable, RuleList } from './rule-list.js';

/** Bytes, or something that happens at the other end when it arrives. */
export interface Packet {
  readonly kind: ParcelKind;
  readonly bytes: Uint8Array | undefined;
  readonly arrive: (() => void) | undefined;
}

export interface LaneOptions {
  readonly clock: VirtualClock;
  readonly rules: RuleList;
  readonly route: Route;
  received(bytes: Uint8Array): void;
  /** A rule breaks the stream: so much of what was sent shall still arrive, then the error. */
  broken(code: string, rest: Packet | undefined): void;
}

export class Lane implements Holdable {
  readonly #options: LaneOptions;
  /** Not judged yet, or held. */
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
    if (this.#waiting.length === 0 && route.isClear) {
      this.#depart(packet, route.drawLatencyMs());
      return;
    }
    this.#waiting.push(packet);
    if (!this.#isHeld) this.#judge();
  }

  /** Takes nothing more and gives up what waits; what travels arrives, and this behind it. */
  shut(...last: readonly (Packet | undefined)[]): void {
    if (this.#isShut) return;
    this.#isShut = true;
    this.#isHeld = false;
    this.#options.rules.forget(this);
    for (const packet of last) {
      if (packet !== undefined) this.#depart(packet, this.#options.route.drawLatencyMs());
    }
  }

  release(): void {
    this.#isHeld = false;
    this.#judge();
  }

  #judge(): void {
    const { route, rules, broken } = this.#options;
    for (let packet = this.#waiting[0]; packet !== undefined; packet = this.#waiting[0]) {
      const answer = route.ask(packet.kind, packet.bytes?.length ?? 0);
      if (answer === undefined) {
        this.#departNext(route.drawLatencyMs());
        continue;
      }
      const { verdict, by } = answer;
      switch (verdict.verdict) {
        case 'hold':
          this.#isHeld = true;
          rules.hold(this, by, verdict.untilMs);
          return;
        case 'reset':
          broken('ECONNRESET', beginningOf(packet, verdict.afterBytes));
          return;
        case 'refuse':
          broken(packet.kind === 'dial' ? 'ECONNREFUSED' : 'ECONNRESET', undefined);
          return;
        case 'drop':
        case 'duplicate':
          throw new Error(`Rule "${by.rule.name}" would ${verdict.verdict} a part of a stream: it can only hold it.`);
        case 'pass':
          this.#departNext(verdict.latencyMs);
          break;
        case 'delay':
          this.#departNext(verdict.byMs + route.drawLatencyMs());
          break;
      }
    }
  }

  #departNext(latencyMs: number): void {
    const packet = this.#waiting.shift();
    if (packet !== undefined) this.#depart(packet, latencyMs);
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
