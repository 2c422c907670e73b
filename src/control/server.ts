/**
 * The HTTP side of the control socket: from requests to commands and back.
 *
 * Invariants: everything that a caller can make the node hold or wait for is bounded by `ControlLimits`. A connection
 * has one request at a time. Lines are read no faster than the command takes them and written no faster than the caller
 * reads. A caller that hangs up aborts the command. No answer carries a stack. The rest of an unneeded body is read and
 * dropped, because closing a connection with unread bytes can lose the answer.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { keepPlaces } from '../adapters/server-places.js';
import { StreamTurns } from '../adapters/stream-turns.js';
import { type Failure, failureOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { own } from '../core/own.js';
import type { Time } from '../ports/ports.js';
import { readJson, readLines } from './body.js';
import {
  type ControlCall,
  type ControlCommand,
  type ControlCommands,
  type ControlErrorLine,
  type ControlLimits,
  controlContentTypes,
  meantNodeHeader,
} from './protocol.js';
import { ControlReaders } from './readers.js';

/** The headers of a request. */
const headerBytesMax = 16 * 1024;
/** Above this size, a stream waits for its reader. */
const answerBytesHigh = 128 * 1024;
const prefix = '/v1/';

export function createControlServer(
  commands: ControlCommands,
  limits: ControlLimits,
  time: Pick<Time, 'turn' | 'monotonicMs'>,
): Server {
  const turns = new StreamTurns(time);
  const readers = new ControlReaders(limits);
  const isAnswered = oneAtATime();
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      // More than the default of 16 KiB; otherwise a stream would wait for its reader every few documents.
      highWaterMark: answerBytesHigh,
      headersTimeout: limits.headersTimeoutMs,
      // Lines may come for any length of time; the idle timeouts bound the rest.
      requestTimeout: 0,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.max(50, limits.headersTimeoutMs / 5),
    },
    (request, response) => {
      if (isAnswered(request, response)) void answer({ request, response, commands, limits, readers, turns });
    },
  );
  keepPlaces(server, { waitingMax: limits.connectionsMax, answeredMax: limits.connectionsMax });
  server.on('clientError', refuseClient);
  return server;
}

/**
 * Cuts off a caller that sends its next request before the previous answer has left: its requests would take the turns
 * of other callers.
 */
function oneAtATime(): (request: IncomingMessage, response: ServerResponse) => boolean {
  const asking = new WeakSet<object>();
  return ({ socket }, response) => {
    if (asking.has(socket)) {
      socket.destroy();
      return false;
    }
    asking.add(socket);
    response.once('close', () => asking.delete(socket));
    return true;
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly commands: ControlCommands;
  readonly limits: ControlLimits;
  readonly readers: ControlReaders;
  readonly turns: StreamTurns;
}

/** An error with its HTTP status. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly failure: Failure,
  ) {
    super(failure.message);
  }
}

/** Never rejects: every failure becomes the answer. */
async function answer({ request, response, commands, limits, readers, turns }: Exchange): Promise<void> {
  const hangUp = new AbortController();
  const answered = new Promise<void>((resolve) => {
    response.once('close', () => {
      hangUp.abort();
      resolve();
    });
  });
  // A broken connection also shows as an error of its streams; `close` has reported it already.
  response.on('error', () => {});
  request.on('error', () => {});
  try {
    const { command, parameters } = route(request, commands);
    const meantNodeId = request.headers[meantNodeHeader]?.toString();
    const call = {
      ...(await readBody(request, response, limits)),
      parameters,
      meantNodeId,
      signal: hangUp.signal,
      answered,
    };
    const result = command(call);
    if (isStream(result)) {
      if (!readers.takesStream(response)) throw new Refusal(503, tooManyStreams(limits));
      await sendLines(response, result, { signal: hangUp.signal, readers, turns });
    } else {
      sendJson(response, 200, (await result) ?? null);
      if (!response.writableFinished) await readers.untilRead(response);
    }
  } catch (error) {
    sendError(response, error);
  } finally {
    request.resume();
  }
}

function route(
  request: IncomingMessage,
  commands: ControlCommands,
): { command: ControlCommand; parameters: Record<string, string> } {
  const url = new URL(request.url ?? '/', 'http://control');
  const name = url.pathname.startsWith(prefix) ? url.pathname.slice(prefix.length) : '';
  const command = own(commands, name);
  if (command === undefined) {
    const known = Object.keys(commands).join(', ');
    throw refusal(404, `There is no "${url.pathname.slice(0, 80)}"; ${prefix} is followed by one of ${known}.`);
  }
  if (request.method !== 'POST') throw refusal(405, `${request.method} is not supported; commands are sent by POST.`);
  return { command, parameters: Object.fromEntries(url.searchParams) };
}

async function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: ControlLimits,
): Promise<Pick<ControlCall, 'body' | 'lines'>> {
  const type = (request.headers['content-type'] ?? controlContentTypes.json).split(';')[0]?.trim().toLowerCase();
  if (type === controlContentTypes.lines) {
    limitIdling(request, response, limits.linesIdleTimeoutMs);
    return { body: undefined, lines: readLines(request, limits.lineBytesMax) };
  }
  if (type !== controlContentTypes.json) {
    throw refusal(415, `A body is ${controlContentTypes.json} or ${controlContentTypes.lines}, not "${type}".`);
  }
  limitIdling(request, response, limits.bodyIdleTimeoutMs);
  const json = await readJson(request, limits.bodyBytesMax);
  if (json === 'tooLarge') {
    throw refusal(413, `The body is larger than ${limits.bodyBytesMax} bytes; send documents one by one, or as lines.`);
  }
  return { body: json.value, lines: noLines };
}

