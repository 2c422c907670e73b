/**
 * Which refused connections are told of: a scan must not flood the log.
 *
 * Invariants: of one range of addresses (an IPv4 /24, an IPv6 /64) and one kind of failure there is one report in ten seconds; of all
 * together, no more than twenty; what was left out is counted in the report that comes next.
 */
import { neighbourhood } from '../core/address-range.js';
import type { ErrorCode, Failure } from '../core/errors.js';

const reportIntervalMs = 10_000;
const reportsPerIntervalMax = 20;

export interface RefusalReport {
  readonly remoteAddress: string;
  readonly failure: Failure;
  /** Refused since the last report, for this reason and near this address, or beyond what is told of at all. */
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

  /** @returns What to tell, if anything */
  refused(remoteAddress: string, failure: Failure, nowMs: number): RefusalReport | undefined {
    if (nowMs - this.#intervalBeganMs >= reportIntervalMs) this.#beginInterval(nowMs);
    const key = keyOf(remoteAddress, failure.code);
    const kind = this.#kinds.get(key);
    if (kind !== undefined && nowMs - kind.reportedMs < reportIntervalMs) {
      kind.suppressed += 1;
      return undefined;
    }
    if (this.#reportsInInterval >= reportsPerIntervalMax) {
      this.#suppressed += 1;
      return undefined;
    }
    this.#reportsInInterval += 1;
    const suppressed = (kind?.suppressed ?? 0) + this.#suppressed;
    this.#suppressed = 0;
    this.#kinds.set(key, { reportedMs: nowMs, suppressed: 0 });
    return { remoteAddress, failure, suppressed };
  }

  /** Forgets what was reported long ago, but none of what was left out. */
  #beginInterval(nowMs: number): void {
    this.#intervalBeganMs = nowMs;
    this.#reportsInInterval = 0;
    for (const [key, { reportedMs, suppressed }] of this.#kinds) {
      if (nowMs - reportedMs < 2 * reportIntervalMs) continue;
      this.#suppressed += suppressed;
      this.#kinds.delete(key);
    }
  }
}

function keyOf(remoteAddress: string, code: ErrorCode): string {
  const host = remoteAddress.slice(0, Math.max(0, remoteAddress.lastIndexOf(':'))).replace(/^\[|\]$/g, '');
  return `${neighbourhood(host)} ${code}`;
}
