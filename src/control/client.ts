/**
 * The caller's side of the control socket, for the command line and for programs that control a node from outside.
 *
 * Invariants: every failure is a `StatemeshError` with the code that the node gave. A call that ends, fails or is
 * aborted leaves no connection. A stream is read no faster than it is consumed, and sent no faster than the node reads.
 */
import { once } from 'node:events';
import { lstatSync, type Stats, statSync } from 'node:fs';
import { Agent, type ClientRequest, type IncomingMessage, request as openRequest } from 'node:http';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type ControlErrorLine,
  controlContentTypes,
  type ErrorCode,
  errorCodes,
  meantNodeHeader,
  messageOf,
  StatemeshError,
  systemCodeOf,
} from './protocol.js';
import { assertOwnSocket } from './trust.js';

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the node may be silent before the call fails with `connectionTimeout`; no limit for streams. */
  readonly idleTimeoutMs?: number;
  /** Skips the check of the socket's owner: for questions that carry no secret, about a node in this same process. */
  readonly isUntrusted?: boolean;
  /** The NodeId of the node that is meant: another one that answers refuses with `nodeIdMismatch`. */
  readonly meantNodeId?: string | undefined;
}

/** What a stream sends: a JSON body, or lines as they come. */
export interface StreamRequest {
  readonly body?: unknown;
  /** Bytes or texts of JSON Lines, split at any place. */
  readonly lines?: AsyncIterable<string | Uint8Array>;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** How long a call waits for the next bytes of an answer. */
const callIdleTimeoutMs = 60_000;

/** @throws StatemeshError `controlForeign` */
function assertTrusted(path: string): void {
  const uid = process.geteuid?.();
  const socket = statusOf(() => lstatSync(path));
  const directory = statusOf(() => statSync(dirname(path)));
  // When nothing exists there, no data can leak.
  if (uid === undefined || socket === undefined || directory === undefined) return;
  assertOwnSocket({ path, socket, directory }, uid);
}

/** Undefined also when the caller may not look: then the caller may not connect either, and connecting reports that. */
function statusOf(look: () => Stats): Stats | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/**
 * Asks a node for one answer.
 *
 * @param socketPath `controlSocketPath(dataDir)`
 * @param command Its name, as in `controlCommands`
 * @returns The JSON value of the answer
 * @throws StatemeshError `controlUnavailable` when no node answers there, `controlForeign` when the socket may belong
 * to another user, `connectionLost`, `connectionTimeout`, `nodeIdMismatch`, `cancelled` by the signal, and the errors
 * of the command
 *
 * @example
 * const { port } = (await callControl(controlSocketPath('./data'), 'status')) as { port: number };
 */
export async function callControl(
  socketPath: string,
  command: string,
  body?: unknown,
  { signal, idleTimeoutMs = callIdleTimeoutMs, isUntrusted = false, meantNodeId }: CallOptions = {},
): Promise<unknown> {
  const exchange = new Exchange(socketPath, command, { body }, { signal, idleTimeoutMs, isUntrusted, meantNodeId });
  try {
    return parse(await textOf(await exchange.answer()));
  } catch (error) {
    throw exchange.reason(error);
  } finally {
    exchange.close();
  }
}

/**
 * Asks a node for a stream of answers, and sends it a body or a stream of lines meanwhile.
 *
 * @throws StatemeshError as {@link callControl}; also from the middle of the stream
 *
 * @example
 * for await (const found of streamControl(path, 'find', { body: { collection: 'orders' } })) console.log(found);
 */
export async function* streamControl(
  socketPath: string,
  command: string,
  request: StreamRequest,
  { signal, idleTimeoutMs = 0, isUntrusted = false, meantNodeId }: CallOptions = {},
): AsyncGenerator<unknown, void, void> {
  const exchange = new Exchange(socketPath, command, request, { signal, idleTimeoutMs, isUntrusted, meantNodeId });
  try {
    for await (const line of linesOf(await exchange.answer())) {
      const item = parse(line);
      if (isErrorLine(item)) throw errorOf(item.error);
      yield item;
    }
  } catch (error) {
    throw exchange.reason(error);
  } finally {
    exchange.close();
  }
}

/** The socket or its directory does not exist, or no process listens on it. */
const nobodyCodes: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ELOOP']);

/** One request and its answer. */
class Exchange {
  readonly #socketPath: string;
  readonly #signal: AbortSignal | undefined;
  readonly #request: ClientRequest;
  // An agent for this exchange only, with keep-alive. Without keep-alive, the node would close the connection, maybe
  // before the answer is read.
  readonly #agent = new Agent({ keepAlive: true });
  readonly #response: Promise<IncomingMessage>;
  #failure: unknown;

