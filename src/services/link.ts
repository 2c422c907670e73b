/**
 * Speaks frames over one connection: bytes to events and back, with heartbeats once the other side is admitted.
 *
 * Before admission only small frames are read. Any error of the codec ends the connection: a stream that cannot be
 * understood at one place cannot be trusted after it.
 */
import { fromCallback } from 'xstate';
import { type Failure, failureOf } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Secret } from '../core/secret.js';
import type { LinkCommand, LinkReport } from '../protocol/events.js';
import { encodeFrame, FrameDecoder } from '../protocol/frame-codec.js';
import type { Frame, Heartbeat } from '../protocol/messages.js';
import type { Meter, Readings } from '../protocol/meter.js';
import type { Time } from '../protocol/ports.js';
import type { Intervals, LinkInput } from '../protocol/services.js';
import type { Acquaintances } from './acquaintances.js';
import type { Heartbeats, PulseHandle } from './heartbeat.js';

/** What all links of a node share. */
export interface LinkSurroundings {
  readonly time: Time;
  /** The ticker. */
  readonly heartbeats: Heartbeats;
  readonly meter: Meter;
  readonly acquaintances: Acquaintances;
}

export function createLink(surroundings: LinkSurroundings) {
  return fromCallback<LinkCommand, LinkInput>(({ input, receive }) => {
    const speaker = new Link(input, surroundings);
    receive((command) => {
      if (command.type === 'link.send') speaker.send(command.frame);
      else if (command.type === 'link.admit') speaker.admit(command);
      else speaker.adjust(command.intervals);
    });
    speaker.attach();
    return () => speaker.end();
  });
}

/** Changes of the round trip, and of the other clock, that nobody cares about. */
const roundTripStepMs = 0.5;
const clockStepMs = 250;

class Link {
  readonly #input: LinkInput;
  readonly #heartbeats: Heartbeats;
  readonly #time: Time;
  readonly #meter: Meter;
  readonly #acquaintances: Acquaintances;
  /** When batches were sent that wait for an acknowledgement, while somebody counts. */
  readonly #batchesSentMs = new Map<number, number>();
  readonly #decoder = new FrameDecoder(limits.frameBytesBeforeAdmissionMax);
  #pulse: PulseHandle | undefined;
  #isClosed = false;
  /** Whether the last digest heard was ours; undefined before the first. */
  #matches: boolean | undefined;
  #clockAnnouncedAtMs: number;
  #roundTripMs: number | undefined;
  #told: { readonly roundTripMs: number; readonly clockAheadMs: number } | undefined;
  #intervals: Intervals;
  /** The access tokens that the other side was shown last, and may repeat. */
  #shown: readonly Secret[] = [];

