/**
 * A port on which connections are accepted, with its limits.
 *
 * Invariants, those of the real one: each connection ends in exactly one of `accepted`, `refused` or the close of the listener;
 * at most `unauthenticatedMax` are in the handshake and `connectionsMax` open in all; a handshake has a deadline; closing
 * leaves accepted connections alone.
 */
import { handshakeFailure } from '../../adapters/network-errors.js';
import type { Failure } from '../../core/errors.js';
import type { ConnectionSecurity, ListenOptions, Timer } from '../../protocol/ports.js';
import type { VirtualClock } from '../clock.js';
import type { Taps } from './delivery.js';
import { systemError } from './errors.js';
import type { StreamEnd } from './stream-end.js';

/** What the one that dials hears of the handshake. */
export interface Handshake {
  readonly security: ConnectionSecurity;
  /** The listener has the key too. */
  proved(): void;
  refused(): void;
}

/** The first bytes of a TLS handshake, for one who expects none. */
const clientHello = Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0, 0);

export class Listener {
  isOpen = true;
  readonly #options: ListenOptions;
  readonly #clock: VirtualClock;
  readonly #taps: Taps;
  /** Whose process is to end what comes of it when it ends itself. */
  readonly #adopt: (end: StreamEnd) => void;
  readonly #open = new Set<StreamEnd>();
  readonly #handshaking = new Map<StreamEnd, Timer>();

  constructor(options: ListenOptions, clock: VirtualClock, taps: Taps, adopt: (end: StreamEnd) => void) {
    this.#options = options;
    this.#clock = clock;
    this.#taps = taps;
    this.#adopt = adopt;
  }

  /** A connection is open, and its handshake, if there is one, begins. */
  connected(end: StreamEnd, handshake: Handshake): void {
    if (!this.isOpen) {
      end.destroy();
      return;
    }
    const limit = this.#exceededLimit();
    if (limit !== undefined) {
      end.destroy();
      this.#refused(end, limit);
      return;
    }
    this.#adopt(end);
    this.#open.add(end);
    end.onClose(() => this.#open.delete(end));
    const isHello = handshake.security.kind === 'psk';
    if (this.#options.security.kind === 'none') {
      this.#accept(end);
      if (isHello) end.received(clientHello);
      return;
    }
    this.#startHandshake(end);
    if (isHello) this.#verify(end, handshake);
  }

  /** The dialer has finished the handshake. */
  secured(end: StreamEnd): void {
    if (this.#endHandshake(end)) this.#accept(end);
  }

  close(): void {
    this.isOpen = false;
    for (const end of [...this.#handshaking.keys()]) {
      this.#endHandshake(end);
      end.vanish();
    }
  }

  #accept(end: StreamEnd): void {
    end.release();
    this.#taps.onDelivery?.(this.#deliveryOf(end, 'accepted'));
    this.#options.accepted(end);
  }

  #startHandshake(end: StreamEnd): void {
    const late = () => this.#refuse(end, handshakeFailure(systemError('ERR_TLS_HANDSHAKE_TIMEOUT')));
    this.#handshaking.set(end, this.#clock.schedule(this.#options.handshakeTimeoutMs, late));
    end.usher({
      data: () => this.#refuse(end, handshakeFailure(systemError('ERR_SSL_HTTP_REQUEST'))),
      closed: (cause) => this.#refuse(end, handshakeFailure(cause ?? new Error('closed by the other side'))),
    });
  }

  #verify(end: StreamEnd, { security, proved, refused }: Handshake): void {
    if (isSameKey(this.#options.security as ConnectionSecurity, security)) {
      end.signal(proved);
      return;
    }
    end.signal(refused);
    this.#refuse(end, handshakeFailure(systemError('ERR_SSL_BINDER_DOES_NOT_VERIFY')));
  }

  #refuse(end: StreamEnd, failure: Failure): void {
    if (!this.#endHandshake(end)) return;
    end.destroy();
    this.#refused(end, failure);
  }

  #endHandshake(end: StreamEnd): boolean {
    this.#handshaking.get(end)?.cancel();
    return this.#handshaking.delete(end);
  }

  #refused(end: StreamEnd, failure: Failure): void {
    this.#taps.onDelivery?.(this.#deliveryOf(end, 'refused'));
    this.#options.refused(failure, end.remoteAddress);
  }

  #deliveryOf({ local, remote, stream }: StreamEnd, kind: 'accepted' | 'refused') {
    return { atMs: this.#clock.nowMs, from: remote.address, to: local.address, kind, stream, bytes: undefined };
  }

  #exceededLimit(): Failure | undefined {
    const { connectionsMax, unauthenticatedMax } = this.#options;
    if (this.#open.size >= connectionsMax) {
      return { code: 'connectionLimit', message: `All ${connectionsMax} connections of this node are in use.` };
    }
    if (this.#handshaking.size >= unauthenticatedMax) {
      return { code: 'connectionLimit', message: `${unauthenticatedMax} connections are in the handshake already.` };
    }
    return undefined;
  }
}

function isSameKey(a: ConnectionSecurity, b: ConnectionSecurity): boolean {
  if (a.kind === 'none' || b.kind === 'none') return a.kind === b.kind;
  return a.keyId === b.keyId && Buffer.from(a.key).equals(b.key);
}