  constructor(
    socketPath: string,
    command: string,
    request: StreamRequest,
    { signal, idleTimeoutMs, isUntrusted, meantNodeId }: CallOptions & { idleTimeoutMs: number },
  ) {
    this.#socketPath = socketPath;
    this.#signal = signal;
    // First, because these may throw: then there is nothing to close.
    if (!isUntrusted) assertTrusted(socketPath);
    const body = request.lines ?? textToSend(request.body);
    const query = new URLSearchParams(request.parameters).toString();
    this.#request = openRequest({
      agent: this.#agent,
      socketPath,
      method: 'POST',
      path: `/v1/${encodeURIComponent(command)}${query === '' ? '' : `?${query}`}`,
      headers: {
        'content-type': request.lines === undefined ? controlContentTypes.json : controlContentTypes.lines,
        ...(meantNodeId === undefined ? {} : { [meantNodeHeader]: encodeURIComponent(meantNodeId) }),
      },
      timeout: idleTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#request.on('timeout', () => this.#request.destroy(timedOut(idleTimeoutMs)));
    this.#response = once(this.#request, 'response').then(([response]) => response as IncomingMessage);
    this.#response.catch(() => {});
    // After the response has come, errors show in the response, too.
    this.#request.on('error', () => {});
    this.#send(body);
  }

  /** The response, once its status is 200. */
  async answer(): Promise<IncomingMessage> {
    const response = await this.#response;
    if (response.statusCode === 200) return response;
    const failure = parse(await textOf(response)) as { code: string; message: string };
    throw errorOf(failure);
  }

  /**
   * The reason as a `StatemeshError`. An error of the caller's own lines takes precedence over the connection error
   * that it causes.
   */
  reason(error: unknown): StatemeshError {
    const cause = this.#failure ?? error;
    if (cause instanceof StatemeshError) return cause;
    if (this.#signal?.aborted) return new StatemeshError('cancelled', 'The call was cancelled.', { cause });
    const code = systemCodeOf(cause);
    if (code !== undefined && nobodyCodes.has(code)) {
      return new StatemeshError('controlUnavailable', `No node answers on ${this.#socketPath}.`, { cause });
    }
    if (code === 'EACCES') {
      const message = `The node that runs on ${this.#socketPath} belongs to another user: call as that user.`;
      return new StatemeshError('controlUnavailable', message, { cause });
    }
    if (this.#failure !== undefined) return new StatemeshError('importInvalid', messageOf(cause), { cause });
    const message = `The node hung up before it had answered (${messageOf(cause)}): it is stopping, or has too many callers.`;
    return new StatemeshError('connectionLost', message, { cause });
  }

  close(): void {
    this.#request.destroy();
    this.#agent.destroy();
  }

  #send(body: string | undefined | NonNullable<StreamRequest['lines']>): void {
    if (body === undefined || typeof body === 'string') {
      this.#request.end(body);
      return;
    }
    // The node waits longer for the first line than for the request.
    this.#request.flushHeaders();
    const watched = watchFailure(body, (error) => {
      this.#failure = error;
    });
    // A failure here also breaks the response, which reports it.
    pipeline(Readable.from(watched, { objectMode: true, highWaterMark: 1 }), this.#request).catch(() => {});
  }
}

/** @throws StatemeshError `requestInvalid` for a value that can be parsed but not serialized */
function textToSend(body: unknown): string | undefined {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new StatemeshError('requestInvalid', 'The JSON is nested too deeply to be sent.', { cause });
  }
}

/** Distinguishes errors of the source from those of the connection. */
async function* watchFailure<T>(source: AsyncIterable<T>, failed: (error: unknown) => void): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      // Only an error from `next` comes from the source. An error of the request is thrown into this generator at its
      // yield.
      const result = await iterator.next().catch((error: unknown) => {
        failed(error);
        throw error;
      });
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    await iterator.return?.();
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string, void, void> {
  response.setEncoding('utf8');
  // A line of megabytes comes in many pieces; they are joined once.
  let pieces: string[] = [];
  for await (const chunk of response as AsyncIterable<string>) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      pieces.push(chunk.slice(start, end));
      yield pieces.join('');
      pieces = [];
      start = end + 1;
    }
    pieces.push(chunk.slice(start));
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StatemeshError('connectionLost', 'The answer did not come from a statemesh node, or was cut short.', {
      cause,
    });
  }
}

function isErrorLine(item: unknown): item is ControlErrorLine {
  return typeof item === 'object' && item !== null && 'error' in item && !('key' in item);
}

/** An unknown code comes from a newer version. */
function errorOf({ code, message }: ControlErrorLine['error']): StatemeshError {
  return new StatemeshError(Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'internal', message);
}

function timedOut(idleTimeoutMs: number): StatemeshError {
  return new StatemeshError('connectionTimeout', `The node has been silent for ${idleTimeoutMs} ms: is it suspended?`);
}
