/** Logs on standard error: for people on a terminal, JSON lines otherwise. */
import { closeSync, constants, openSync } from 'node:fs';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { StatemeshError, systemCodeOf } from '../control/protocol.js';

const standardError = 2;
const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;

/** Synchronous, so that the last words before an exit are not lost. */
export async function createLogger(level: string): Promise<Logger> {
  // A process id and host name in each line say nothing on a terminal, and the supervisor's log has them otherwise.
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

/** The audit log in a file of its own, whatever the level of the other: JSON lines, readable by its owner only. */
export function createAuditLog(file: string): { readonly logger: Logger; reopen(): void } {
  let stream: ReturnType<typeof sturdy>;
  try {
    // A pipe that nobody reads would be waited for.
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

/** Lines wait for a disk that has room again, or for a reader that sleeps, up to so many bytes; then they are dropped. */
const waitingBytesMax = 1024 * 1024;
const retryIntervalMs = 1_000;

/** A disk that is full, a pipe that nobody reads or a terminal that is gone must neither end the node nor hold it up. */
function sturdy(options: { dest: string | number; append?: boolean; mode?: number }): ReturnType<typeof destination> {
  const stream = destination({
    ...options,
    sync: true,
    maxLength: waitingBytesMax,
    // Or it would sleep, and all of the node with it, until a pipe has room.
    retryEAGAIN: () => false,
    periodicFlush: retryIntervalMs,
  });
  stream.on('error', () => {});
  return stream;
}
