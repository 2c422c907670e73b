/**
 * How long an HTTP server asks its client to wait: `Retry-After` (RFC 9110, section 10.2.3), in seconds or as a date.
 */
import { limits } from './limits.js';

/**
 * Reads the wait from response headers.
 *
 * @param headers Names in lower case
 * @param nowMs Our wall clock, used only if the server does not send its own time in `Date`
 * @returns ms from now, at most `limits.retryAfterMaxMs`; undefined if there is no readable value
 */
export function retryAfterMs(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const text = headers['retry-after']?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, limits.retryAfterMaxMs);
  const untilMs = httpDate(text);
  if (untilMs === undefined) return undefined;
  const fromMs = httpDate(headers.date?.trim() ?? '') ?? nowMs;
  return Math.min(Math.max(untilMs - fromMs, 0), limits.retryAfterMaxMs);
}

/** `Date.parse` alone accepts almost any text, and reads it in the time zone of this machine. */
function httpDate(text: string): number | undefined {
  const ms = / GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
