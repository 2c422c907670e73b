/**
 * A web server on the simulated network; its handler decides what it answers, and when.
 *
 * A stopped server refuses connections and breaks the open ones, as a process that is gone.
 */
import type { ConnectionLimits } from '../../core/admission.js';
import type { Connection, HttpResponse, ListenSecurity } from '../../ports/ports.js';
import type { VirtualClock } from '../clock.js';
import type { Host, NetworkHub } from '../network/hub.js';
import { MessageReader, responseBytes, type WebRequest } from './message.js';

/** The answer to a request after some time, or none at all. */
export type WebAnswer = { readonly response: HttpResponse; readonly afterMs: number } | 'never';

export interface WebServerOptions {
  readonly hub: NetworkHub;
  readonly clock: VirtualClock;
  readonly address: string;
  readonly port: number;
  readonly security: ListenSecurity;
  answer(request: WebRequest, from: string): WebAnswer;
}

const plenty: ConnectionLimits = {
  connectionsMax: 1_024,
  connectionsPerAddressMax: 1_024,
  unauthenticatedMax: 1_024,
};

export class WebServer {
  readonly #options: WebServerOptions;
  #host: Host | undefined;

  constructor(options: WebServerOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#host !== undefined;
  }

  start(): void {
    if (this.#host !== undefined) return;
    const { hub, address, port, security } = this.#options;
    this.#host = { address, segments: new Set(), speaks: 'http' };
    // Listens at once: its promise only reports that the port is free.
    void hub.join(this.#host).listen({
      host: address,
      port,
      security,
      limits: plenty,
      handshakeTimeoutMs: 5_000,
      accepted: (connection) => this.#serve(connection),
      refused: () => {},
    });
  }

  stop(): void {
    if (this.#host === undefined) return;
    this.#options.hub.leave(this.#host);
    this.#host = undefined;
  }

  #serve(connection: Connection): void {
    const { clock, answer } = this.#options;
    const reader = new MessageReader<WebRequest>();
    connection.attach({
      data: (bytes) => {
        const request = reader.push(bytes);
        if (request === undefined) return;
        const outcome = answer(request, connection.remoteHost);
        if (outcome === 'never') return;
        const { response, afterMs } = outcome;
        clock.schedule(
          afterMs,
          () => {
            connection.write(responseBytes(response));
            connection.end();
          },
          true,
        );
      },
      drained() {},
      closed() {},
    });
  }
}
