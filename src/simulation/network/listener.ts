/**
 * A port on which connections are accepted, with its limits.
 *
 * Invariants, as in the real network: each connection ends in exactly one of `accepted`, `refused` or the close of the
 * listener. When too many connections wait to identify themselves, the oldest make way for new ones. A handshake has a
 * deadline. Closing leaves accepted connections open.
 */

import type { SingleDialOptions } from '../../adapters/dial-by-ring.js';
import { handshakeFailure } from '../../adapters/network-errors.js';
import { madeWay, Places, theOldest } from '../../core/admission.js';
import type { Failure } from '../../core/errors.js';
import type { Listening, ListenOptions, ListenSecurity, Protection, Timer } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import type { Taps } from './delivery.js';
import { systemError } from './errors.js';
import type { StreamEnd } from './stream-end.js';

/** What a listener proves in a handshake: that it has the same key, or a certificate. */
export type Proof = { readonly kind: 'key' } | { readonly kind: 'certificate'; readonly certificate: string };

/** What the dialer wants, and callbacks for what it learns. */
export interface Handshake {
  readonly security: SingleDialOptions['security'];
  /** Whether the connection becomes a WebSocket after the handshake. */
  readonly isUpgrading: boolean;
  answered(proof: Proof): void;
  refused(): void;
  /** Called when it has become a WebSocket. */
  upgraded(): void;
}

/** The first bytes of a TLS handshake, sent to a listener that expects none. */
const clientHello = Uint8Array.of(22, 3, 1, 0, 4, 1, 0, 0, 0);
/** The first bytes of a WebSocket request, sent to a listener that expects none. */
const upgradeRequest = new TextEncoder().encode('GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n');

export class Listener {
  isOpen = true;
  readonly #options: ListenOptions;
  #how: Pick<ListenOptions, 'security' | 'acceptsWebSockets'>;
  readonly #clock: VirtualClock;
  readonly #taps: Taps;
  /** Registers a connection with its process, which ends it when the process ends. */
  readonly #adopt: (end: StreamEnd) => void;
  readonly #places: Places<StreamEnd>;
  readonly #handshaking = new Map<StreamEnd, { readonly handshake: Handshake; readonly timer: Timer }>();

  constructor(options: ListenOptions, clock: VirtualClock, taps: Taps, adopt: (end: StreamEnd) => void) {
    this.#options = options;
    this.#how = options;
    this.#clock = clock;
    this.#taps = taps;
    this.#adopt = adopt;
    this.#places = new Places(options.limits, options.random ?? theOldest);
  }

  /** A connection is open, and its handshake, if there is one, begins. */
  connected(end: StreamEnd, handshake: Handshake): void {
    if (!this.isOpen) {
      end.destroy();
      return;
    }
    const host = end.remote.address;
    const placing = this.#places.enter(end, { host, isFamiliar: this.#options.isFamiliar?.(host) ?? false });
    if ('failure' in placing) {
      end.destroy();
      this.#refused(end, placing.failure);
      return;
    }
    this.#adopt(end);
    end.onClose(() => this.#places.leave(end));
    if (placing.yields !== undefined) this.#cutOff(placing.yields);
    const isHello = handshake.security.kind !== 'none';
    if (this.#how.security.kind === 'none') {
      if (isHello) this.#accept(end, clientHello);
      else this.#begin(end, handshake);
      return;
    }
    this.#startHandshake(end, handshake);
    if (isHello) this.#answer(end, handshake);
    else if (handshake.isUpgrading) end.received(upgradeRequest);
  }

  /** The dialer has finished the handshake. */
  secured(end: StreamEnd): void {
    const begun = this.#endHandshake(end);
    if (begun !== undefined) this.#begin(end, begun);
  }

  protect(how: Parameters<Listening['protect']>[0]): void {
    this.#places.limits = how.limits ?? this.#places.limits;
    this.#how = how;
    this.#cutHandshakes();
  }

  close(): void {
    this.isOpen = false;
    this.#cutHandshakes();
  }

  #cutHandshakes(): void {
    for (const end of [...this.#handshaking.keys()]) {
      this.#endHandshake(end);
      end.vanish();
    }
  }

  /** The handshake is complete: hands over a stream, or one that becomes a WebSocket. */
  #begin(end: StreamEnd, { isUpgrading, upgraded }: Handshake): void {
    const isUnderstood = this.#how.acceptsWebSockets === true;
    this.#accept(end, isUpgrading && !isUnderstood ? upgradeRequest : undefined);
    if (isUpgrading && isUnderstood) end.signal(upgraded);
  }

