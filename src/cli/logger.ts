/** Logs on standard error: for people on a terminal, JSON lines otherwise. */
import { destination, type Logger, pino } from 'pino';

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
