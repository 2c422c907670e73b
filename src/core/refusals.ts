/**
 * What a node remembers of the connections that it has refused, so that whoever asks is told of them later.
 *
 * Invariant: one record for each reason, of which there are as many as error codes.
 */
import type { ErrorCode, Failure } from './errors.js';

/** Connections that were refused for one reason. */
export interface RefusalRecord {
  readonly code: ErrorCode;
  /** Of the last one. */
  readonly message: string;
  readonly remoteAddress: string;
  /** Since the node began, as far as they were reported. */
  readonly count: number;
  /** Of the last one, ms since 1970. */
  readonly lastAtMs: number;
}

/** By reason. */
export type RefusalRecords = ReadonlyMap<ErrorCode, RefusalRecord>;

/** One more report of refused connections. */
export interface RefusalNews {
  readonly remoteAddress: string;
  readonly failure: Failure;
  /** How many more there were that were not reported. */
  readonly suppressed: number;
}

export function withRefusal(records: RefusalRecords, news: RefusalNews, nowMs: number): RefusalRecords {
  const { remoteAddress, suppressed } = news;
  const { code, message } = news.failure;
  const count = (records.get(code)?.count ?? 0) + 1 + suppressed;
  return new Map(records).set(code, { code, message, remoteAddress, count, lastAtMs: nowMs });
}
