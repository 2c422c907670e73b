/**
 * The commands that a running node answers on its control socket: HTTP/1.1 on a Unix socket, `POST /v1/<command>`.
 *
 * A connection may be kept for one call after another; the next comes when the answer to the last has ended. A call has a JSON body,
 * or lines (`application/x-ndjson`) with its parameters in the query of the URL. The answer is JSON, or one JSON text a line for
 * commands that give a stream. An error is `{ "code", "message" }`: status 400 when the caller
 * can mend it, 404 for an unknown command, 408, 413 and 415 for a body that is too slow, too large or of no known kind,
 * 500 for a bug, 503 when as many streams are open as there may be. In a stream that has begun, the error is the last line, `{ "error": { "code", "message" } }`.
 */
import { join, resolve } from 'node:path';
import { StatemeshError } from '../core/errors.js';

export {
  type ErrorCode,
  errorCodes,
  type Failure,
  failureOf,
  messageOf,
  StatemeshError,
  systemCodeOf,
} from '../core/errors.js';
export { foreignText } from '../core/foreign-text.js';
export { JsonTextError, parseJsonText } from '../core/json-text.js';
export { limits } from '../core/limits.js';
export { plural } from '../core/plural.js';

/** One request to the control socket. */
export interface ControlCall {
  /** The JSON body; undefined when there is none, or when the body is lines. */
  readonly body: unknown;
  /** The body line by line, for `application/x-ndjson`; read no faster than it is consumed. */
  readonly lines: AsyncIterable<string>;
  /** The query of the URL. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Aborted when the caller has hung up. */
  readonly signal: AbortSignal;
  /** Resolves when the answer has left, or its caller has: for what must not happen before. */
  readonly answered: Promise<void>;
}

/** Answers a request with a value, or with a stream of them. */
export type ControlCommand = (call: ControlCall) => Promise<unknown> | AsyncIterable<unknown>;
/** By their names. */
export type ControlCommands = Readonly<Record<string, ControlCommand>>;

/** The last line of a stream that failed on its way. */
export interface ControlErrorLine {
  readonly error: { readonly code: string; readonly message: string };
}

export const controlContentTypes = { json: 'application/json', lines: 'application/x-ndjson' } as const;

/** What the service allows; a test may ask for less. */
export interface ControlLimits {
  readonly connectionsMax: number;
  /** Of the connections; the others are for calls with one answer, such as `status` and `stop`. */
  readonly streamsMax: number;
  /** What readers that do not read may leave in memory, all together. */
  readonly stalledBytesMax: number;
  /** After so long without reading a reader is dropped. */
  readonly readerIdleTimeoutMs: number;
  readonly bodyBytesMax: number;
  readonly lineBytesMax: number;
  /** From the first byte of a connection, or its opening, to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** Without a byte of a JSON body. */
  readonly bodyIdleTimeoutMs: number;
  /** Without a byte of lines: a program at the other end of a pipe may take its time. */
  readonly linesIdleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How often the node looks whether its socket is still there. */
  readonly placeCheckMs: number;
}

export const controlLimits: ControlLimits = {
  connectionsMax: 64,
  streamsMax: 48,
  stalledBytesMax: 16 * 1024 * 1024,
  readerIdleTimeoutMs: 600_000,
  bodyBytesMax: 8 * 1024 * 1024,
  lineBytesMax: 8 * 1024 * 1024,
  headersTimeoutMs: 5_000,
  bodyIdleTimeoutMs: 10_000,
  linesIdleTimeoutMs: 600_000,
  keepAliveTimeoutMs: 5_000,
  placeCheckMs: 2_000,
};

/** The socket of a node, in its data directory. */
export const controlSocketName = 'control.sock';

/** `sun_path` has 104 bytes on macOS and 108 on Linux, one of them for the end; Node.js cuts a longer path in silence. */
const socketPathBytesMax = 103;
/** The socket is born in a directory of its own beside its place: `.control-123456/s`. */
const nestBytes = '.control-123456/s'.length - controlSocketName.length;

/**
 * Where the control socket of a data directory is.
 * @throws StatemeshError `controlUnavailable` when the path is too long for a Unix socket
 */
export function controlSocketPath(dataDir: string): string {
  const path = join(resolve(dataDir), controlSocketName);
  const excess = Buffer.byteLength(path) + nestBytes - socketPathBytesMax;
  if (excess <= 0) return path;
  throw new StatemeshError(
    'controlUnavailable',
    `${path} is too long for a Unix socket by ${excess} bytes: choose a data directory with a shorter path.`,
  );
}