  /** @param first Bytes that were already sent to a listener that does not understand them */
  #accept(end: StreamEnd, first?: Uint8Array): void {
    end.release();
    end.onAdmitted = () => {
      const failure = this.#places.admit(end);
      if (failure !== undefined) end.lose(failure);
    };
    this.#taps.onDelivery?.(this.#deliveryOf(end, 'accepted'));
    this.#options.accepted(end);
    if (first !== undefined) end.received(first);
  }

  /** Ends a connection whose place is needed. */
  #cutOff(end: StreamEnd): void {
    if (this.#handshaking.has(end)) this.#refuse(end, madeWay);
    else end.lose(madeWay);
  }

  #startHandshake(end: StreamEnd, handshake: Handshake): void {
    const late = () => this.#refuse(end, this.#failureOf(systemError('ERR_TLS_HANDSHAKE_TIMEOUT')));
    this.#handshaking.set(end, { handshake, timer: this.#clock.schedule(this.#options.handshakeTimeoutMs, late) });
    end.usher({
      data: () => this.#refuse(end, this.#failureOf(systemError('ERR_SSL_HTTP_REQUEST'))),
      closed: (cause) => this.#refuse(end, this.#failureOf(cause ?? new Error('closed by the other side'))),
    });
  }

  #answer(end: StreamEnd, { security, answered, refused }: Handshake): void {
    const proof = proofOf(this.#how.security, security);
    if (proof !== undefined) {
      end.protection = protectionBy(proof, security);
      end.signal(() => answered(proof));
      return;
    }
    end.signal(refused);
    this.#refuse(end, this.#failureOf(systemError(security.kind === 'psk' ? wrongKey : noKey)));
  }

  #refuse(end: StreamEnd, failure: Failure): void {
    if (this.#endHandshake(end) === undefined) return;
    end.destroy();
    this.#refused(end, failure);
  }

  #failureOf(error: Error): Failure {
    return handshakeFailure(error, this.#how.security.kind);
  }

  /** Ends a handshake; undefined when there was none, or when it is over. */
  #endHandshake(end: StreamEnd): Handshake | undefined {
    const handshaking = this.#handshaking.get(end);
    handshaking?.timer.cancel();
    this.#handshaking.delete(end);
    return handshaking?.handshake;
  }

  #refused(end: StreamEnd, failure: Failure): void {
    this.#taps.onDelivery?.(this.#deliveryOf(end, 'refused'));
    this.#options.refused(failure, end.remoteAddress);
  }

  #deliveryOf({ local, remote, stream }: StreamEnd, kind: 'accepted' | 'refused') {
    return { atMs: this.#clock.nowMs, from: remote.address, to: local.address, kind, stream, bytes: undefined };
  }
}

const wrongKey = 'ERR_SSL_BINDER_DOES_NOT_VERIFY';
/** The dialer offers no key, so OpenSSL looks for a certificate. */
const noKey = 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM';

/** What one side can prove to the other; undefined when it refuses, because the keys differ. */
function proofOf(ours: ListenSecurity, theirs: SingleDialOptions['security']): Proof | undefined {
  if (ours.kind === 'server') return { kind: 'certificate', certificate: ours.server.certificate };
  if (ours.kind !== 'psk' || theirs.kind !== 'psk') return undefined;
  const { keyId, key } = theirs.key;
  const own = ours.keys.find((each) => each.keyId === keyId);
  return own !== undefined && Buffer.from(own.key).equals(key) ? { kind: 'key' } : undefined;
}

function protectionBy({ kind }: Proof, theirs: SingleDialOptions['security']): Protection {
  return kind === 'key' && theirs.kind === 'psk' ? { kind: 'psk', keyId: theirs.key.keyId } : { kind: 'server' };
}
