/**
 * Speaks frames over one connection: bytes to events and back, with heartbeats after the other side is admitted.
 *
 * Frames that can wait (batches, and large documents in parts) are written at the rate that the link carries: see
 * `core/link-rate.ts`. All other frames go before them, so that heartbeats and acknowledgements get through on the
 * slowest link.
 *
 * Before admission only small frames are read. Any error of the codec ends the connection: a stream that cannot be
 * understood at one place cannot be trusted after it.
 *
 * The other side may send anything, in any amount. All links together take a bounded part of each turn of the event
 * loop, and hold a bounded number of bytes; beyond that the other side waits. Answers to a peer that does not read are
 * not queued: the last answer of each type goes out when there is room. What it says of our batches is checked against
 * what was written: neither a false acknowledgement nor a false count of bytes makes this node hold more.
 */
import { fromCallback } from 'xstate';
import type { LinkCommand, LinkReport } from '../actors/mailboxes.js';
import type { LinkInput } from '../actors/slots.js';
import type { Intervals } from '../configuration/configured.js';
import type { Entry, Run } from '../core/entry.js';
import { type Failure, failureOf, StatemeshError } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import type { Meter, Readings } from '../ports/meter.js';
import type { Time } from '../ports/ports.js';
import { encodeFrame, FrameDecoder } from '../wire/framing.js';
import { answerFrames, type BatchFrame, type Frame, type Heartbeat, type Part } from '../wire/messages.js';
import type { Acquaintances } from './acquaintances.js';
import type { Heartbeats, PulseHandle } from './heartbeat.js';
import { IncomingParcels, type KeptParcels, OutgoingParcel } from './parcels.js';
import { ReadingTurns } from './reading-turns.js';
import { type ReceiveAccount, ReceiveBudget } from './receive-budget.js';

/** What all links of a node share. */
export interface LinkSurroundings {
  readonly time: Time;
  /** The ticker. */
  readonly heartbeats: Heartbeats;
  readonly meter: Meter;
  readonly acquaintances: Acquaintances;
  /** Partial documents of sessions that broke. */
  readonly keptParcels: KeptParcels;
}

interface Shared extends LinkSurroundings {
  readonly turns: ReadingTurns;
  readonly budget: ReceiveBudget;
}

interface SentBatch {
  readonly sentMs: number;
  /** Where it ends in the stream. */
  readonly end: number;
  /** Since when it is known to have arrived. */
  arrivedAtMs: number | undefined;
}

type Measured = Omit<Extract<LinkReport, { type: 'heartbeat.measured' }>, 'type'>;

export function createLink(surroundings: LinkSurroundings) {
  const { time } = surroundings;
  const shared = { ...surroundings, turns: new ReadingTurns(time), budget: new ReceiveBudget(time) };
  return fromCallback<LinkCommand, LinkInput>(({ input, receive }) => {
    const speaker = new Link(input, shared);
    receive((command) => {
      if (command.type === 'link.send') speaker.send(command.frame);
      else if (command.type === 'link.carry') speaker.carry(command.entry);
      else if (command.type === 'link.drop') speaker.drop();
      else if (command.type === 'link.admit') speaker.admit(command);
      else speaker.adjust(command.intervals);
    });
    speaker.attach();
    return () => speaker.end();
  });
}

/** Changes of the round trip, and of the other clock, below which no event is sent. */
const roundTripStepMs = 0.5;
const clockStepMs = 250;

