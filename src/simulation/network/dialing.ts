/**
 * One attempt to open a connection, step by step as on the wire: the dial, its answer, the handshake (with a cluster
 * key, each side proves it to the other; otherwise the server shows its certificate), and the upgrade to a WebSocket if
 * it is to be one.
 *
 * Invariants, as in the real network: an attempt settles once, within its timeout; a connection that opens too late is
 * closed. An attempt whose process is gone never settles.
 */

import { protectionOf, type SingleDialOptions } from '../../adapters/dial-by-ring.js';
import { dialCancelled, noWebSocket } from '../../adapters/dialing.js';
import { dialError, dialTimeout } from '../../adapters/network-errors.js';
import type { StatemeshError } from '../../core/errors.js';
import type { Connection, Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import { isTrusted } from './certificates.js';
import type { Taps } from './delivery.js';
import { systemError } from './errors.js';
import type { Handshake, Listener } from './listener.js';
import type { Stream } from './stream.js';

export interface DialingOptions {
  readonly dial: SingleDialOptions;
  readonly clock: VirtualClock;
  readonly taps: Taps;
  readonly stream: Stream;
  /** Whether a router lets the dial through to that machine, when it arrives. */
  isAdmitted(): boolean;
  /** The listener that accepts connections there, when the dial arrives. */
  listener(): Listener | undefined;
  opened(connection: Connection): void;
  failed(error: StatemeshError): void;
  /** Called when the attempt has opened, failed or been given up. */
  settled(): void;
}

export class Dialing {
  readonly #options: DialingOptions;
  readonly #timeout: Timer;
  readonly #cancel = () => this.#fail(dialCancelled(this.#options.dial));
  #isConnected = false;
  /** Whether the handshake is complete. */
  #isSecure = false;
  #isSettled = false;

  constructor(options: DialingOptions) {
    this.#options = options;
    const { dial, clock, stream } = options;
    this.#timeout = clock.schedule(dial.timeoutMs, () => this.#fail(dialTimeout(dial.host, dial.port)));
    dial.signal.addEventListener('abort', this.#cancel, { once: true });
    stream.dialed.usher({
      data: () => this.#misunderstood(),
      closed: (cause) => this.#failBy(cause ?? new Error('closed by the other side')),
    });
    stream.dialed.signal(() => this.#arrived());
  }

  /** The network is closed. */
  cancel(): void {
    this.#cancel();
  }

  /** The process is gone and receives no result. */
  abandon(): void {
    if (this.#settle()) this.#giveUp();
  }

  /** The dial has arrived at the machine. */
  #arrived(): void {
    const { stream, dial, isAdmitted, listener: find } = this.#options;
    if (!isAdmitted()) return;
    const listener = find();
    if (listener === undefined) {
      stream.accepted.signal(() => stream.dialed.broken('ECONNREFUSED'));
      return;
    }
    stream.accepted.signal(() => {
      this.#isConnected = true;
      this.#isSecure = dial.security.kind === 'none';
      if (dial.security.kind === 'none' && dial.webSocketPath === undefined) this.#succeed();
      stream.dialed.signal(() => this.#handshake(listener));
    });
  }

  /** Starts the handshake at the listener, which now knows of the connection. */
  #handshake(listener: Listener): void {
    const { stream, dial } = this.#options;
    listener.connected(stream.accepted, {
      security: dial.security,
      isUpgrading: dial.webSocketPath !== undefined,
      answered: (proof) => this.#answered(listener, proof),
      refused: () => this.#failBy(systemError(alerted)),
      upgraded: () => {
        if (!stream.dialed.isClosed) this.#succeed();
      },
    });
  }

  #answered(listener: Listener, proof: Parameters<Handshake['answered']>[0]): void {
    const { stream, dial } = this.#options;
    const { security, host, webSocketPath } = dial;
    if (stream.dialed.isClosed) return;
    const isBelieved =
      security.kind === 'verified'
        ? proof.kind === 'certificate' && isTrusted(proof.certificate, { ca: security.ca, host })
        : proof.kind === 'key';
    if (!isBelieved) {
      this.#failBy(systemError(untrusted));
      return;
    }
    this.#isSecure = true;
    if (webSocketPath === undefined) this.#succeed();
    stream.dialed.signal(() => listener.secured(stream.accepted));
  }

  #succeed(): void {
    if (!this.#settle()) return;
    const { dialed } = this.#options.stream;
    dialed.protection = protectionOf(this.#options.dial.security);
    dialed.release();
    this.#options.opened(dialed);
  }

  /** Other bytes mean that the listener understands neither the handshake nor the upgrade. */
  #misunderstood(): void {
    const { dial } = this.#options;
    if (this.#isSecure && dial.webSocketPath !== undefined) this.#fail(noWebSocket(dial, 'it answers otherwise'));
    else this.#failBy(systemError(notTls));
  }

  #failBy(error: Error): void {
    const { host, port, security } = this.#options.dial;
    this.#fail(dialError(error, host, port, security.kind));
  }

  #fail(error: StatemeshError): void {
    if (!this.#settle()) return;
    this.#giveUp();
    this.#options.failed(error);
  }

  #giveUp(): void {
    const { stream } = this.#options;
    if (this.#isConnected) stream.dialed.vanish();
    else stream.discard();
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#timeout.cancel();
    this.#options.dial.signal.removeEventListener('abort', this.#cancel);
    this.#options.settled();
    return true;
  }
}

const notTls = 'ERR_SSL_WRONG_VERSION_NUMBER';
const untrusted = 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY';
const alerted = 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE';
