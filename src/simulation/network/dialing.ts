/**
 * One attempt to open a connection, step by step as on the wire: the dial, its answer, and for a cluster key the proof of
 * each side to the other.
 *
 * Invariants, those of the real one: it settles once, within its timeout; whatever opens too late is closed. An attempt whose
 * process is gone never settles.
 */
import { dialCancelled } from '../../adapters/dial.js';
import { dialError, dialTimeout } from '../../adapters/network-errors.js';
import type { StatemeshError } from '../../core/errors.js';
import type { Connection, ConnectionSecurity, DialOptions, Timer } from '../../protocol/ports.js';
import type { VirtualClock } from '../clock.js';
import type { Taps } from './delivery.js';
import { systemError } from './errors.js';
import type { Listener } from './listener.js';
import type { Stream } from './stream.js';

export interface DialingOptions {
  readonly dial: DialOptions;
  readonly clock: VirtualClock;
  readonly taps: Taps;
  readonly stream: Stream;
  /** Who accepts connections there, when the dial arrives. */
  listener(): Listener | undefined;
  opened(connection: Connection): void;
  failed(error: StatemeshError): void;
  /** Either of the two, or given up. */
  settled(): void;
}

export class Dialing {
  readonly #options: DialingOptions;
  readonly #timeout: Timer;
  readonly #cancel = () => this.#fail(dialCancelled(this.#options.dial));
  #isConnected = false;
  #isSettled = false;

  constructor(options: DialingOptions) {
    this.#options = options;
    const { dial, clock, stream } = options;
    this.#timeout = clock.schedule(dial.timeoutMs, () => this.#fail(dialTimeout(dial.host, dial.port)));
    dial.signal.addEventListener('abort', this.#cancel, { once: true });
    stream.dialed.usher({
      data: () => this.#failBy(systemError('ERR_SSL_WRONG_VERSION_NUMBER')),
      closed: (cause) => this.#failBy(cause ?? new Error('closed by the other side')),
    });
    stream.dialed.signal(() => this.#arrived());
  }

  /** The network is closed. */
  cancel(): void {
    this.#cancel();
  }

  /** The process is gone, and nobody is there to hear of it. */
  abandon(): void {
    if (this.#settle()) this.#giveUp();
  }

  /** At the machine that was dialed. */
  #arrived(): void {
    const { stream, dial, listener: find } = this.#options;
    const listener = find();
    if (listener === undefined) {
      stream.accepted.signal(() => stream.dialed.broken('ECONNREFUSED'));
      return;
    }
    stream.accepted.signal(() => {
      this.#isConnected = true;
      if (dial.security.kind === 'none') this.#succeed();
      stream.dialed.signal(() => this.#handshake(listener));
    });
  }

  /** At the listener, which now knows of the connection. */
  #handshake(listener: Listener): void {
    const { dialed, accepted } = this.#options.stream;
    listener.connected(accepted, {
      security: this.#options.dial.security as ConnectionSecurity,
      proved: () => {
        if (dialed.isClosed) return;
        this.#succeed();
        dialed.signal(() => listener.secured(accepted));
      },
      refused: () => this.#failBy(systemError('ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')),
    });
  }

  #succeed(): void {
    if (!this.#settle()) return;
    const { dialed } = this.#options.stream;
    dialed.release();
    this.#options.opened(dialed);
  }

  #failBy(error: Error): void {
    const { host, port } = this.#options.dial;
    this.#fail(dialError(error, host, port));
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
