/**
 * A stream between two machines: two ends and one lane in each direction. It breaks whole: when one direction breaks,
 * both do.
 */

import type { Speech, Taps } from './delivery.js';
import { Lane, type Packet } from './lane.js';
import type { Routes } from './routes.js';
import { type Endpoint, StreamEnd } from './stream-end.js';

export interface StreamOptions {
  /** Counts the streams of the network. */
  readonly number: number;
  readonly speech: Speech;
  readonly routes: Routes;
  readonly taps: Taps;
  readonly dialer: Endpoint;
  readonly listener: Endpoint;
  /** Called when both ends are closed. */
  forgotten(stream: Stream): void;
}

export class Stream {
  readonly dialed: StreamEnd;
  readonly accepted: StreamEnd;

  constructor(options: StreamOptions) {
    const { number, speech, routes, taps, dialer, listener } = options;
    const common = { stream: number, speech, clock: routes.clock, taps };
    this.dialed = new StreamEnd({ ...common, local: dialer, remote: listener });
    this.accepted = new StreamEnd({ ...common, local: listener, remote: dialer });
    this.dialed.connect(
      this.#laneTo(this.accepted, routes.of(dialer.address, listener.address), routes),
      this.accepted,
    );
    this.accepted.connect(this.#laneTo(this.dialed, routes.of(listener.address, dialer.address), routes), this.dialed);
    const ended = () => {
      if (this.dialed.isClosed && this.accepted.isClosed) options.forgotten(this);
    };
    this.dialed.onClose(ended);
    this.accepted.onClose(ended);
  }

  isBetween(a: string, b: string): boolean {
    const { local, remote } = this.dialed;
    return (local.address === a && remote.address === b) || (local.address === b && remote.address === a);
  }

  /** Breaks the stream on both sides. Bytes in flight to an end arrive before the end learns of the break. */
  break(code = 'ECONNRESET'): void {
    this.dialed.breakOut(code);
    this.accepted.breakOut(code);
  }

  /** The dialer gave up before the listener answered: the listener never learns of it. */
  discard(): void {
    this.dialed.out.shut();
    this.accepted.out.shut();
    this.dialed.close();
    this.accepted.close();
  }

  #laneTo(receiver: StreamEnd, route: ReturnType<Routes['of']>, { clock, rules }: Routes): Lane {
    const broken = (code: string, rest: Packet | undefined): void => {
      receiver.other.breakOut(code, rest);
      this.break(code);
    };
    return new Lane({ clock, rules, route, received: (bytes) => receiver.received(bytes), broken });
  }
}
