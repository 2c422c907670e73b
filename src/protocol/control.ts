/**
 * The commands that a running node answers on its control socket: HTTP/1.1 on a Unix socket, `POST /v1/<command>`.
 *
 * A call has JSON as its body, or lines for commands that take a stream. The answer is JSON, or one JSON text a line for
 * commands that give a stream. An error is `{ "code", "message" }` with status 400.
 */
export interface ControlCall {
  /** The JSON body; undefined when there is none, or when the body is lines. */
  readonly body: unknown;
  /** The body line by line, for `application/x-ndjson`. */
  readonly lines: AsyncIterable<string>;
  /** Aborted when the caller has hung up. */
  readonly signal: AbortSignal;
}

export type ControlCommand = (call: ControlCall) => Promise<unknown> | AsyncIterable<unknown>;
export type ControlCommands = Readonly<Record<string, ControlCommand>>;

/** The socket of a node, in its data directory. */
export const controlSocketName = 'control.sock';
