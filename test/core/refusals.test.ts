import { describe, expect, test } from '@jest/globals';
import type { ErrorCode } from '../../src/core/errors.js';
import { type RefusalRecords, withRefusal } from '../../src/core/refusals.js';

describe('withRefusal', () => {
  test('reports of several reasons -> one record each, which counts unreported refusals and keeps the last report', () => {
    const none: RefusalRecords = new Map();
    const refused = (records: RefusalRecords, code: ErrorCode, port: number, suppressed = 0) =>
      withRefusal(
        records,
        { remoteAddress: `10.0.0.1:${port}`, failure: { code, message: `${port}` }, suppressed },
        port,
      );
    const some = refused(refused(refused(none, 'wrongClusterKey', 1), 'connectionLimit', 2, 9), 'wrongClusterKey', 3);
    expect([...some.values()]).toEqual([
      { code: 'wrongClusterKey', message: '3', remoteAddress: '10.0.0.1:3', count: 2, lastAtMs: 3 },
      { code: 'connectionLimit', message: '2', remoteAddress: '10.0.0.1:2', count: 10, lastAtMs: 2 },
    ]);
    expect(none.size).toBe(0);
  });
});