  constructor(input: LinkInput, { heartbeats, time, meter, acquaintances }: LinkSurroundings) {
    this.#input = input;
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
      drained: () => {},
      closed: (failure) => this.#close(failure),
    });
  }

  send(frame: Frame): void {
    if (this.#isClosed) return;
    const { connection } = this.#input;
    this.#rememberToken(frame);
    const bytes = encodeFrame(frame);
    connection.write(bytes);
    const { readings } = this.#meter;
    if (readings !== undefined) this.#countSent(readings, frame, bytes.length);
    // The window of batches bounds what is queued; more than that is a peer that does not read.
    if (connection.queuedBytes > limits.sendQueueBytesMax) {
      this.#fail({ code: 'connectionTimeout', message: 'The other side does not read what is sent to it.' });
    }
  }

  admit({ peerId, boot }: { peerId: NodeId; boot: Boot }): void {
    if (this.#isClosed) return;
    this.#decoder.frameBytesMax = limits.frameBytesMax;
    const { connection, store, scopes, isLocal } = this.#input;
    this.#acquaintances.note(connection.remoteHost);
    connection.admitted();
    this.#pulse = this.#heartbeats.start({
      peerId,
      boot,
      isLocal,
      intervalMs: this.#intervals.heartbeatIntervalMs,
      send: (heartbeat) => this.send(heartbeat),
      digest: () => store.digest(scopes),
      missed: (silentMs) =>
        this.#fail({ code: 'heartbeatMissed', message: `Nothing was heard for ${Math.round(silentMs)} ms.` }),
    });
  }

  adjust(intervals: Intervals): void {
    this.#intervals = intervals;
    this.#pulse?.adjust(intervals.heartbeatIntervalMs);
  }

  /** Sends what is queued and closes: nobody listens to this link any more. */
  end(): void {
    this.#pulse?.stop();
    this.#isClosed = true;
    this.#input.connection.end();
  }

  #read(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#pulse?.alive();
    const { readings } = this.#meter;
    readings?.bytes('received', bytes.length);
    try {
      this.#decoder.feed(bytes);
      for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) {
        if (readings !== undefined) this.#countReceived(readings, frame);
        if (frame.type === 'frame.heartbeat') this.#hear(frame);
        else this.#tell(this.#withoutTokens(frame));
        if (this.#isClosed) return;
      }
    } catch (error) {
      this.#fail(failureOf(error));
    }
  }

  #rememberToken(frame: Frame): void {
    if (frame.type !== 'frame.handshakeRequest' && frame.type !== 'frame.tokenRenewal') return;
    if (frame.token !== undefined) this.#shown = [...this.#shown.slice(-1), frame.token];
  }

  /** Here, since whoever records events would see it. */
  #withoutTokens<F extends Frame>(frame: F): F {
    if (this.#shown.length === 0) return frame;
    const plain = (message: string) => foreignText(message, { lengthMax: message.length, secrets: this.#shown });
    if (frame.type === 'frame.goodbye') return { ...frame, message: plain(frame.message) };
    if (frame.type !== 'frame.handshakeResponse' || frame.refusal === undefined) return frame;
    return { ...frame, refusal: { ...frame.refusal, message: plain(frame.refusal.message) } };
  }

  #countSent(readings: Readings, frame: Frame, bytes: number): void {
    readings.bytes('sent', bytes);
    readings.frame('sent', frame.type);
    if (frame.type === 'frame.batch') this.#batchesSentMs.set(frame.sequence, this.#time.monotonicMs());
  }

  #countReceived(readings: Readings, frame: Frame): void {
    readings.frame('received', frame.type);
    if (frame.type !== 'frame.acknowledgement') return;
    const sentMs = this.#batchesSentMs.get(frame.sequence);
    if (sentMs !== undefined) readings.batchAcknowledged((this.#time.monotonicMs() - sentMs) / 1_000);
    // One acknowledgement stands for all batches before it.
    for (const sequence of this.#batchesSentMs.keys()) {
      if (sequence <= frame.sequence) this.#batchesSentMs.delete(sequence);
    }
  }

  #hear(heartbeat: Heartbeat): void {
    // The other side may admit us a moment before we admit it.
    const milliseconds = this.#pulse?.heard(heartbeat);
    if (milliseconds !== undefined) this.#measure(milliseconds, heartbeat.wallMs);
    // What goes on in another cluster is no concern of ours.
    if (heartbeat.neighbours !== undefined && this.#input.isLocal) {
      this.#tell({ type: 'neighbours.changed', neighbours: new Set(heartbeat.neighbours) });
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
   * The round trip, smoothed as in RFC 6298, and by it how far the other clock is ahead of ours (Cristian, 1989). Told only when one of
   * them has moved: an event a heartbeat would cost more.
   */
  #measure(milliseconds: number, theirWallMs: number): void {
    const roundTripMs = this.#roundTripMs === undefined ? milliseconds : (7 * this.#roundTripMs + milliseconds) / 8;
    const clockAheadMs = Math.round(theirWallMs + milliseconds / 2 - this.#time.now());
    this.#roundTripMs = roundTripMs;
    const told = this.#told;
    if (
      told !== undefined &&
      Math.abs(roundTripMs - told.roundTripMs) <= Math.max(told.roundTripMs / 4, roundTripStepMs) &&
      Math.abs(clockAheadMs - told.clockAheadMs) <= clockStepMs
    ) {
      return;
    }
    this.#told = { roundTripMs, clockAheadMs };
    this.#tell({ type: 'heartbeat.measured', ...this.#told });
  }

  #fail(failure: Failure): void {
    this.#close(failure);
    this.#input.connection.destroy();
  }

  #close(failure: Failure | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pulse?.stop();
    this.#tell({ type: 'link.closed', failure });
  }

  #tell(report: LinkReport): void {
    this.#input.parent.send(report);
  }
}
