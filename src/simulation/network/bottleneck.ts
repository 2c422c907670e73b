/**
 * One direction of a narrow or long line between two machines: what a machine sends waits until the line has carried
 * what was sent before.
 *
 * Invariants: streams that want to send take turns, each with a piece that is small enough not to make the others wait
 * long, as TCP shares a line among connections. A piece on the line arrives. A waiting piece is judged by the rules
 * when its turn comes, so that a cut holds it. A line draws no random numbers: a world without one runs as before.
 */
import type { Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';

/** The bandwidth and latency of one direction of a line. */
export interface LineQuality {
  readonly bytesPerSecond: number;
  /** Added to the latency of the weather, one way. */
  readonly latencyMs: number;
}

/** A stream direction that takes turns on a line. */
export interface Sender {
  /**
   * Takes its turn.
   *
   * @returns What goes on the line now, at most `bytesMax` bytes; undefined when there is nothing
   */
  takeTurn(bytesMax: number): Piece | undefined;
  /** The line was removed: nothing has to wait for it. */
  release(): void;
}

/** What a sender puts on the line at once. */
export interface Piece {
  readonly bytes: number;
  /** Called when the line has carried it: it is in flight to the other side. */
  sent(): void;
}

/** A piece occupies the line for about this long, unless that would be less than a packet or more than one read. */
const turnMs = 5;
/** What TCP puts into one packet on Ethernet. */
const packetBytes = 1_448;
const pieceBytesMax = 64 * 1024;

export class Bottleneck {
  quality: LineQuality;
  readonly #clock: VirtualClock;
  /** In the order of their turns. */
  readonly #senders = new Set<Sender>();
  #current: { readonly piece: Piece; readonly timer: Timer } | undefined;
  #isTakingTurns = false;

  constructor(clock: VirtualClock, quality: LineQuality) {
    this.#clock = clock;
    this.quality = quality;
  }

  /** How long the line is busy with this many bytes. */
  busyMs(bytes: number): number {
    return (1_000 * bytes) / this.quality.bytesPerSecond;
  }

  /** Adds a sender that has something to send. */
  admit(sender: Sender): void {
    this.#senders.add(sender);
    this.#takeTurns();
  }

  /** Removes the line and releases everything that has waited for it. */
  dissolve(): void {
    this.#current?.timer.cancel();
    this.#isTakingTurns = true;
    this.#current?.piece.sent();
    for (const sender of this.#senders) sender.release();
    this.#senders.clear();
  }

  #takeTurns(): void {
    if (this.#isTakingTurns) return;
    this.#isTakingTurns = true;
    while (this.#current === undefined) {
      const [sender] = this.#senders;
      if (sender === undefined) break;
      this.#senders.delete(sender);
      const piece = sender.takeTurn(this.#pieceBytes());
      if (piece === undefined) continue;
      // The sender queues behind all others again.
      this.#senders.add(sender);
      if (piece.bytes === 0) piece.sent();
      else this.#carry(piece);
    }
    this.#isTakingTurns = false;
  }

  #carry(piece: Piece): void {
    const carried = () => {
      this.#current = undefined;
      piece.sent();
      this.#takeTurns();
    };
    this.#current = { piece, timer: this.#clock.schedule(this.busyMs(piece.bytes), carried, true) };
  }

  #pieceBytes(): number {
    const bytes = Math.floor((this.quality.bytesPerSecond * turnMs) / 1_000);
    return Math.min(pieceBytesMax, Math.max(packetBytes, bytes));
  }
}
