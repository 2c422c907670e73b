/** Logs on standard error: for people on a terminal, JSON lines otherwise. */
import { closeSync, openSync } from 'node:fs';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { StatemeshError } from '../protocol/control.js';

const standardError = 2;

/** Synchronous, so that the last words before an exit are not lost. */
export async function createLogger(level: string): Promise<Logger> {
  // A process id and host name in each line say nothing on a terminal, and the supervisor's log has them otherwise.
  const options = { level, base: null };
  if (!process.stderr.isTTY) return pino(options, destination({ dest: standardError, sync: true }));
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    destination: standardError,
    sync: true,
    colorize: process.stderr.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
  });
  return pino(options, stream);
}

/** The audit log in a file of its own, whatever the level of the other: JSON lines, readable by its owner only. */
export function createAuditLog(file: string): { readonly logger: Logger; reopen(): void } {
  let stream: ReturnType<typeof destination>;
  try {
    closeSync(openSync(file, 'a', 0o600));
    stream = destination({ dest: file, append: true, sync: true, mode: 0o600 });
  } catch (error) {
    const { code } = error as { code?: string };
    throw new StatemeshError(
      'configurationInvalid',
      `--audit-log ${file} cannot be written (${code ?? 'unknown reason'}).`,
    );
  }
  // A disk that is full must not end the node.
  stream.on('error', () => {});
  const logger = pino({ level: 'info', base: null, timestamp: stdTimeFunctions.isoTime }, stream);
  return { logger, reopen: () => stream.reopen() };
}
