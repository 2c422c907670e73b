/** How long a server asks its clients to wait. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { retryAfterMs } from '../../src/core/retry-after.js';

const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
const inAMinute = new Date(nowMs + 60_000).toUTCString();

describe('retryAfterMs', () => {
  it.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ 'retry-after': '60' }, 60_000],
    [{ 'retry-after': ' 0 ' }, 0],
    [{ 'retry-after': '99999999999999999999' }, limits.retryAfterMaxMs],
    [{ 'retry-after': inAMinute }, 60_000],
    [{ 'retry-after': inAMinute, date: new Date(nowMs + 30_000).toUTCString() }, 30_000],
    // The server's clock, or ours, is off by years.
    [{ 'retry-after': 'Wed, 01 Jan 2020 00:01:00 GMT', date: 'Wed, 01 Jan 2020 00:00:00 GMT' }, 60_000],
    [{ 'retry-after': 'Wed, 01 Jan 2020 00:01:00 GMT' }, 0],
    [{ 'retry-after': 'Fri, 01 Jan 2100 00:01:00 GMT' }, limits.retryAfterMaxMs],
    [{ 'retry-after': '-1' }, undefined],
    [{ 'retry-after': '1.5' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '60, 60' }, undefined],
  ])('%j -> %j', (headers, expected) => {
    expect(retryAfterMs(headers, nowMs)).toBe(expected);
  });
});
