/** Exit codes: the one table from errors to exit codes, with advice for users. */
import type { ErrorCode } from '../control/protocol.js';

export const exitCodes = {
  ok: 0,
  failed: 1,
  badInput: 2,
  noNode: 3,
  notFound: 4,
  taken: 5,
  database: 6,
  // Named after the kinds of breaches.
  safety: 10,
  latency: 11,
  liveness: 12,
  leak: 13,
  crash: 14,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** For `statemesh --help` and the README. */
export const exitCodeMeanings: Readonly<Record<number, string>> = {
  [exitCodes.ok]: 'done; for start: stopped gracefully',
  [exitCodes.failed]: 'failed for a reason not listed below; the message says why',
  [exitCodes.badInput]: 'bad input: option, variable, configuration, key, document, query or line',
  [exitCodes.noNode]: 'no node answers in the data directory, or it went away',
  [exitCodes.notFound]: 'no document under the key (get, delete), no such remote peer',
  [exitCodes.taken]: 'start, reconfigure: port, address, database or data directory is taken or not available',
  [exitCodes.database]: 'start, reconfigure: the database is foreign, damaged or cannot be written',
  [exitCodes.safety]: 'simulate: a safety property was violated',
  [exitCodes.latency]: 'simulate: a write was not visible in time on a healthy network',
  [exitCodes.liveness]: 'simulate: nodes did not agree, or find each other, after everything had healed',
  [exitCodes.leak]: 'simulate: something was left over after all nodes had stopped',
  [exitCodes.crash]: 'simulate: the run itself failed or hung',
  [exitCodes.interrupted]: 'interrupted by Ctrl-C (start: by a second one); watch and logs --follow end with 0',
  [exitCodes.terminated]: 'simulate: ended by SIGTERM; start: by a second one',
};

/** The rows of the table for `statemesh --help`, or for the codes of one command with its own meanings. */
export function exitCodeHelp(
  codes?: readonly ExitCode[],
  own: Readonly<Partial<Record<ExitCode, string>>> = {},
): string {
  const meaningOf = (code: ExitCode): string | undefined =>
    codes === undefined ? exitCodeMeanings[code] : (own[code] ?? meaningsForOne[code] ?? withoutCommand(code));
  const rows = (codes ?? Object.values(exitCodes)).map((code) => `  ${String(code).padEnd(4)} ${meaningOf(code)}`);
  return `\nExit codes:\n${rows.join('\n')}`;
}

/** Of codes whose meaning differs between commands, the one that most commands have. */
const meaningsForOne: Readonly<Partial<Record<ExitCode, string>>> = {
  [exitCodes.ok]: 'done',
  [exitCodes.interrupted]: 'interrupted by Ctrl-C',
};

/** The meaning in the help of a command, which need not name the command. */
function withoutCommand(code: ExitCode): string | undefined {
  return exitCodeMeanings[code]?.replace(/^(start, reconfigure|simulate): /, '');
}

/**
 * While a node starts, an unavailable control socket means that it is taken; for all other commands, that no node runs.
 */
export function exitCodeOf(code: ErrorCode, { isStarting = false } = {}): ExitCode {
  if (isStarting && code === 'controlUnavailable') return exitCodes.taken;
  return exitCodesByError[code] ?? exitCodes.failed;
}

/** Advice in one line, when the message does not contain it already. */
export function adviceOn(code: ErrorCode, { isStarting = false } = {}): string | undefined {
  if (isStarting && code === 'controlUnavailable') return undefined;
  return advice[code];
}

const exitCodesByError: Partial<Record<ErrorCode, ExitCode>> = {
  requestInvalid: exitCodes.badInput,
  traceInvalid: exitCodes.badInput,
  configurationInvalid: exitCodes.badInput,
  configurationUnreadable: exitCodes.badInput,
  clusterKeyMissing: exitCodes.badInput,
  nodeIdInvalid: exitCodes.badInput,
  nodeIdMismatch: exitCodes.badInput,
  collectionNameInvalid: exitCodes.badInput,
  collectionReserved: exitCodes.badInput,
  keyInvalid: exitCodes.badInput,
  documentInvalid: exitCodes.badInput,
  documentTooLarge: exitCodes.badInput,
  documentRejected: exitCodes.badInput,
  queryInvalid: exitCodes.badInput,
  cursorExpired: exitCodes.badInput,
  queryTooLarge: exitCodes.badInput,
  peerInvalid: exitCodes.badInput,
  importInvalid: exitCodes.badInput,
  controlUnavailable: exitCodes.noNode,
  notRunning: exitCodes.noNode,
  connectionLost: exitCodes.noNode,
  connectionTimeout: exitCodes.noNode,
  documentNotFound: exitCodes.notFound,
  peerUnknown: exitCodes.notFound,
  portInUse: exitCodes.taken,
  addressUnavailable: exitCodes.taken,
  databaseInUse: exitCodes.taken,
  databaseForeign: exitCodes.database,
  databaseCorrupt: exitCodes.database,
  databaseUnavailable: exitCodes.database,
  databaseLost: exitCodes.database,
  diskFull: exitCodes.database,
  cancelled: exitCodes.interrupted,
};

const advice: Partial<Record<ErrorCode, string>> = {
  requestInvalid: 'See --help for how the command is used.',
  configurationInvalid: 'Correct the field where it is set: option, STATEMESH_* variable or configuration file.',
  portInUse: 'Choose another port: --port PORT (`reconfigure`: port=PORT). With 0 the system chooses one.',
  databaseInUse: 'The node may already be running: see `statemesh status`.',
  diskFull: 'Nothing of this operation was kept; earlier writes are safe.',
  peerUnknown: 'See `statemesh remote-peers`.',
  connectionLost: 'See `statemesh status`.',
  internal: 'This is a bug in statemesh: please report it.',
};
