import { describe, expect, test } from '@jest/globals';
import { type LogLine, type MissedLines, RecentLog } from '../../src/control/recent-log.js';
import { limits } from '../../src/core/limits.js';

const never = new AbortController().signal;

async function messages(lines: AsyncIterable<LogLine | MissedLines>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const line of lines) found.push('missed' in line ? line : line.message);
  return found;
}

const numbered = (log: RecentLog, count: number) => {
  for (let index = 1; index <= count; index += 1) log.info({}, `line ${index}`);
};

describe('the recent log', () => {
  test('lines below the level -> are passed on, but not kept', async () => {
    const passed: string[] = [];
    const write = (level: string) => () => void passed.push(level);
    const target = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    const log = new RecentLog(target, () => 7);
    log.debug({}, 'a');
    log.info({}, 'b');
    log.level = 'error';
    log.warn({}, 'c');
    log.error({}, 'd');
    log.level = 'silent';
    log.error({}, 'e');
    expect(passed).toEqual(['debug', 'info', 'warn', 'error', 'error']);
    expect(await messages(log.read({ signal: never }))).toEqual(['b', 'd']);
    const [first] = await all(log.read({ signal: never }));
    expect(first).toEqual({ atMs: 7, level: 'info', message: 'b' });
  });

  test('a target that throws -> its lines are kept, and the caller goes on', async () => {
    const fail = () => {
      throw new Error('The disk is full.');
    };
    const target = { debug: fail, info: fail, warn: fail, error: fail, level: 'info' };
    Object.defineProperty(target, 'level', { get: fail, set: fail });
    const log = new RecentLog(target, () => 0);
    log.level = 'warn';
    log.info({}, 'a');
    log.warn({}, 'b');
    log.error({}, 'c');
    expect(await messages(log.read({ signal: never }))).toEqual(['b', 'c']);
  });

  test('a target with a level -> its level applies, and changes with it', async () => {
    const ignore = () => {};
    const target = { debug: ignore, info: ignore, warn: ignore, error: ignore, level: 'warn' };
    const log = new RecentLog(target, () => 0);
    log.info({}, 'a');
    log.level = 'debug';
    log.debug({}, 'b');
    expect([target.level, await messages(log.read({ signal: never }))]).toEqual(['debug', ['b']]);
  });

  test('more lines or characters than the maximum -> the last ones are kept', async () => {
    const log = new RecentLog(undefined, () => 0);
    numbered(log, limits.logLinesMax + 5);
    expect(await messages(log.read({ signal: never }))).toHaveLength(limits.logLinesMax);
    expect(await messages(log.read({ last: 2, signal: never }))).toEqual(['line 1004', 'line 1005']);
    expect(await messages(log.read({ last: 0, signal: never }))).toEqual([]);
    for (let index = 0; index < 500; index += 1) log.error({}, `x\u001b[2J\n${'y'.repeat(1_000_000)}`);
    const kept = (await messages(log.read({ signal: never }))) as string[];
    expect(kept.reduce((sum, line) => sum + line.length, 0)).toBeLessThanOrEqual(limits.logCharactersMax);
    expect(Math.max(...kept.map(({ length }) => length))).toBeLessThanOrEqual(limits.logLineLengthMax + 1);
    expect(kept.some((line) => line.includes('\u001b') || line.includes('\n'))).toBe(false);
  });

  test('a slow follower -> learns what it has missed, and reads on', async () => {
    const log = new RecentLog(undefined, () => 0);
    numbered(log, 3);
    const reader = log.read({ last: 1, follow: true, signal: never });
    expect((await reader.next()).value).toMatchObject({ message: 'line 3' });
    numbered(log, limits.logLinesMax + 4);
    expect((await reader.next()).value).toEqual({ missed: 4 });
    // It still has to read its last line.
    log.info({}, 'one more');
    expect((await reader.next()).value).toEqual({ missed: 1 });
    expect((await reader.next()).value).toMatchObject({ message: 'line 6' });
  });

  test('a follower -> ends with the log, or at the signal', async () => {
    const log = new RecentLog(undefined, () => 0);
    const hangUp = new AbortController();
    const aborted = messages(log.read({ follow: true, signal: hangUp.signal }));
    const ended = messages(log.read({ follow: true, signal: never }));
    numbered(log, 1);
    // Both have read it in their turn.
    await new Promise((resolve) => setImmediate(resolve));
    hangUp.abort();
    log.warn({}, 'last');
    log.end();
    expect([await aborted, await ended]).toEqual([['line 1'], ['line 1', 'last']]);
  });
});

async function all(lines: AsyncIterable<LogLine | MissedLines>): Promise<(LogLine | MissedLines)[]> {
  const found: (LogLine | MissedLines)[] = [];
  for await (const line of lines) found.push(line);
  return found;
}
