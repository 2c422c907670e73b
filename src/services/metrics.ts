/**
 * The service that exposes metrics on loopback, at `/metrics`.
 *
 * Invariants: it shows names and numbers only, no document and no secret. Nothing is counted while the service does not
 * run. A request has to name this machine as its host, so that no web page from elsewhere can read it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { type EventObject, fromCallback } from 'xstate';
import type { MetricsInput } from '../actors/slots.js';
import { answerOnce, keepPlaces } from '../adapters/server-places.js';
import { failureOf, messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import type { EventLoopDelay, Exposition, NodeFigures } from '../metrics/exposition.js';
import type { Meter } from '../ports/meter.js';

const host = '127.0.0.1';
/** The headers of a request. */
const headerBytesMax = 8 * 1024;
/** How long a request may take to arrive. */
const requestTimeoutMs = 5_000;
/** Callers that wait, and callers that are answered: few have a reason to call. */
const callersMax = { waitingMax: 64, answeredMax: 16 };
const delayResolutionMs = 10;

/** @param figures The state of the node, asked for with each request */
export function createMetrics({ meter }: { meter: Meter }, figures: () => Promise<NodeFigures>) {
  return fromCallback<EventObject, MetricsInput>(({ input: { port, parent } }) => {
    if (port === undefined) return undefined;
    let end = (): void => {};
    let isOver = false;
    // Loaded on demand: most nodes expose no metrics. It loads `prom-client`.
    void import('../metrics/exposition.js').then(({ Exposition }) => {
      if (!isOver) end = serveMetrics({ port, parent, meter, figures, exposition: new Exposition() });
    });
    return () => {
      isOver = true;
      end();
    };
  });
}

interface ServeOptions {
  readonly port: number;
  readonly parent: MetricsInput['parent'];
  readonly meter: Meter;
  readonly exposition: Exposition;
  figures(): Promise<NodeFigures>;
}

/** @returns A function that ends it */
function serveMetrics({ port, parent, meter, exposition, figures }: ServeOptions): () => void {
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  const timeouts = {
    headersTimeout: requestTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / 5,
  };
  const server = createServer({ maxHeaderSize: headerBytesMax, ...timeouts }, (request, response) => {
    answer(request, response).catch((error: unknown) => respond(response, 500, `${messageOf(error)}\n`));
  });
  keepPlaces(server, callersMax);
  answerOnce(server, requestTimeoutMs);
  let bound = port;
  let isOver = false;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const objection = objectionTo(request, bound);
    if (objection === undefined) {
      respond(response, 200, await exposition.text(await figures(), readDelay(delay)), exposition.contentType);
    } else {
      respond(response, objection.status, `${objection.message}\n`);
    }
  };
  server.on('error', (error) => {
    if (!isOver) parent.send({ type: 'metrics.failed', failure: failureOf(asFailure(error, port)) });
  });
  server.listen(port, host, () => {
    if (isOver) return;
    bound = (server.address() as AddressInfo).port;
    delay.enable();
    meter.readings = exposition.readings;
    parent.send({ type: 'metrics.opened', port: bound });
  });
  return () => {
    isOver = true;
    if (meter.readings === exposition.readings) meter.readings = undefined;
    delay.disable();
    server.close();
    server.closeAllConnections();
  };
}

interface Objection {
  readonly status: number;
  readonly message: string;
}

function objectionTo({ headers, method, url }: IncomingMessage, port: number): Objection | undefined {
  if (headers.host !== `${host}:${port}` && headers.host !== `localhost:${port}`) {
    return { status: 421, message: `Ask for ${host}:${port}.` };
  }
  if (url !== '/metrics') return { status: 404, message: 'The metrics are at /metrics.' };
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, message: 'Only GET is supported.' };
  // The node would receive the body while it prepares the answer, for nothing.
  if (hasBody(headers)) return { status: 400, message: 'A request for metrics has no body.' };
  return undefined;
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

function respond(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, {
    'content-type': type,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

/** In seconds. The histogram has nanoseconds, including its own sampling interval, and is reset. */
function readDelay(delay: IntervalHistogram): EventLoopDelay {
  const late = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e9 - delayResolutionMs / 1_000) : 0;
  const read = { mean: late(delay.mean), p99: late(delay.percentile(99)), max: late(delay.max) };
  delay.reset();
  return read;
}

function asFailure(error: unknown, port: number): StatemeshError {
  if (systemCodeOf(error) === 'EADDRINUSE') {
    const message = `The port ${port} for metrics is taken: choose another one, or 0 to let the system choose.`;
    return new StatemeshError('portInUse', message, { cause: error });
  }
  const message = `Metrics cannot be served on ${host}:${port} (${systemCodeOf(error) ?? messageOf(error)}): choose another port.`;
  return new StatemeshError('addressUnavailable', message, { cause: error });
}
