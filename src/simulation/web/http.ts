/**
 * The `Http` port over the simulated network: each request has a connection of its own, so it takes the time of the way, hangs in a
 * partition until its timeout, and breaks with a reset.
 *
 * Invariant: a request settles once, within `limits.httpTimeoutMs`, and leaves no timer and no connection behind.
 */
import { failureOf, StatemeshError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { Connection, DialSecurity, Http, HttpRequest, HttpResponse, Network, Time } from '../../protocol/ports.js';
import { MessageReader, requestBytes } from './message.js';

export interface SimulatedHttpOptions {
  readonly network: Network;
  readonly time: Time;
  /** A promise has settled: see `PendingWork`. */
  settled(): void;
}

export function simulatedHttp(options: SimulatedHttpOptions): Http {
  return {
    async request(request) {
      const startedMs = options.time.monotonicMs();
      const connection = await open(options.network, request);
      const leftMs = limits.httpTimeoutMs - (options.time.monotonicMs() - startedMs);
      return exchange(connection, request, { ...options, leftMs });
    },
  };
}

async function open(network: Network, { url, ca, signal }: HttpRequest): Promise<Connection> {
  if (!/^https?:/.test(url) || !URL.canParse(url)) {
    throw new StatemeshError('authorityInvalid', `"${url.slice(0, 80)}" is no address of a web server: use https://.`);
  }
  const { protocol, hostname: host, port } = new URL(url);
  const security: DialSecurity = protocol === 'https:' ? { kind: 'verified', ca } : { kind: 'none' };
  const dialed = { host, port: Number(port) || defaultPorts[security.kind], security };
  try {
    return await network.dial({ ...dialed, timeoutMs: limits.httpTimeoutMs, signal });
  } catch (error) {
    const { code, message } = failureOf(error);
    if (code === 'certificateInvalid' || code === 'cancelled') throw error;
    throw unavailable(url, message, error);
  }
}

const defaultPorts = { verified: 443, none: 80 } as const;

interface ExchangeOptions extends SimulatedHttpOptions {
  readonly leftMs: number;
}

function exchange(
  connection: Connection,
  request: HttpRequest,
  { time, settled, leftMs }: ExchangeOptions,
): Promise<HttpResponse> {
  const { url, signal } = request;
  return new Promise((resolve, reject) => {
    const reader = new MessageReader<HttpResponse>();
    let bytesRead = 0;
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', cancel);
      connection.destroy();
      settled();
    };
    const fail = (error: StatemeshError): void => {
      end();
      reject(error);
    };
    const cancel = () => fail(new StatemeshError('cancelled', `The request to ${url} was given up.`));
    const timer = time.after(leftMs, () => fail(unavailable(url, 'it does not answer in time')));
    signal.addEventListener('abort', cancel, { once: true });
    connection.attach({
      data(bytes) {
        bytesRead += bytes.length;
        if (bytesRead > limits.httpBodyBytesMax) {
          fail(
            new StatemeshError('authorityInvalid', `${url} answers with more than a document: correct the address.`),
          );
          return;
        }
        const response = reader.push(bytes);
        if (response === undefined) return;
        end();
        resolve(response);
      },
      drained() {},
      closed: (failure) => fail(unavailable(url, failure?.message ?? 'it has ended the connection')),
    });
    connection.write(requestBytes(request));
    if (signal.aborted) cancel();
  });
}

function unavailable(url: string, reason: string, cause?: unknown): StatemeshError {
  return new StatemeshError('authorityUnavailable', `${url} cannot be reached: ${reason}`, { cause });
}
