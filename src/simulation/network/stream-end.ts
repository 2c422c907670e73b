/**
 * One end of a stream, like a socket: with its own queue, a window for bytes in flight, and an end of each direction.
 *
 * Invariants, as for the port: nothing is read before `attach`, so nothing is lost. Handlers are never called from
 * inside `attach`, `write`, `end` or `destroy`. `closed` is called exactly once, and nothing after it. An end that was
 * ended closes even if the other end does not. As with sockets, bytes that the network has accepted arrive even if
 * their sender is gone.
 */

import { addressText, connectionLost } from '../../adapters/network-errors.js';
import type { Failure } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { Connection, ConnectionHandlers, Protection, Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import type { Delivery, Speech, Taps } from './delivery.js';
import { systemError } from './errors.js';
import type { Lane, Packet } from './lane.js';

/** Bytes that the network accepts before the other side has read any of them. */
const windowBytes = 256 * 1024;
/** The largest piece that arrives at once, so that a long write comes in parts. */
const segmentBytesMax = 64 * 1024;

const theEnd = Symbol('the other side has ended');

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface StreamEndOptions {
  /** The number of its stream, for observers. */
  readonly stream: number;
  readonly speech: Speech;
  readonly clock: VirtualClock;
  readonly taps: Taps;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** The handler of an end before there is a connection to hand over. */
export interface Usher {
  data(bytes: Uint8Array): void;
  closed(cause: Error | undefined): void;
}

export class StreamEnd implements Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly remoteAddress: string;
  /** Set when the handshake has proved it. */
  protection: Protection = { kind: 'none' };
  queuedBytes = 0;
  isClosed = false;
  /** Set by the listener that accepted it: called when the other side has identified itself. */
  onAdmitted: (() => void) | undefined;
  other!: StreamEnd;
  /** The lane to the other end. */
  out!: Lane;
  /** Counts the streams of the network. */
  readonly stream: number;
  readonly #speech: Speech;
  readonly #clock: VirtualClock;
  readonly #taps: Taps;
  readonly #closeListeners: (() => void)[] = [];
  readonly #sending: Uint8Array[] = [];
  readonly #unread: (Uint8Array | typeof theEnd)[] = [];
  #handlers: ConnectionHandlers | undefined;
  #isFlowing = false;
  #isPaused = false;
  #underWayBytes = 0;
  #isWriterWaiting = false;
  #hasEnded = false;
  #hasSentEnd = false;
  #hasHeardEnd = false;
  #hasReset = false;
  #cause: Error | undefined;
  #failure: Failure | undefined;
  #isTold = false;
  #linger: Timer | undefined;

  constructor({ stream, speech, clock, taps, local, remote }: StreamEndOptions) {
    this.stream = stream;
    this.#speech = speech;
    this.#clock = clock;
    this.#taps = taps;
    this.local = local;
    this.remote = remote;
    this.remoteAddress = addressText(remote.address, remote.port);
  }

  connect(out: Lane, other: StreamEnd): void {
    this.out = out;
    this.other = other;
  }

  get remoteHost(): string {
    return this.remote.address;
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  // What a program does with a connection

  admitted(): void {
    this.onAdmitted?.();
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#clock.schedule(0, () => {
      this.#isFlowing = true;
      if (this.isClosed) this.#tellClosed();
      else this.#read();
    });
  }

  /** Takes the bytes without copying: from now on they belong to the network, and must not be changed. */
  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.#hasEnded) return false;
    this.#sending.push(bytes);
    this.queuedBytes += bytes.length;
    this.#send();
    this.#isWriterWaiting ||= this.queuedBytes >= limits.sendQueueHighBytes;
    return !this.#isWriterWaiting;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#clock.schedule(0, () => this.#read());
  }

  end(): void {
    if (this.isClosed) return;
    this.#endWriting();
    this.#startLinger();
    this.#closeIfDone();
  }

  destroy(): void {
    if (this.isClosed) return;
    // A socket that is closed before everything was read resets the connection: the other side must not believe that
    // everything was read.
    if (this.#unread.some((item) => item !== theEnd)) this.#sendReset();
    else this.#sendEnd();
    this.close();
  }

  /** Closes at once, for a reason that its owner receives. */
  lose(failure: Failure): void {
    this.#failure = failure;
    this.destroy();
  }

  // What the network does with it

  /** Lets an usher handle this end until `release`. Nothing else may have been attached. */
  usher(usher: Usher): void {
    this.#handlers = { data: (bytes) => usher.data(bytes), drained: () => {}, closed: () => usher.closed(this.#cause) };
    this.#isFlowing = true;
    this.#read();
  }

  /** From here on, arriving bytes wait for `attach`. */
  release(): void {
    this.#handlers = undefined;
    this.#isFlowing = false;
  }

  /** Sends a step of the handshake. */
  signal(arrive: () => void): void {
    this.out.send({ kind: 'dial', bytes: undefined, arrive });
  }

  /** The process at this end is gone: no handler is called any more. */
  vanish(): void {
    this.#handlers = undefined;
    this.destroy();
  }

  /** Sends only the rest of the current packet, and then the news that the stream has broken. */
  breakOut(code: string, rest?: Packet): void {
    this.out.shut(rest, { kind: 'bytes', bytes: undefined, arrive: () => this.other.broken(code) });
  }

  received(bytes: Uint8Array): void {
    if (this.isClosed) {
      this.#sendReset();
      return;
    }
    if (this.#taps.onDelivery !== undefined) this.#tap(this.#speech, bytes);
    this.#unread.push(bytes);
    this.#read();
  }

  broken(code: string): void {
    this.out.discardQueue();
    if (this.isClosed) return;
    this.#tap(code === 'ECONNREFUSED' ? 'refused' : 'reset');
    this.close(systemError(code));
  }

  close(cause?: Error): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#cause = cause;
    this.#linger?.cancel();
    this.#unread.length = 0;
    this.#sending.length = 0;
    this.queuedBytes = 0;
    for (const listener of this.#closeListeners.splice(0)) listener();
    this.#clock.schedule(0, () => this.#tellClosed());
  }

  #read(): void {
    while (this.#isFlowing && !this.#isPaused && this.#handlers !== undefined) {
      const next = this.#unread.shift();
      if (next === undefined) return;
      if (next === theEnd) {
        this.#hasHeardEnd = true;
        this.#endWriting();
        this.#startLinger();
        this.#closeIfDone();
      } else {
        this.#acknowledge(next.length);
        this.#handlers.data(next);
      }
    }
  }

  /**
   * Tells the other end that it may send more. Only an end that waits notices, so only then the message takes time on
   * the network.
   */
  #acknowledge(bytes: number): void {
    const { other } = this;
    if (other.#sending.length === 0) other.#underWayBytes -= bytes;
    else this.out.send({ kind: 'bytes', bytes: undefined, arrive: () => other.#acknowledged(bytes), isUrgent: true });
  }

  #acknowledged(bytes: number): void {
    this.#underWayBytes -= bytes;
    if (!this.isClosed) this.#send();
  }

  #send(): void {
    for (let next = this.#sending[0]; next !== undefined; next = this.#sending[0]) {
      const length = Math.min(next.length, segmentBytesMax, windowBytes - this.#underWayBytes);
      if (length <= 0 && next.length > 0) return;
      if (length === next.length) this.#sending.shift();
      else this.#sending[0] = next.subarray(length);
      this.queuedBytes -= length;
      this.#underWayBytes += length;
      this.out.send({
        kind: 'bytes',
        bytes: length === next.length ? next : next.subarray(0, length),
        arrive: undefined,
      });
    }
    if (this.#hasEnded) {
      this.#sendEnd();
      this.#closeIfDone();
    } else if (this.#isWriterWaiting) {
      this.#isWriterWaiting = false;
      this.#handlers?.drained();
    }
  }

  #endWriting(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#send();
  }

  #sendEnd(): void {
    if (this.#hasSentEnd) return;
    this.#hasSentEnd = true;
    this.out.send({ kind: 'bytes', bytes: undefined, arrive: () => this.other.#ended() });
  }

  #sendReset(): void {
    if (this.#hasReset) return;
    this.#hasReset = true;
    this.out.discardQueue();
    this.out.send({ kind: 'bytes', bytes: undefined, arrive: () => this.other.broken('ECONNRESET') });
  }

  #ended(): void {
    if (this.isClosed) return;
    this.#tap('closed');
    this.#unread.push(theEnd);
    this.#read();
  }

  #closeIfDone(): void {
    if (this.#hasSentEnd && this.#hasHeardEnd) this.close();
  }

  /** Destroys an ended connection that makes no progress. */
  #startLinger(): void {
    if (this.#linger !== undefined || this.isClosed) return;
    const wait = (queuedBefore: number): void => {
      this.#linger = this.#clock.schedule(limits.lingerMs, () => {
        if (this.queuedBytes > 0 && this.queuedBytes < queuedBefore) wait(this.queuedBytes);
        else this.destroy();
      });
    };
    wait(this.queuedBytes);
  }

  #tellClosed(): void {
    if (this.#isTold || this.#handlers === undefined) return;
    this.#isTold = true;
    this.#handlers.closed(this.#failure ?? (this.#cause && connectionLost(this.#cause, this.remoteAddress)));
  }

  #tap(kind: Delivery['kind'], bytes?: Uint8Array): void {
    const { onDelivery } = this.#taps;
    if (onDelivery === undefined) return;
    const [from, to] = [this.remote.address, this.local.address];
    onDelivery({ atMs: this.#clock.nowMs, from, to, kind, stream: this.stream, bytes });
  }
}
