/** How long an HTTP server wants to be left alone: `Retry-After` (RFC 9110, section 10.2.3), in seconds or as a date. */
import { limits } from './limits.js';

/**
 * @param headers Names in lower case
 * @param nowMs Our wall clock, which counts only where the server does not tell its own by `Date`
 * @returns ms from now on, at most `limits.retryAfterMaxMs`; undefined when it says nothing that can be read
 */
export function retryAfterMs(headers: Readonly<Record<string, string>>, nowMs: number): number | undefined {
  const text = headers['retry-after']?.trim() ?? '';
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, limits.retryAfterMaxMs);
  const untilMs = httpDate(text);
  if (untilMs === undefined) return undefined;
  const fromMs = httpDate(headers.date?.trim() ?? '') ?? nowMs;
  return Math.min(Math.max(untilMs - fromMs, 0), limits.retryAfterMaxMs);
}

/** `Date.parse` alone takes almost anything, in the time zone of this machine. */
function httpDate(text: string): number | undefined {
  const ms = / GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
