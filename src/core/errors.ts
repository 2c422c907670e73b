/**
 * The closed list of everything that statemesh can report as wrong, and the one class that carries it.
 *
 * An expected error always has a code from this list, a message that says what to do, and the underlying error as
 * `cause`. A bug is not expected: it surfaces as `internal`.
 */
import { foreignText } from './foreign-text.js';

/** Every error code with its meaning. Codes are stable: programs may switch on them. */
export const errorCodes = {
  // Configuration and identity
  configurationInvalid: 'A configuration field has a wrong value; the message names the field.',
  configurationUnreadable: 'The configuration is missing, unreadable or not JSON, or its server does not deliver it.',
  clusterKeyMissing: 'No cluster key is configured, and security was not switched off on purpose.',
  nodeIdInvalid: 'A NodeId is empty, too long or has characters outside A-Z a-z 0-9 . _ -',
  duplicateNodeId: 'Another live process uses the same NodeId in this cluster.',

  // Lifecycle
  notRunning: 'The node is not running, so it cannot do what was asked.',
  alreadyStarted: 'The node was started before; a stopped node cannot be started again.',
  portInUse: 'The listening port is taken by another process.',
  addressUnavailable: 'The listening address does not exist here or is not allowed.',
  controlForeign: 'The control socket or its directory may belong to another user, so nothing is sent to it.',
  controlUnavailable: 'The control socket could not be opened, or no node answers on it.',
  controlBusy: 'The control socket has as many open streams as a node allows; end some of them, or try again.',

  identityChanged: 'The node continues under another NodeId, with another database.',
  reconfigurationQueueFull: 'Too many reconfigurations are waiting; try again when some have finished.',

  // Store
  nativeModuleMissing:
    'The native module of better-sqlite3 is not built for this Node.js; the message says how to build it.',
  databaseInUse: 'Another process has the database file open.',
  databaseForeign: 'The database file belongs to another identity, to another program or to a newer version.',
  databaseCorrupt: 'The database file is damaged.',
  databaseUnavailable: 'The database file cannot be opened, read or written.',
  databaseLost: 'The database file, its log or its directory was deleted, moved or replaced while the node runs.',
  diskFull: 'The disk is full; nothing of the write was kept.',
  storeClosed: 'The database was closed while the operation was waiting.',
  writeQueueFull: 'Too many writes are waiting; try again when some have finished.',

  // Documents and queries
  collectionNameInvalid: 'A collection name is empty, too long or has control characters.',
  collectionReserved: 'Collections that start with _system_ are written by statemesh only.',
  keyInvalid: 'A document key is empty, too long or has control characters.',
  documentInvalid: 'A document is not a JSON value, or is nested too deeply.',
  documentTooLarge: 'A document is larger than the limit.',
  documentRejected: "A document does not satisfy the collection's schema.",
  cursorExpired:
    'A cursor belongs to another database, or to one that has since been replaced or restored; start from 0.',
  queryInvalid: 'A query has an unknown operator, an invalid field or a wrong value.',
  queryTooLarge: 'The documents that a query matches are too large in total; set a limit, or stream them.',

  // Connections
  wrongClusterKey: 'The other side does not have the same cluster key.',
  connectionRefused: 'Nothing accepts connections at the address.',
  connectionLost: 'The connection broke.',
  connectionTimeout: 'The other side did not answer in time.',
  descriptorsExhausted: 'The process has no file descriptors left for connections; raise its limit (ulimit -n).',
  connectionLimit: 'The node has as many connections or peers as it allows.',
  handshakeTimeout: 'The other side connected but did not identify itself in time.',
  heartbeatMissed: 'The other side has been silent for too long.',
  nodeIdMismatch: 'A different node than expected answers at the address.',
  selfConnection: 'The address is our own.',
  duplicateConnection: 'The two nodes already have another connection, which stays.',
  protocolUnsupported: 'The other side speaks another protocol or another version of it.',
  frameTooLarge: 'A frame is larger than the limit.',
  frameMalformed: 'A frame cannot be decoded.',
  unexpectedFrame: 'A frame arrived in a state that does not allow it.',
  windowExceeded: 'The other side sent more batches than its window allows.',
  receiveBudgetExceeded: 'The other side left a large frame unfinished while the node had no room for it.',
  clusterKeyRetired: 'The cluster no longer accepts the cluster key of the connection.',
  goodbye: 'The other side ended the session in good order.',

  // Cloud
  authorityUnavailable: 'The OAuth2 authority cannot be reached, does not answer in time, or fails.',
  authorityInvalid: 'The answer of the OAuth2 authority is not valid OAuth2.',
  authorityRefused: 'The OAuth2 authority refuses the client: its id, its secret, a scope or the audience is wrong.',
  tokenRefused: 'The cloud node refuses the access token.',
  tokenExpired: 'The access token expired without a renewal, so the session ended.',
  certificateInvalid: 'The certificate of a cloud node or of an authority cannot be verified.',
  plaintextRefused:
    'A connection to the cloud would not be encrypted. That is allowed on loopback only, and on request.',
  secretVariableUnlisted:
    'A remote peer names an environment variable that this node does not list for its authority (secretVariables).',
  environmentMissing: 'An environment variable that a remote peer names is not set on the node that needs it.',
  secretUnsealable: 'A sealed secret was sealed with another cluster key, for another peer, or is damaged.',

  // Replication
  clockDrift: 'A time stamp lies too far in the future; entries of its author wait until that time.',
  chainGap: 'Entries are missing before those that arrived.',
  chainDiverged: 'Two different entries claim the same place in the chain of one author.',

  // Inspector
  inspectorUnavailable: 'The inspector cannot be opened.',
  traceInvalid: 'A file is missing, unreadable or not a trace of statemesh.',

  // Everything else
  peerInvalid: 'A remote peer has an invalid NodeId, address or type.',
  peerUnknown: 'There is no remote peer with the NodeId.',
  importInvalid: 'A line to import is not valid; the message names it.',
  requestInvalid:
    'A control request, a command line or the options of a call are malformed or unknown; the message says how.',
  documentNotFound: 'There is no document under the key.',
  watcherLimit:
    'As many changes and watch streams already wait for commits as a node allows; end some that are no longer needed.',
  cancelled: 'The operation was cancelled by its caller.',
  internal: 'A bug in statemesh. Please report it with the message and the stack.',
} as const;

