/**
 * What a node remembers about the connections that it refused, so that `doctor` and the status can report them later.
 *
 * Invariant: there is one record per reason, so at most as many as error codes.
 */
import type { ErrorCode, Failure } from './errors.js';

/** Connections that were refused for one reason. */
export interface RefusalRecord {
  readonly code: ErrorCode;
  /** Of the last refusal. */
  readonly message: string;
  readonly remoteAddress: string;
  /** Since the node started, as far as they were reported. */
  readonly count: number;
  /** Of the last refusal, ms since 1970. */
  readonly lastAtMs: number;
}

/** Records by reason. */
export type RefusalRecords = ReadonlyMap<ErrorCode, RefusalRecord>;

/** One more report of refused connections. */
export interface RefusalNews {
  readonly remoteAddress: string;
  readonly failure: Failure;
  /** How many further refusals were not reported. */
  readonly suppressed: number;
}

export function withRefusal(records: RefusalRecords, news: RefusalNews, nowMs: number): RefusalRecords {
  const { remoteAddress, suppressed } = news;
  const { code, message } = news.failure;
  const count = (records.get(code)?.count ?? 0) + 1 + suppressed;
  return new Map(records).set(code, { code, message, remoteAddress, count, lastAtMs: nowMs });
}