class Link {
  readonly #input: LinkInput;
  readonly #heartbeats: Heartbeats;
  readonly #time: Time;
  readonly #meter: Meter;
  readonly #acquaintances: Acquaintances;
  readonly #rate: LinkRate;
  readonly #keptParcels: KeptParcels;
  /** Batches that are sent and not acknowledged. */
  readonly #unacknowledged = new Map<number, SentBatch>();
  /** The last batch that is written. */
  #lastWritten = 0;
  readonly #decoder = new FrameDecoder(limits.frameBytesBeforeAdmissionMax);
  /** Batches that wait until the link has carried what is before them. The sender's window bounds them. */
  readonly #waiting: BatchFrame[] = [];
  #outgoing: OutgoingParcel | undefined;
  /** Whether the next turn, shared by batches and the parts of a large document, is the document's. */
  #isPartsTurn = false;
  #incoming: IncomingParcels | undefined;
  /** Bytes of this connection that have been read. */
  #received = 0;
  #greetedAtMs: number | undefined;
  readonly #turns: ReadingTurns;
  readonly #account: ReceiveAccount;
  readonly #continueReading = (): void => this.#readOn();
  /** Bytes that have arrived and wait for their turn, in order. */
  readonly #unread: Uint8Array[] = [];
  #isInLine = false;
  /** How long to rest before the next frame. */
  #restMs = 0;
  /** Batches that were handed over and are not acknowledged yet: bytes by sequence. */
  readonly #batches = new Map<number, number>();
  /** Answers that wait for room, because the other side does not read. */
  readonly #owed = new Map<Frame['type'], Frame>();
  #isFull = false;
  /** Whether the connection was told not to read. */
  #isPaused = false;
  #pulse: PulseHandle | undefined;
  #isClosed = false;
  /** Whether the last received digest equaled this node's; undefined before the first. */
  #matches: boolean | undefined;
  #clockAnnouncedAtMs: number;
  #told: Measured | undefined;
  #intervals: Intervals;
  /** The access tokens that the other side was shown last, and may repeat. */
  #shown: readonly Secret[] = [];

