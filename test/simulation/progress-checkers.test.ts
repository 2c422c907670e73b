/**
 * The checkers that see whether bytes bring entries nearer, and whether reachable peers are dialed: silent otherwise.
 */
import { describe, expect, it } from '@jest/globals';
import type { ErrorCode } from '../../src/core/errors.js';
import { packHlc } from '../../src/core/hlc.js';
import { limits } from '../../src/core/limits.js';
import { interruptions } from '../../src/simulation/checkers/interruptions.js';
import { progress } from '../../src/simulation/checkers/progress.js';
import { reconnections } from '../../src/simulation/checkers/reconnections.js';
import { worldEpochMs } from '../../src/simulation/node-ports.js';
import { commitOf, processOf, runOf, storeOf, tested } from './checker-bench.js';

const [a, b] = [processOf('node-a'), processOf('node-b')];

describe('progress', () => {
  /** Moves this many pieces from a to b, with something in between from time to time. */
  const moved = (
    pieces: number,
    { bytes = 50_000, between = (_: ReturnType<typeof tested>['checker']) => {}, isDiskFull = false } = {},
  ) => {
    const to = Object.assign(processOf('node-b'), { isDiskFull });
    const { checker, reports } = tested(progress, { processes: [a, to] });
    for (let count = 0; count < pieces; count += 1) {
      const delivery = { atMs: 0, from: a.address, to: to.address, kind: 'bytes', stream: 1 } as const;
      checker.delivered({ ...delivery, bytes: new Uint8Array(bytes) });
      if (count % 10 === 9) between(checker);
    }
    return reports;
  };

  it('a node: receives two megabytes and commits nothing -> reported', () => {
    expect(moved(40)[0]).toMatch(/^node-b has received \d+ bytes from node-a that are in none of its commits\.$/);
  });

  it('a node: some bytes in commits, a fault from time to time, heartbeats only, or a full disk -> silent', () => {
    const payload = 'x'.repeat(500_000);
    const run = runOf('node-a', [1]);
    const large = { ...run, entries: run.entries.map((entry) => ({ ...entry, payload })) };
    const committing = (checker: ReturnType<typeof tested>['checker']) => checker.committed(b, commitOf([large], 'x'));
    const meddling = (checker: ReturnType<typeof tested>['checker']) => checker.meddled('a fault');
    expect(moved(100, { between: committing })).toEqual([]);
    expect(moved(100, { between: meddling })).toEqual([]);
    expect(moved(100_000, { bytes: 200 })).toEqual([]);
    expect(moved(100, { isDiskFull: true })).toEqual([]);
  });

  it('bytes of committed entries: sent by a second node -> silent, also after a fault; a second time -> reported', () => {
    const { checker, reports } = tested(progress, { processes: [a, b] });
    const run = runOf('node-c', [1]);
    const large = { ...run, entries: run.entries.map((entry) => ({ ...entry, payload: 'x'.repeat(3_000_000) })) };
    const delivery = { atMs: 0, from: a.address, to: b.address, kind: 'bytes', stream: 1 } as const;
    const small = { ...run, entries: Array.from({ length: 3_000 }, () => run.entries[0] as (typeof run.entries)[0]) };
    checker.committed(b, commitOf([small, large], 'node-c'));
    checker.meddled('a fault');
    for (let count = 0; count < 12; count += 1) checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toEqual([]);
    for (let count = 0; count < 8; count += 1) checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toHaveLength(1);
  });

  it('commits: their database is replaced by another -> they count no more', () => {
    const { checker, reports } = tested(progress, { processes: [a, b] });
    const delivery = { atMs: 0, from: a.address, to: b.address, kind: 'bytes', stream: 1 } as const;
    const run = runOf('node-c', [1]);
    const many = { ...run, entries: Array.from({ length: 3_000 }, () => run.entries[0] as (typeof run.entries)[0]) };
    checker.committed(b, commitOf([many], 'node-c'));
    checker.opened(b, storeOf([]));
    for (let count = 0; count < 2; count += 1) checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toHaveLength(1);
  });

  it('entries: of a clock that is too far ahead -> silent', () => {
    const { checker, reports } = tested(progress, { processes: [a, b] });
    const delivery = { atMs: 0, from: a.address, to: b.address, kind: 'bytes', stream: 1 } as const;
    const aheadMs = worldEpochMs + 100_000 + limits.clockDriftMaxMs + 1_000;
    checker.committed(a, commitOf([runOf('node-a', [packHlc(aheadMs, 0)])]));
    for (let count = 0; count < 10; count += 1) checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toEqual([]);
  });

  it('a document: as large as that in flight -> silent until it has come twice', () => {
    const payload = 'x'.repeat(2_000_000);
    const run = runOf('node-a', [1]);
    const large = { ...run, entries: run.entries.map((entry) => ({ ...entry, payload })) };
    const { checker, reports } = tested(progress, { processes: [a, b] });
    checker.committed(a, commitOf([large]));
    const delivery = { atMs: 0, from: a.address, to: b.address, kind: 'bytes', stream: 1 } as const;
    for (let count = 0; count < 5; count += 1) checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toEqual([]);
    checker.delivered({ ...delivery, bytes: new Uint8Array(1_000_000) });
    expect(reports).toHaveLength(1);
  });
});

