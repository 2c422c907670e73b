import { describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { RefusalReports } from '../../src/services/refusal-reports.js';

function setup() {
  const reports = new RefusalReports();
  return (atMs: number, remoteAddress: string, code: ErrorCode = 'connectionLost') =>
    reports.refused(remoteAddress, { code, message: 'It ended.' }, atMs);
}

describe('RefusalReports', () => {
  test('the same reason, from one /24 or /64 -> one report in an interval, and the next counts those left out', () => {
    const refused = setup();
    const intervalMs = limits.refusalReportIntervalMs;
    expect(refused(0, '10.0.0.1:7')).toMatchObject({ remoteAddress: '10.0.0.1:7', suppressed: 0 });
    expect(refused(1, '10.0.0.1:8')).toBe(undefined);
    expect(refused(2, '10.0.0.2:7')).toBe(undefined);
    expect(refused(3, '10.0.0.1:7', 'wrongClusterKey')).toMatchObject({ suppressed: 0 });
    expect(refused(4, '10.0.1.1:7')).toMatchObject({ suppressed: 0 });
    expect(refused(5, '[2001:db8::1]:7')).toMatchObject({ suppressed: 0 });
    expect(refused(6, '[2001:db8::2]:7')).toBe(undefined);
    expect(refused(intervalMs, '10.0.0.3:7')).toMatchObject({ remoteAddress: '10.0.0.3:7', suppressed: 2 });
    expect(refused(2 * intervalMs, '10.0.0.3:7')).toMatchObject({ suppressed: 0 });
  });

  test('200 a second, each from another range, for a minute -> a limited number of reports in each interval, and all are counted', () => {
    const refused = setup();
    let [told, counted] = [0, 0];
    for (let count = 0; count < 12_000; count += 1) {
      const report = refused(count * 5, `10.${count % 250}.${Math.floor(count / 250)}.1:7`);
      if (report === undefined) continue;
      told += 1;
      counted += 1 + report.suppressed;
    }
    const intervals = 60_000 / limits.refusalReportIntervalMs;
    expect(told).toBeLessThanOrEqual((intervals + 1) * limits.refusalReportsPerIntervalMax);
    expect(told).toBeGreaterThanOrEqual(intervals * limits.refusalReportsPerIntervalMax);
    expect(counted).toBeGreaterThan(9_000);
    expect(refused(100_000, '10.0.0.1:7')?.suppressed).toBe(12_000 - counted);
  });

  test('an unknown address -> is reported like any other', () => {
    const refused = setup();
    expect(refused(0, 'unknown')).toMatchObject({ suppressed: 0 });
    expect(refused(1, 'unknown')).toBe(undefined);
  });
});

describe('Acquaintances', () => {
  test('noted addresses -> are familiar, also written as IPv6; beyond addressesKnownMax the oldest is forgotten', () => {
    const acquaintances = new Acquaintances();
    acquaintances.note('10.0.0.1');
    expect(['10.0.0.1', '::ffff:10.0.0.1', '10.0.0.2'].map((host) => acquaintances.isFamiliar(host))).toEqual([
      ...[true, true, false],
    ]);
    for (let count = 1; count < limits.addressesKnownMax; count += 1) acquaintances.note(`host-${count}`);
    acquaintances.note('10.0.0.1');
    acquaintances.note('one more');
    expect(['10.0.0.1', 'host-1', 'host-2'].map((host) => acquaintances.isFamiliar(host))).toEqual([true, false, true]);
  });
});
