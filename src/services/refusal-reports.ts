/**
 * Decides which refused connections are reported, so that a scan cannot flood the log.
 *
 * Invariants: in `limits.refusalReportIntervalMs` there is one report for each range of addresses (an IPv4 /24, an IPv6
 * /64) and failure code, and at most `limits.refusalReportsPerIntervalMax` in all. The next report contains the number
 * of unreported refusals.
 */
import { hostIn, neighborhood } from '../core/address-range.js';
import type { ErrorCode, Failure } from '../core/errors.js';
import { limits } from '../core/limits.js';

export interface RefusalReport {
  readonly remoteAddress: string;
  readonly failure: Failure;
  /**
   * Connections refused without a report since the last one: of the same range and code, or above the limit of all
   * reports.
   */
  readonly suppressed: number;
}

interface Kind {
  readonly reportedMs: number;
  suppressed: number;
}

export class RefusalReports {
  readonly #kinds = new Map<string, Kind>();
  #intervalBeganMs = Number.NEGATIVE_INFINITY;
  #reportsInInterval = 0;
  #suppressed = 0;

  /** @returns the report to make; undefined when this refusal is only counted */
  refused(remoteAddress: string, failure: Failure, nowMs: number): RefusalReport | undefined {
    if (nowMs - this.#intervalBeganMs >= limits.refusalReportIntervalMs) this.#beginInterval(nowMs);
    const key = keyOf(remoteAddress, failure.code);
    const kind = this.#kinds.get(key);
    if (kind !== undefined && nowMs - kind.reportedMs < limits.refusalReportIntervalMs) {
      kind.suppressed += 1;
      return undefined;
    }
    if (this.#reportsInInterval >= limits.refusalReportsPerIntervalMax) {
      this.#suppressed += 1;
      return undefined;
    }
    this.#reportsInInterval += 1;
    const suppressed = (kind?.suppressed ?? 0) + this.#suppressed;
    this.#suppressed = 0;
    this.#kinds.set(key, { reportedMs: nowMs, suppressed: 0 });
    return { remoteAddress, failure, suppressed };
  }

  /** Forgets kinds that were reported long ago, and keeps their counts. */
  #beginInterval(nowMs: number): void {
    this.#intervalBeganMs = nowMs;
    this.#reportsInInterval = 0;
    for (const [key, { reportedMs, suppressed }] of this.#kinds) {
      if (nowMs - reportedMs < 2 * limits.refusalReportIntervalMs) continue;
      this.#suppressed += suppressed;
      this.#kinds.delete(key);
    }
  }
}

function keyOf(remoteAddress: string, code: ErrorCode): string {
  return `${neighborhood(hostIn(remoteAddress))} ${code}`;
}
