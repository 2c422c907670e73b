/**
 * Group commit: all writes requested in one turn of the event loop share one transaction, and so one wait for the disk.
 *
 * Invariants:
 * - Requests run in the order of arrival; each is all or nothing.
 * - A caller gets its answer only after the COMMIT, and every caller gets one.
 * - A failing request does not fail the others: a recipe that throws is left out. If the transaction itself fails, each
 *   of its requests is retried in a transaction of its own.
 */
import { StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Meter } from '../ports/meter.js';
import type { Time } from '../ports/ports.js';
import type { Commit, Write, Written } from '../ports/store.js';
import type { LocalWrites } from './local-writes.js';
import { isSqliteError } from './sqlite-errors.js';
import type { Transaction, Transactor } from './transaction.js';

export interface GroupCommitOptions {
  readonly time: Time;
  readonly meter: Meter | undefined;
  readonly transactor: Transactor;
  readonly localWrites: LocalWrites;
  /** Called after the callers got their answers. */
  publish(commit: Commit): void;
  /** Converts a raw error to the one that callers get. */
  failure(error: unknown): unknown;
}

export class GroupCommit {
  private queue: Request[] = [];
  private queuedWrites = 0;
  private scheduled = false;
  private readonly idleWaiters: (() => void)[] = [];

  constructor(private readonly options: GroupCommitOptions) {}

  write(writes: readonly Write[]): Promise<(Written | undefined)[]> {
    if (this.queuedWrites + writes.length > limits.writesQueuedMax) {
      return Promise.reject(
        new StatemeshError(
          'writeQueueFull',
          `More than ${limits.writesQueuedMax} writes are waiting: wait for some to finish.`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const { time, meter } = this.options;
      this.queue.push({ writes, resolve, reject, alone: false, askedMs: meter?.readings && time.monotonicMs() });
      this.queuedWrites += writes.length;
      this.schedule();
    });
  }

  /** Resolves when no write is waiting. */
  idle(): Promise<void> {
    if (!this.scheduled) return Promise.resolve();
    return new Promise((resolve) => this.idleWaiters.push(resolve));
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.time.soon(() => this.flush());
  }

  private flush(): void {
    const group = this.take();
    const outcomes: Outcome[] = [];
    try {
      const commit = this.options.transactor.writeEntries(undefined, (transaction) => {
        for (const request of group) outcomes.push(this.carryOut(request, transaction));
      });
      for (const [index, request] of group.entries()) answer(request, outcomes[index]);
      this.measure(group);
      if (commit !== undefined) this.options.publish(commit);
    } catch (error) {
      this.recover(group, error);
    }
    // A recipe may have queued more writes meanwhile; it saw `scheduled`, and left the next flush to this one.
    this.scheduled = false;
    if (this.queue.length > 0) this.schedule();
    else for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  private measure(group: readonly Request[]): void {
    const { time, meter } = this.options;
    if (meter?.readings === undefined) return;
    const nowMs = time.monotonicMs();
    for (const { askedMs } of group) {
      if (askedMs !== undefined) meter.readings.written((nowMs - askedMs) / 1_000);
    }
  }

  /** The next requests that fit in a transaction. A request that is larger than that goes alone. */
  private take(): Request[] {
    let count = 0;
    let writes = 0;
    for (const request of this.queue) {
      if (count > 0 && (request.alone || writes + request.writes.length > limits.writesPerTransactionMax)) break;
      count += 1;
      writes += request.writes.length;
      if (request.alone) break;
    }
    this.queuedWrites -= writes;
    return this.queue.splice(0, count);
  }

  private carryOut(request: Request, transaction: Transaction): Outcome {
    let prepared: ReturnType<LocalWrites['prepare']>;
    try {
      prepared = this.options.localWrites.prepare(request.writes, transaction);
    } catch (error) {
      // After an error of SQLite the transaction may be gone, and later statements would commit on their own.
      if (isSqliteError(error)) throw error;
      return { error };
    }
    return { written: this.options.localWrites.append(prepared, transaction) };
  }

  private recover(group: readonly Request[], error: unknown): void {
    const [only] = group;
    if (only !== undefined && group.length === 1) {
      only.reject(this.options.failure(error));
      return;
    }
    for (const request of group) {
      request.alone = true;
      this.queuedWrites += request.writes.length;
    }
    this.queue = [...group, ...this.queue];
  }
}

interface Request {
  readonly writes: readonly Write[];
  readonly resolve: (written: (Written | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
  /** To be retried in a transaction of its own. */
  alone: boolean;
  /** Undefined while nothing is measured. */
  readonly askedMs: number | undefined;
}

type Outcome = { readonly written: (Written | undefined)[] } | { readonly error: unknown };

function answer(request: Request, outcome: Outcome | undefined): void {
  if (outcome === undefined || 'error' in outcome) request.reject(outcome?.error);
  else request.resolve(outcome.written);
}
