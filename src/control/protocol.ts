/**
 * The commands that a running node answers on its control socket: HTTP/1.1 on a Unix socket, `POST /v1/<command>`.
 *
 * A connection may carry several calls, one after another: the next call starts when the previous answer has ended. A
 * call has a JSON body, or lines (`application/x-ndjson`) with its parameters in the query of the URL. The answer is
 * JSON, or one JSON text per line for commands that return a stream. An error is `{ "code", "message" }`. Its status is
 * 400 when the caller can fix the request, 404 for an unknown command, 408, 413 and 415 for a body that is too slow,
 * too large or of an unknown type, 500 for a bug, and 503 when the maximum of streams is open. In a stream that has
 * begun, the error is the last line, `{ "error": { "code", "message" } }`.
 */
import { join, resolve } from 'node:path';
import { StatemeshError } from '../core/errors.js';

export { nearestName } from '../core/did-you-mean.js';
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
export type { MalformedDocuments } from '../core/malformed.js';
export { plural } from '../core/plural.js';

/** One request to the control socket. */
export interface ControlCall {
  /** The JSON body; undefined when there is none, or when the body is lines. */
  readonly body: unknown;
  /** The body line by line, for `application/x-ndjson`; read no faster than it is consumed. */
  readonly lines: AsyncIterable<string>;
  /** The query of the URL. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The NodeId of the node that the caller means; undefined when it takes any that answers. */
  readonly meantNodeId?: string | undefined;
  /** Aborted when the caller hangs up. */
  readonly signal: AbortSignal;
  /** Resolves when the answer was sent or the caller is gone; for work that must wait until then. */
  readonly answered: Promise<void>;
}

/** Answers a request with a value, or with a stream of values. */
export type ControlCommand = (call: ControlCall) => Promise<unknown> | AsyncIterable<unknown>;
/** The commands by name. */
export type ControlCommands = Readonly<Record<string, ControlCommand>>;

/** The last line of a stream that failed midway. */
export interface ControlErrorLine {
  readonly error: { readonly code: string; readonly message: string };
}

/** The header in which a caller names the node that it means: another node refuses the request. */
export const meantNodeHeader = 'statemesh-node';

export const controlContentTypes = { json: 'application/json', lines: 'application/x-ndjson' } as const;

/** The limits of the service; a test may set lower ones. */
export interface ControlLimits {
  readonly connectionsMax: number;
  /** Maximum of connections that are streams; the others are for calls with one answer, such as `status` and `stop`. */
  readonly streamsMax: number;
  /** Bytes that readers that do not read may hold in memory, all together. */
  readonly stalledBytesMax: number;
  /** A reader that has not read for this long is dropped. */
  readonly readerIdleTimeoutMs: number;
  readonly bodyBytesMax: number;
  readonly lineBytesMax: number;
  /** Time from the first byte of a connection, or from its opening, to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** Time without a byte of a JSON body. */
  readonly bodyIdleTimeoutMs: number;
  /** Time without a byte of lines; longer, because a program at the other end of a pipe may be slow. */
  readonly linesIdleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** How often the node checks that its socket still exists. */
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

/**
 * `sun_path` has 104 bytes on macOS and 108 on Linux, one of them for the terminator; Node.js truncates a longer path
 * silently.
 */
const socketPathBytesMax = 103;
/** The socket is created in a temporary directory beside its place: `.control-123456/s`. */
const nestBytes = '.control-123456/s'.length - controlSocketName.length;

/**
 * The path of the control socket of a data directory.
 *
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