  constructor(input: LinkInput, { heartbeats, time, meter, acquaintances, keptParcels, turns, budget }: Shared) {
    this.#input = input;
    this.#turns = turns;
    this.#account = budget.open({
      pause: () => this.#flow(),
      resume: () => this.#flow(),
      giveUp: () =>
        this.#fail({
          code: 'receiveBudgetExceeded',
          message: `A frame of at least ${this.#account.partialBytes} bytes was not completed while others needed the room.`,
        }),
    });
    this.#rate = input.rate;
    this.#keptParcels = keptParcels;
    this.#intervals = input.intervals;
    this.#heartbeats = heartbeats;
    this.#time = time;
    this.#meter = meter;
    this.#acquaintances = acquaintances;
    this.#clockAnnouncedAtMs = time.monotonicMs();
  }

  attach(): void {
    this.#input.connection.attach({
      data: (bytes) => this.#read(bytes),
      drained: () => this.#drained(),
      closed: (failure) => this.#close(failure),
    });
  }

  send(frame: Frame): void {
    if (this.#isClosed) return;
    switch (frame.type) {
      case 'frame.batch':
        this.#waiting.push(frame);
        this.#pump();
        return;
      case 'frame.acknowledgement':
        this.#applied(frame.sequence);
        this.#write({ ...frame, received: this.#received }, 'urgent');
        return;
      case 'frame.handshakeRequest':
      case 'frame.handshakeResponse':
        this.#greetedAtMs = this.#time.monotonicMs();
        this.#write(frame, 'urgent');
        return;
      default:
        this.#write(frame, 'urgent');
    }
  }

  /** Sends a document in parts, between all other frames. */
  carry(entry: Entry): void {
    if (this.#isClosed) return;
    this.#outgoing = new OutgoingParcel(entry);
    this.#pump();
  }

  drop(): void {
    this.#outgoing = undefined;
  }

  admit({ peerId, boot, origin }: { peerId: NodeId; boot: Boot; origin: Origin }): void {
    if (this.#isClosed) return;
    this.#decoder.frameBytesMax = limits.frameBytesMax;
    this.#incoming = new IncomingParcels(origin, this.#keptParcels);
    const { connection, store, scopes, isLocal } = this.#input;
    this.#acquaintances.note(connection.remoteHost);
    connection.admitted();
    this.#pulse = this.#heartbeats.start({
      peerId,
      boot,
      isLocal,
      intervalMs: this.#intervals.heartbeatIntervalMs,
      send: (heartbeat) => this.#beat(heartbeat),
      digest: () => store.digest(scopes),
      missed: (silentMs) => {
        // The other side is not silent: this node is not reading.
        if (this.#isHeldBack) this.#pulse?.alive();
        else this.#fail({ code: 'heartbeatMissed', message: `Nothing was heard for ${Math.round(silentMs)} ms.` });
      },
    });
  }

  adjust(intervals: Intervals): void {
    this.#intervals = intervals;
    this.#pulse?.adjust(intervals.heartbeatIntervalMs);
  }

  /** Sends what is queued and closes: the parent receives no more events of this link. */
  end(): void {
    this.#pulse?.stop();
    this.#incoming?.leave();
    this.#isClosed = true;
    this.#letGo();
    this.#input.connection.end();
  }

  /** Writes waiting frames, as far as the link has carried the earlier ones and the connection has room. */
  #pump(): void {
    while (this.#mayPump && this.#rate.mayWrite()) {
      const parts = this.#mayWriteParts ? this.#outgoing : undefined;
      this.#isPartsTurn = parts === undefined;
      if (parts === undefined) this.#writeBatch(this.#waiting.shift() as BatchFrame);
      else this.#writePart(parts);
    }
  }

  /** What is still queued here cannot have arrived, whatever the other side claims. */
  get #mayPump(): boolean {
    return !this.#isClosed && !this.#isFull && (this.#waiting.length > 0 || this.#outgoing !== undefined);
  }

  /**
   * Parts and batches take turns. The other side holds one document in parts until a batch names it, so the parts of
   * the next document wait for that batch.
   */
  get #mayWriteParts(): boolean {
    if (this.#waiting.some(({ isCarried }) => isCarried === true)) return false;
    return this.#isPartsTurn || this.#waiting.length === 0;
  }

  #writeBatch(batch: BatchFrame): void {
    this.#lastWritten = batch.sequence;
    const now = this.#time.monotonicMs();
    const wantsProgress = this.#rate.shouldAsk(batch.isCarried === true ? 0 : roughBytesOf(batch), now);
    this.#write(wantsProgress ? { ...batch, wantsProgress } : batch, wantsProgress ? 'asking' : 'bulk');
    this.#unacknowledged.set(batch.sequence, { sentMs: now, end: this.#rate.written, arrivedAtMs: undefined });
  }

  #writePart(parcel: OutgoingParcel): void {
    const announcement = parcel.announce();
    if (announcement !== undefined) this.#write(announcement, 'bulk');
    const bytesMax = this.#rate.partBytes;
    const asks = this.#rate.shouldAsk(Math.min(bytesMax, parcel.bytesLeft), this.#time.monotonicMs());
    this.#write(parcel.next(bytesMax, asks), asks ? 'asking' : 'bulk');
    if (!parcel.isSent) return;
    this.#outgoing = undefined;
    this.#tell({ type: 'parcel.sent', hash: parcel.hash });
  }

  #write(frame: Frame, kind: 'urgent' | 'bulk' | 'asking'): void {
    if (this.#isClosed) return;
    if (this.#isFull && answerFrames.includes(frame.type)) {
      this.#owed.set(frame.type, frame);
      return;
    }
    const { connection } = this.#input;
    this.#rememberToken(frame);
    const bytes = encodeFrame(frame);
    this.#rate.wrote(bytes.length, this.#time.monotonicMs(), kind);
    this.#isFull = !connection.write(bytes);
    const { readings } = this.#meter;
    if (readings !== undefined) this.#countSent(readings, frame, bytes.length);
    // Frames that can wait do wait. So a long queue means that the peer does not read.
    if (connection.queuedBytes > limits.sendQueueBytesMax) {
      this.#fail({ code: 'connectionTimeout', message: 'The other side does not read what is sent to it.' });
    }
  }

  /**
   * Each heartbeat also checks whether sent bytes make progress. Bytes queued before the heartbeat delay the next one,
   * and the other side is told.
   */
  #beat(heartbeat: Heartbeat): void {
    const overdue = this.#overdue(this.#time.monotonicMs());
    if (overdue !== undefined) {
      this.#fail({ code: 'connectionTimeout', message: overdue });
      return;
    }
    const intervalMs = Math.min(heartbeat.intervalMs + Math.round(this.#rate.queueMs), limits.heartbeatIntervalMaxMs);
    this.#write({ ...heartbeat, intervalMs, received: this.#received }, 'urgent');
  }

  /** Moving bytes keep a session alive, however many are still to come. */
  #overdue(now: number): string | undefined {
    const rate = this.#rate;
    const stalledMs = rate.stalledMs(now);
    if (stalledMs > rate.patienceMs) {
      return `None of the ${rate.inFlightBytes} bytes in flight has arrived for ${Math.round(stalledMs)} ms.`;
    }
    for (const batch of this.#unacknowledged.values()) {
      if (batch.end > rate.arrived) break;
      batch.arrivedAtMs ??= now;
      if (now - batch.arrivedAtMs <= limits.applyPatienceMs) continue;
      return `The other side received a batch ${limits.applyPatienceMs} ms ago and has not written it to its disk.`;
    }
    return undefined;
  }

  #read(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#pulse?.alive();
    this.#received += bytes.length;
    const { readings } = this.#meter;
    readings?.bytes('received', bytes.length);
    this.#unread.push(bytes);
    if (!this.#isInLine) this.#readOn();
  }

  /** Reads arrived bytes, as far as this turn of the event loop allows. */
  #readOn(): void {
    if (this.#isClosed) return;
    const wasInLine = this.#isInLine;
    this.#isInLine = false;
    try {
      if ((wasInLine || this.#turns.begin()) && this.#readFrames()) {
        this.#hold();
      } else {
        this.#isInLine = true;
        this.#turns.wait(this.#continueReading, this.#restMs);
        this.#restMs = 0;
      }
    } catch (error) {
      this.#fail(failureOf(error));
      return;
    }
    this.#flow();
  }

  /** @returns false when there is more to read, and the turn is over */
  #readFrames(): boolean {
    const { readings } = this.#meter;
    for (;;) {
      const frame = this.#decoder.next();
      if (frame === undefined) {
        const bytes = this.#unread.shift();
        if (bytes === undefined) return true;
        this.#decoder.feed(bytes);
        continue;
      }
      readings?.frame('received', frame.type);
      this.#take(this.#withoutTokens(frame));
      if (this.#isClosed) return true;
      if (!this.#turns.goesOn()) {
        this.#restMs = this.#turns.restMs;
        return false;
      }
    }
  }

  /** Batches up to this one are on disk. */
  #applied(sequence: number): void {
    for (const batch of this.#batches.keys()) if (batch <= sequence) this.#batches.delete(batch);
    this.#hold();
  }

  #hold(): void {
    let batchBytes = 0;
    for (const bytes of this.#batches.values()) batchBytes += bytes;
    this.#account.hold({ partialBytes: this.#decoder.heldBytes + (this.#incoming?.heldBytes ?? 0), batchBytes });
  }

  /** Whether the other side waits for this node. */
  get #isHeldBack(): boolean {
    return this.#isInLine || this.#account.isPaused;
  }

  #flow(): void {
    if (this.#isClosed || this.#isHeldBack === this.#isPaused) return;
    this.#isPaused = this.#isHeldBack;
    if (this.#isPaused) this.#input.connection.pause();
    else this.#input.connection.resume();
  }

  #drained(): void {
    this.#isFull = false;
    const owed = [...this.#owed.values()];
    this.#owed.clear();
    for (const frame of owed) this.#write(frame, 'urgent');
    this.#pump();
  }

  #letGo(): void {
    this.#unread.length = 0;
    this.#turns.forget(this.#continueReading);
    this.#account.close();
  }

  #rememberToken(frame: Frame): void {
    if (frame.type !== 'frame.handshakeRequest' && frame.type !== 'frame.tokenRenewal') return;
    if (frame.token !== undefined) this.#shown = [...this.#shown.slice(-1), frame.token];
  }

  /** Removed here, because event recorders would see the tokens. */
  #withoutTokens<F extends Frame>(frame: F): F {
    if (this.#shown.length === 0) return frame;
    const plain = (message: string) => foreignText(message, { lengthMax: message.length, secrets: this.#shown });
    if (frame.type === 'frame.goodbye') return { ...frame, message: plain(frame.message) };
    if (frame.type !== 'frame.handshakeResponse' || frame.refusal === undefined) return frame;
    return { ...frame, refusal: { ...frame.refusal, message: plain(frame.refusal.message) } };
  }

  #take(frame: Frame): void {
    const now = this.#time.monotonicMs();
    switch (frame.type) {
      case 'frame.heartbeat':
        this.#rate.heard(frame.received ?? 0, now);
        this.#hear(frame);
        this.#pump();
        return;
      case 'frame.acknowledgement':
        this.#assertWritten(frame.sequence);
        this.#rate.heard(frame.received ?? 0, now);
        this.#settle(frame.sequence, now);
        this.#tell(frame);
        this.#pump();
        return;
      case 'frame.batchHeld':
        this.#assertWritten(frame.sequence);
        // The other side is alive, and cannot write at present: the watch starts again.
        for (const batch of this.#unacknowledged.values()) batch.arrivedAtMs = undefined;
        this.#tell(frame);
        return;
      case 'frame.progress':
        this.#admitted();
        this.#rate.answered(frame.received, now);
        this.#pump();
        return;
      case 'frame.parcelHeld':
        this.#admitted();
        this.#outgoing?.skip(frame);
        return;
      case 'frame.parcel': {
        const answer = this.#admitted().begin(frame);
        if (answer !== undefined) this.#write(answer, 'urgent');
        return;
      }
      case 'frame.part':
        this.#admitted().add(frame);
        this.#answer(frame);
        return;
      case 'frame.batch':
        this.#answer(frame);
        this.#handOver(frame);
        return;
      case 'frame.vectorClock':
        this.#assertWritten(frame.received);
        this.#greeted(now);
        this.#tell(frame);
        return;
      case 'frame.handshakeResponse':
        this.#greeted(now);
        this.#tell(frame);
        return;
      default:
        this.#tell(frame);
    }
  }

  #handOver(frame: BatchFrame): void {
    const carriedBytes = frame.isCarried === true ? this.#admitted().heldBytes : 0;
    const batch = frame.isCarried === true ? this.#completed(frame) : frame;
    this.#batches.set(frame.sequence, this.#decoder.frameBytes + carriedBytes);
    this.#hold();
    this.#tell(batch);
  }

  /** The first round trip, before any heartbeat has measured one. */
  #greeted(now: number): void {
    if (this.#greetedAtMs !== undefined) this.#rate.roundTrip(now - this.#greetedAtMs, now);
    this.#greetedAtMs = undefined;
  }

  #admitted(): IncomingParcels {
    if (this.#incoming !== undefined) return this.#incoming;
    throw new StatemeshError('unexpectedFrame', 'The frame is not expected in this state of the session.');
  }

  /** Otherwise the sender would read and queue without end: its window holds what is not acknowledged. */
  #assertWritten(sequence: number): void {
    if (sequence <= this.#lastWritten) return;
    throw new StatemeshError(
      'unexpectedFrame',
      `The other side answers to batch ${sequence}, but ${this.#lastWritten} is the last that was sent to it.`,
    );
  }

  #answer({ wantsProgress }: BatchFrame | Part): void {
    if (wantsProgress === true && this.#incoming !== undefined) {
      this.#write({ type: 'frame.progress', received: this.#received }, 'urgent');
    }
  }

  /** Inserts the payload that has come in parts. */
  #completed({ type, sequence, runs }: BatchFrame): BatchFrame {
    const [run] = runs as readonly [Run];
    const [entry] = run.entries as readonly [Entry];
    const payload = this.#admitted().open(entry.hash);
    return { type, sequence, runs: [{ ...run, entries: [{ ...entry, payload }] }] };
  }

  #countSent(readings: Readings, frame: Frame, bytes: number): void {
    readings.bytes('sent', bytes);
    readings.frame('sent', frame.type);
  }

  #settle(acknowledged: number, now: number): void {
    const sentMs = this.#unacknowledged.get(acknowledged)?.sentMs;
    if (sentMs !== undefined) this.#meter.readings?.batchAcknowledged((now - sentMs) / 1_000);
    // One acknowledgement covers all earlier batches.
    for (const sequence of this.#unacknowledged.keys()) {
      if (sequence <= acknowledged) this.#unacknowledged.delete(sequence);
    }
  }

  #hear(heartbeat: Heartbeat): void {
    // The other side may admit this node a moment before this node admits it.
    const milliseconds = this.#pulse?.heard(heartbeat);
    if (milliseconds !== undefined) this.#measure(milliseconds, heartbeat.wallMs);
    // Neighbors in another cluster are irrelevant.
    if (heartbeat.neighbors !== undefined && this.#input.isLocal) {
      this.#tell({ type: 'neighbors.changed', neighbors: new Set(heartbeat.neighbors) });
    }
    const { store, scopes } = this.#input;
    const before = this.#matches;
    this.#matches = heartbeat.digest === store.digest(scopes);
    if (this.#matches && before !== true) this.#tell({ type: 'heartbeat.matched' });
    const now = this.#time.monotonicMs();
    if (!this.#matches && now - this.#clockAnnouncedAtMs >= this.#intervals.syncIntervalMs) {
      this.#clockAnnouncedAtMs = now;
      this.#tell({ type: 'heartbeat.differed' });
    }
  }

  /**
   * How far the other clock is ahead of this node's, computed from the round trip (Cristian, 1989). Reported only when
   * one of them, or the rate of the link, has moved, because an event per heartbeat would cost more.
   */
  #measure(milliseconds: number, theirWallMs: number): void {
    this.#rate.roundTrip(milliseconds, this.#time.monotonicMs());
    const roundTripMs = this.#rate.roundTripMs as number;
    const bytesPerSecond = this.#rate.bytesPerSecond;
    const clockAheadMs = Math.round(theirWallMs + milliseconds / 2 - this.#time.now());
    const told = this.#told;
    if (
      told !== undefined &&
      Math.abs(roundTripMs - told.roundTripMs) <= Math.max(told.roundTripMs / 4, roundTripStepMs) &&
      Math.abs(clockAheadMs - told.clockAheadMs) <= clockStepMs &&
      Math.abs((bytesPerSecond ?? 0) - (told.bytesPerSecond ?? 0)) <= (told.bytesPerSecond ?? 0) / 4
    ) {
      return;
    }
    this.#told = { roundTripMs, clockAheadMs, bytesPerSecond };
    this.#tell({ type: 'heartbeat.measured', ...this.#told });
  }

  #fail(failure: Failure): void {
    this.#close(failure);
    this.#input.connection.destroy();
  }

  #close(failure: Failure | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#letGo();
    this.#pulse?.stop();
    this.#incoming?.leave();
    this.#tell({ type: 'link.closed', failure });
  }

  #tell(report: LinkReport): void {
    this.#input.parent.send(report);
  }
}

/** The approximate size of a batch on the wire: a stamp, a hash and a key besides the payload. */
function roughBytesOf({ runs }: BatchFrame): number {
  let bytes = 0;
  for (const { entries } of runs) for (const { payload } of entries) bytes += payload.length + 80;
  return bytes;
}
