/** Logs on standard error: readable text on a terminal, JSON lines otherwise. */
import { closeSync, constants, openSync } from 'node:fs';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { StatemeshError, systemCodeOf } from '../control/protocol.js';

const standardError = 2;
const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;

/** Synchronous, so that the last lines before an exit are not lost. */
export async function createLogger(level: string): Promise<Logger> {
  // A process id and host name in each line say nothing on a terminal, and a supervisor's log adds them itself.
  const options = { level, base: null };
  const target = sturdy({ dest: standardError });
  if (!process.stderr.isTTY) return pino(options, target);
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    destination: target,
    colorize: process.stderr.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
  });
  return pino(options, stream);
}

/** The audit log in a file of its own, independent of the log level: JSON lines that only the owner can read. */
export function createAuditLog(file: string): { readonly logger: Logger; reopen(): void } {
  let stream: ReturnType<typeof sturdy>;
  try {
    // Opening a pipe that has no reader would block.
    closeSync(openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600));
    stream = sturdy({ dest: file, append: true, mode: 0o600 });
  } catch (error) {
    const code = systemCodeOf(error);
    throw new StatemeshError(
      'configurationInvalid',
      `--audit-log ${file} cannot be written (${code ?? 'unknown reason'}).`,
    );
  }
  const logger = pino({ level: 'info', base: null, timestamp: stdTimeFunctions.isoTime }, stream);
  return { logger, reopen: () => stream.reopen() };
}

/** Lines wait for room on the disk or for a slow reader, up to this many bytes; then they are dropped. */
const waitingBytesMax = 1024 * 1024;
/** How often a write to a full disk or a busy pipe is retried. */
const retryIntervalMs = 1_000;

/** A full disk, a pipe without a reader or a closed terminal must neither end the node nor block it. */
function sturdy(options: { dest: string | number; append?: boolean; mode?: number }): ReturnType<typeof destination> {
  const stream = destination({
    ...options,
    sync: true,
    maxLength: waitingBytesMax,
    // Otherwise it would block the whole node until the pipe has room.
    retryEAGAIN: () => false,
    periodicFlush: retryIntervalMs,
  });
  stream.on('error', () => {});
  return stream;
}
