/**
 * Whether a database can take writes: what kept the last one from the disk, and whether it still does.
 *
 * Invariants:
 * - A write is acknowledged only when the files are where they were, before it and after it.
 * - Only what concerns every write counts: a document that is too large for what is left of a disk leaves the database healthy.
 * - What was wrong is over when a try succeeds, not before. Damage stays: a try would not meet it.
 */
import { type Failure, failureOf, isStatemeshError, type StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Time } from '../protocol/ports.js';
import type { StoreHealth } from '../protocol/store.js';

export interface HealthOptions {
  readonly time: Time;
  /** Looks at the database; at its log, too; at both after a commit, by which the database may have grown. */
  look(): StatemeshError | undefined;
  lookAround(): StatemeshError | undefined;
  lookAfterCommit(): StatemeshError | undefined;
  /** Writes what changes nothing. @throws what keeps it from the disk */
  tryToWrite(): void;
  /** Makes of a raw error what callers get. */
  failure(error: unknown): unknown;
}

export class Health implements StoreHealth {
  private present: Failure | undefined;
  private readonly listeners = new Set<() => void>();
  private unreadAtMs = Number.NEGATIVE_INFINITY;
  private isTrying = false;

  constructor(private readonly options: HealthOptions) {}

  failure(): Failure | undefined {
    return this.present;
  }

  subscribe(listener: () => void): () => void {
    const subscriber = () => listener();
    this.listeners.add(subscriber);
    return () => this.listeners.delete(subscriber);
  }

  check(): Failure | undefined {
    const lost = this.options.lookAround();
    if (lost !== undefined) this.set(failureOf(lost));
    else if (this.present !== undefined && this.mayRecover(this.present)) this.set(this.trial());
    return this.present;
  }

  /** @throws StatemeshError `databaseLost` */
  beforeCommit(): void {
    this.refuseLost(this.options.look());
  }

  /** @throws StatemeshError `databaseLost`: the commit is in files that nobody will find */
  afterCommit(): void {
    this.refuseLost(this.options.lookAfterCommit());
    if (this.present !== undefined && !this.isTrying && this.mayRecover(this.present)) this.set(undefined);
  }

  /** A transaction has failed, and is rolled back. */
  writeFailed(error: unknown): void {
    if (this.isTrying) return;
    const failure = this.ofDatabase(error);
    if (failure === undefined) return;
    // The disk may have room for everything but this one.
    const isOfAll = failure.code !== 'diskFull' || this.present !== undefined || this.trial() !== undefined;
    if (isOfAll) this.set(failure);
  }

  readFailed(error: unknown): void {
    const failure = this.ofDatabase(error);
    if (failure === undefined) return;
    this.unreadAtMs = this.options.time.monotonicMs();
    this.set(failure);
  }

  private refuseLost(lost: StatemeshError | undefined): void {
    if (lost === undefined) return;
    this.set(failureOf(lost));
    throw lost;
  }

  private mayRecover({ code }: Failure): boolean {
    if (code === 'databaseCorrupt') return false;
    return this.options.time.monotonicMs() - this.unreadAtMs >= limits.storeUnreadableMs;
  }

  private trial(): Failure | undefined {
    this.isTrying = true;
    try {
      this.options.tryToWrite();
      const lost = this.options.lookAfterCommit();
      return lost && failureOf(lost);
    } catch (error) {
      return failureOf(this.options.failure(error));
    } finally {
      this.isTrying = false;
    }
  }

  private ofDatabase(error: unknown): Failure | undefined {
    const mapped = this.options.failure(error);
    return isStatemeshError(mapped) && codes.has(mapped.code) ? failureOf(mapped) : undefined;
  }

  private set(failure: Failure | undefined): void {
    const isNews = this.present?.code !== failure?.code;
    this.present = failure;
    if (!isNews) return;
    // Not from within a transaction, and after those who asked for it were answered.
    queueMicrotask(() => {
      for (const listener of [...this.listeners]) listener();
    });
  }
}

/** What says something about the database, not about what was asked of it. */
const codes: ReadonlySet<string> = new Set(['diskFull', 'databaseUnavailable', 'databaseCorrupt', 'databaseLost']);
