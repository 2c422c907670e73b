/**
 * Whether a database can take writes: what prevented the last one, and whether it still does.
 *
 * Invariants:
 * - A write is acknowledged only if the files were where they belong; the log was checked at most 2 ms before. A change
 *   of the log in place is noticed a tenth of a second later.
 * - Only failures that concern every write count. A document that is too large for the rest of a disk leaves the
 *   database healthy.
 * - A failure is over when a trial succeeds, not before. Each time that it comes back, it is over only after twice the
 *   time without a failure, so a disk that comes and goes makes the other nodes change their leader only a few times.
 *   Damage stays: a trial would not meet it.
 */
import { type Failure, failureOf, isStatemeshError, type StatemeshError } from '../core/errors.js';
import { isImpairment } from '../core/impairment.js';
import { limits } from '../core/limits.js';
import type { Time } from '../ports/ports.js';
import type { StoreHealth } from '../ports/store.js';

export interface HealthOptions {
  readonly time: Time;
  /**
   * Checks the database and its log. Around a commit it checks only what is cheap; after a commit the database may have
   * grown.
   */
  look(): StatemeshError | undefined;
  lookBeforeCommit(): StatemeshError | undefined;
  lookAfterCommit(): StatemeshError | undefined;
  /** Checks whether the lock is still held, and takes it again if possible. */
  checkLock(): StatemeshError | undefined;
  /**
   * Reads and writes without changing anything.
   *
   * @throws the error that prevents it
   */
  tryDisk(): void;
  /** Converts a raw error to the one that callers get. */
  failure(error: unknown): unknown;
}

export class Health implements StoreHealth {
  private present: Failure | undefined;
  private readonly listeners = new Set<() => void>();
  /** When the last failure occurred, and when the last write or trial succeeded. */
  private failedAtMs = Number.NEGATIVE_INFINITY;
  private soundAtMs: number;
  /** How often the database became impaired since it was last sound for long. */
  private returns = 0;
  private isTrying = false;
  /** The error that another process has the lock, found at the last check. */
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
    // So an idle node notices a failing disk, too.
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

  /** @throws StatemeshError `databaseLost`: the commit went into files that cannot be found again */
  afterCommit(): void {
    this.refuseLost(this.options.lookAfterCommit());
    if (this.isTrying) return;
    this.soundAtMs = this.nowMs();
    if (this.present !== undefined && this.mayRecover(this.present)) this.set(undefined);
  }

  /** Records that a transaction has failed and was rolled back. */
  writeFailed(error: unknown): void {
    if (this.isTrying) return;
    const failure = this.ofDatabase(error);
    if (failure === undefined) return;
    // The disk may have room for every write but this one.
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
    // Not within a transaction, and after the callers got their answers.
    queueMicrotask(() => {
      for (const listener of [...this.listeners]) listener();
    });
  }
}

/** How long the database must work without a failure before it counts as sound; 0 the first time. */
function calmMs(returns: number): number {
  return returns <= 1 ? 0 : Math.min(limits.storeCalmFirstMs * 2 ** (returns - 2), limits.storeCalmMaxMs);
}