describe('reconnections', () => {
  const waited = (waitedMs: number, { isUp = true, faultMs = -1, attempts = 1 } = {}) => {
    let nowMs = 100_000;
    const context = { nodeId: 'node-b', attempt: 0 };
    const from = processOf('node-a', { peers: [{ value: 'backingOff', context }] });
    const to = Object.assign(processOf('node-b'), { isUp });
    const { checker, reports } = tested(reconnections, {
      processes: [from, to],
      get nowMs() {
        return nowMs;
      },
    });
    checker.meddled('heal');
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      context.attempt = attempt;
      for (const endMs = nowMs + waitedMs; nowMs < endMs; nowMs += 500) {
        if (nowMs - 100_000 === faultMs) checker.meddled('partition node-a | node-b');
        checker.look();
      }
    }
    return reports;
  };

  it('a reachable peer: backed off from for eleven seconds after healing -> reported', () => {
    expect(waited(11_000)[0]).toMatch(/^node-a has backed off from node-b, which is reachable, for \d+ ms\.$/);
  });

  it('a peer: backed off from for nine seconds, twice; down; or with a fault since -> silent', () => {
    expect(waited(9_000, { attempts: 2 })).toEqual([]);
    expect(waited(60_000, { isUp: false })).toEqual([]);
    expect(waited(60_000, { faultMs: 5_000 })).toEqual([]);
  });
});

describe('interruptions', () => {
  const disconnected = (code: ErrorCode, healthySinceMs: number | undefined, latencyMs = 0) => {
    const slowest = { bytesPerSecond: 4_000, latencyMs };
    const { checker, reports } = tested(interruptions, { processes: [a, b], healthySinceMs, slowest });
    const nodeEvent = { type: 'peer.disconnected', nodeId: b.nodeId, failure: { code, message: '' } } as const;
    checker.happened(a, { nodeId: 'node-a', atMs: 100_000, nodeEvent });
    return reports.length;
  };

  it('a session: given up although all has long been healthy -> reported', () => {
    expect(disconnected('heartbeatMissed', 50_000)).toBe(1);
    expect(disconnected('connectionTimeout', 50_000)).toBe(1);
  });

  it('a session: ends with a goodbye; with a fault now or a moment ago; on a line this long -> silent', () => {
    expect(disconnected('goodbye', 50_000)).toBe(0);
    expect(disconnected('heartbeatMissed', undefined)).toBe(0);
    expect(disconnected('heartbeatMissed', 80_000)).toBe(0);
    expect(disconnected('heartbeatMissed', 50_000, 2_500)).toBe(0);
  });
});
