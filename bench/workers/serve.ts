/** The worker's side of `bench/workers.ts`: answers calls, and ends with the bench. */
import { readFileSync, writeFileSync } from 'node:fs';

// biome-ignore lint/suspicious/noExplicitAny: handlers take what their callers know; the types are checked at the call.
export type Handlers = Record<string, (...args: any[]) => unknown>;

export interface Request {
  /** 0 requests no answer: writing one would take time that is being measured. */
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** An answer to a call, or an event, which has no id. */
export interface Answer {
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly event?: string;
}

/** Answers calls until `close` is called, which runs `cleanUp` first, or the bench is gone. */
export function serve(handlers: Handlers, cleanUp: () => Promise<void>): void {
  process.on('disconnect', () => process.exit(1));
  process.on('message', (request: Request) => {
    if (request.method === 'close') void cleanUp().finally(() => process.exit(0));
    else void answer(handlers, request);
  });
  // Ctrl-C reaches the whole group of processes; the bench ends its workers itself.
  process.on('SIGINT', () => {});
}

/** Emits an event to the bench. */
export function say(event: string): void {
  reply({ event });
}

/**
 * The peak memory of this process in RAM, since it started or since `forgetPeakRss` was called. `maxRSS`, the only
 * value outside Linux, cannot be reset, and begins with what the parent process had when it forked.
 */
export function peakRssBytes(): number {
  if (!isLinux) return process.resourceUsage().maxRSS * 1_024;
  const line = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (line === null) throw new Error('/proc/self/status has no VmHWM.');
  return Number(line[1]) * 1_024;
}

/** Starting a node takes 32 MiB for scrypt and frees them: they must not hide later peaks. */
export function forgetPeakRss(): void {
  // See proc(5), /proc/pid/clear_refs.
  if (isLinux) writeFileSync('/proc/self/clear_refs', '5');
}

const isLinux = process.platform === 'linux';

async function answer(handlers: Handlers, { id, method, args }: Request): Promise<void> {
  try {
    const handler = new Map(Object.entries(handlers)).get(method);
    if (handler === undefined) throw new Error('There is no such method.');
    const value = await handler(...args);
    if (id !== 0) reply({ id, value });
  } catch (error) {
    // No call waits for the answer, so the worker ends, which the bench notices.
    if (id === 0) throw error;
    reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function reply(message: Answer): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
