/**
 * Whether a database can take writes: what kept the last one from the disk, and whether it still does.
 *
 * Invariants:
 * - A write is acknowledged only when the files were where they belong, the log 2 ms before at most; what is done to the log in place is
 *   noticed a tenth of a second later.
 * - Only what concerns every write counts: a document that is too large for what is left of a disk leaves the database healthy.
 * - What was wrong is over when a try succeeds, not before, and with each time that it comes back only after the double time without a
 *   failure: a disk that comes and goes moves the other nodes a few times at most. Damage stays: a try would not meet it.
 */
import { type Failure, failureOf, isStatemeshError, type StatemeshError } from '../core/errors.js';
import { isImpairment } from '../core/impairment.js';
import { limits } from '../core/limits.js';
import type { Time } from '../ports/ports.js';
import type { StoreHealth } from '../ports/store.js';

export interface HealthOptions {
  readonly time: Time;
  /** Looks at the database and its log. Around a commit only at what costs little; after it the database may have grown. */
  look(): StatemeshError | undefined;
  lookBeforeCommit(): StatemeshError | undefined;
  lookAfterCommit(): StatemeshError | undefined;
  /** Whether the lock is still held, or held again. */
  checkLock(): StatemeshError | undefined;
  /** Reads and writes what changes nothing. @throws what keeps it from the disk */
  tryDisk(): void;
  /** Makes of a raw error what callers get. */
  failure(error: unknown): unknown;
}

export class Health implements StoreHealth {
  private present: Failure | undefined;
  private readonly listeners = new Set<() => void>();
  /** When something has failed last, and when something was last written or tried with success. */
  private failedAtMs = Number.NEGATIVE_INFINITY;
  private soundAtMs: number;
  /** How often it has become impaired, since it was last sound for long. */
  private returns = 0;
  private isTrying = false;
  /** Somebody else has the lock: found at the last check. */
  private unlocked: StatemeshError | undefined;

  constructor(private readonly options: HealthOptions) {
    this.soundAtMs = options.time.monotonicMs();
  }

  failure(): Failure | undefined {
    return this.present;
  }

  subscribe(listener: () => void): () => void {
    const subscriber = () => listener();
    this.listeners.add(subscriber);
    return () => this.listeners.delete(subscriber);
  }

  check(): Failure | undefined {
    const lost = this.options.look() ?? this.checkLock();
    if (lost !== undefined) this.set(failureOf(lost));
    else if (this.present !== undefined && this.mayRecover(this.present)) this.set(this.trial());
    // An idle node finds out, too.
    else if (this.present === undefined && this.nowMs() - this.soundAtMs >= limits.storeIdleTrialMs) this.probe();
    return this.present;
  }

  probe(): Failure | undefined {
    const failure = this.trial();
    if (failure !== undefined) this.set(failure);
    return this.present;
  }

  /** @throws StatemeshError `databaseLost` */
  beforeCommit(): void {
    this.refuseLost(this.unlocked ?? this.options.lookBeforeCommit());
  }

  /** @throws StatemeshError `databaseLost`: the commit is in files that nobody will find */
  afterCommit(): void {
    this.refuseLost(this.options.lookAfterCommit());
    if (this.isTrying) return;
    this.soundAtMs = this.nowMs();
    if (this.present !== undefined && this.mayRecover(this.present)) this.set(undefined);
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
    this.set(failure);
  }

  private checkLock(): StatemeshError | undefined {
    this.unlocked = this.options.checkLock();
    return this.unlocked;
  }

  private refuseLost(lost: StatemeshError | undefined): void {
    if (lost === undefined) return;
    this.set(failureOf(lost));
    throw lost;
  }

  private mayRecover({ code }: Failure): boolean {
    if (code === 'databaseCorrupt') return false;
    return this.nowMs() - this.failedAtMs >= calmMs(this.returns);
  }

  private nowMs(): number {
    return this.options.time.monotonicMs();
  }

  private trial(): Failure | undefined {
    this.isTrying = true;
    try {
      this.options.tryDisk();
      this.soundAtMs = this.nowMs();
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
    return isStatemeshError(mapped) && isImpairment(mapped.code) ? failureOf(mapped) : undefined;
  }

  private set(failure: Failure | undefined): void {
    const isNews = this.present?.code !== failure?.code;
    if (failure !== undefined) {
      const nowMs = this.nowMs();
      if (this.present === undefined) {
        this.returns = nowMs - this.failedAtMs > 2 * limits.storeCalmMaxMs ? 1 : this.returns + 1;
      }
      this.failedAtMs = nowMs;
    }
    this.present = failure;
    if (!isNews) return;
    // Not from within a transaction, and after those who asked for it were answered.
    queueMicrotask(() => {
      for (const listener of [...this.listeners]) listener();
    });
  }
}

/** For how long nothing may have failed before the database counts as sound: none at first. */
function calmMs(returns: number): number {
  return returns <= 1 ? 0 : Math.min(limits.storeCalmFirstMs * 2 ** (returns - 2), limits.storeCalmMaxMs);
}