/** One of the closed list {@link errorCodes}. */
export type ErrorCode = keyof typeof errorCodes;

/** An expected error: a code from {@link errorCodes}, a message that says what to do, the underlying error as cause. */
export class StatemeshError extends Error {
  override readonly name = 'StatemeshError';

  /** How long to wait before the next attempt, in ms from now, as the other side asked. */
  readonly retryAfterMs?: number;

  constructor(
    readonly code: ErrorCode,
    message: string,
    { retryAfterMs, ...options }: { cause?: unknown; retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** What an actor keeps and reports of an error: plain data, safe to log, to inspect and to send. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** How long the other side asked to wait when it failed, ms. */
  readonly retryAfterMs?: number;
}

/** A failure, and when it happened. */
export interface PastFailure extends Failure {
  /** In ms since 1970, by this machine's clock. */
  readonly atMs: number;
}

/**
 * Turns any error into a failure. Recognizes a StatemeshError by its shape, not by `instanceof`, so that errors of
 * other realms (test runners, workers) count too. A lack of file descriptors, which can show anywhere, becomes
 * `descriptorsExhausted`. Any other foreign error becomes `internal` and keeps its message.
 */
export function failureOf(error: unknown): Failure {
  if (isStatemeshError(error)) {
    const { code, message, retryAfterMs } = error;
    return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  if (lacksDescriptors(error)) {
    const message = `The process has no file descriptors left (${messageOf(error)}); raise its limit (ulimit -n).`;
    return { code: 'descriptorsExhausted', message };
  }
  return { code: 'internal', message: messageOf(error) };
}

export function isStatemeshError(error: unknown): error is StatemeshError {
  return fieldOf(error, 'name') === 'StatemeshError' && typeof fieldOf(error, 'code') === 'string';
}

/** Whether a text is a code of the closed list. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text);
}

/** The `code` of a system error (`ENOENT`, `ERR_SSL_...`), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  const code = fieldOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** Whether this process (EMFILE) or the machine (ENFILE) has run out of file descriptors. */
export function lacksDescriptors(error: unknown): boolean {
  const code = systemCodeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

export function messageOf(error: unknown): string {
  const message = fieldOf(error, 'message');
  return typeof message === 'string' ? message : shortText(error);
}

/** Programs can throw anything: also a proxy or a getter that throws when it is read. */
function fieldOf(error: unknown, name: 'code' | 'message' | 'name'): unknown {
  try {
    return (error as Record<typeof name, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/**
 * A value from outside as part of a message, cut to 80 characters. Objects are only named, because some cannot be
 * converted to text.
 */
export function shortText(value: unknown): string {
  if (typeof value === 'object' && value !== null) return isList(value) ? '[a list]' : '[an object]';
  const text = typeof value === 'function' ? '[a function]' : String(value);
  return foreignText(text, { lengthMax: textLengthMax });
}

/** The longest foreign value in a message, in characters. */
const textLengthMax = 80;

/** Throws if one of our own invariants does not hold. For core and services; actions record a failure instead. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new StatemeshError('internal', message);
}

function isList(value: object): boolean {
  try {
    return Array.isArray(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}
