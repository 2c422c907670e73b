/**
 * The `Http` port over the simulated network: each request has a connection of its own, so it takes network latency,
 * hangs in a partition until its timeout, and breaks with a reset.
 *
 * Invariant: a request settles once, within `limits.httpTimeoutMs`, and leaves no timer and no connection behind.
 */
import { failureOf, StatemeshError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { Connection, DialSecurity, Http, HttpRequest, HttpResponse, Network, Time } from '../../ports/ports.js';
import { MessageReader, requestBytes } from './message.js';

export interface SimulatedHttpOptions {
  readonly network: Network;
  readonly time: Time;
  /** Called when a promise has settled: see `PendingWork`. */
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
  const { protocol, hostname: host, port } = targetOf(url);
  const security: DialSecurity = protocol === 'https:' ? { kind: 'verified', ca } : { kind: 'none' };
  const dialed = { host, port: Number(port) || defaultPorts[security.kind], security };
  try {
    return await network.dial({ ...dialed, timeoutMs: limits.httpTimeoutMs, signal });
  } catch (error) {
    const { code, message } = failureOf(error);
    if (code === 'certificateInvalid' || code === 'cancelled') throw error;
    throw code === 'connectionTimeout' ? late(url) : unavailable(url, message, error);
  }
}

function targetOf(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (target === undefined || !/^https?:$/.test(target.protocol) || target.username !== '') {
    // Not shown: it may hold a password.
    throw new StatemeshError('authorityInvalid', 'An address of the authority is not an http or https URL.');
  }
  return target;
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
    const cancel = () => fail(new StatemeshError('cancelled', `The request to ${originOf(url)} was given up.`));
    const timer = time.after(leftMs, () => fail(late(url)));
    signal.addEventListener('abort', cancel, { once: true });
    connection.attach({
      data(bytes) {
        const response = reader.push(bytes);
        if (response === undefined) return;
        if (Buffer.byteLength(response.body) > limits.httpBodyBytesMax) {
          fail(tooLarge(url));
          return;
        }
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

function late(url: string): StatemeshError {
  return unavailable(url, `it did not answer within ${limits.httpTimeoutMs} ms`);
}

function unavailable(url: string, reason: string, cause?: unknown): StatemeshError {
  const message = `${originOf(url)} cannot be reached (${reason}): is it up, and is the address right?`;
  return new StatemeshError('authorityUnavailable', message, { cause });
}

function tooLarge(url: string): StatemeshError {
  const message = `${originOf(url)} answers with more than ${limits.httpBodyBytesMax} bytes: is it the right address?`;
  return new StatemeshError('authorityInvalid', message);
}

/** The part of a URL that may be shown: a query can hold secrets. */
function originOf(url: string): string {
  return new URL(url).origin;
}