/**
 * Answers a caller that falls silent in the middle of a body, and closes. While a command works, the caller may be
 * silent.
 */
function limitIdling(request: IncomingMessage, response: ServerResponse, idleTimeoutMs: number): void {
  const { socket } = request;
  request.setTimeout(idleTimeoutMs, () => {
    const message = `No byte of the body came for ${idleTimeoutMs} ms.`;
    sendError(response, new Refusal(408, { code: 'connectionTimeout', message }), { close: true });
    response.once('finish', () => socket.destroySoon());
  });
  request.once('end', () => socket.setTimeout(0));
}

async function sendLines(
  response: ServerResponse,
  items: AsyncIterable<unknown>,
  { signal, readers, turns }: Pick<Exchange, 'readers' | 'turns'> & { readonly signal: AbortSignal },
): Promise<void> {
  await turns.pass();
  for await (const item of items) {
    await turns.pass();
    if (signal.aborted) return;
    // Only now: a command that fails before its first item still gets an error status.
    startLines(response);
    if (!response.write(`${JSON.stringify(item)}\n`)) await readers.untilRead(response);
  }
  startLines(response);
  response.end();
}

function startLines(response: ServerResponse): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': controlContentTypes.lines });
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent) return;
  const text = `${JSON.stringify(value)}\n`;
  response.writeHead(status, { 'content-type': controlContentTypes.json, 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

function sendError(response: ServerResponse, error: unknown, { close = false } = {}): void {
  if (response.writableEnded || response.destroyed) return;
  const failure = error instanceof Refusal ? error.failure : failureOf(error);
  if (response.headersSent) {
    response.end(`${JSON.stringify({ error: failure } satisfies ControlErrorLine)}\n`);
    return;
  }
  if (close) response.setHeader('connection', 'close');
  sendJson(response, error instanceof Refusal ? error.status : failure.code === 'internal' ? 500 : 400, failure);
}

/** Answers a client that speaks no HTTP, or takes too long to send its request. */
function refuseClient(error: Error, socket: Duplex): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const code = systemCodeOf(error);
  const [status, failure]: [string, Failure] =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', { code: 'connectionTimeout', message: 'No request came in time.' }]
      : code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', requestInvalid(`The headers exceed ${headerBytesMax} bytes.`)]
        : ['400 Bad Request', requestInvalid('This is not an HTTP/1.1 request.')];
  const text = `${JSON.stringify(failure)}\n`;
  const head = `HTTP/1.1 ${status}\r\ncontent-type: ${controlContentTypes.json}\r\nconnection: close\r\n`;
  socket.end(`${head}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`, () => socket.destroy());
}

function refusal(status: number, message: string): Refusal {
  return new Refusal(status, requestInvalid(message));
}

function tooManyStreams({ streamsMax }: ControlLimits): Failure {
  return { code: 'controlBusy', message: `All ${streamsMax} streams of the control socket are in use.` };
}

function requestInvalid(message: string): Failure {
  return { code: 'requestInvalid', message };
}

function isStream(result: Promise<unknown> | AsyncIterable<unknown>): result is AsyncIterable<unknown> {
  return Symbol.asyncIterator in result;
}

/** The lines of a command that takes lines but was sent none. */
const noLines: AsyncIterable<string> = {
  [Symbol.asyncIterator]: () => ({
    next: () =>
      Promise.reject(
        new StatemeshError('requestInvalid', `This command takes lines, of content-type ${controlContentTypes.lines}.`),
      ),
  }),
};
