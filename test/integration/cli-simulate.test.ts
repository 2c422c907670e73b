/** `statemesh simulate`: the built command without a failure, and its report of a made-up failure. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { explain } from '../../src/cli/simulate-failure.js';
import { type FailureReport, failureLine, failureText, summaryText } from '../../src/cli/simulate-report.js';
import { replayCommand, requestOf } from '../../src/cli/simulate-request.js';
import { type Breach, breachKinds, drawPlan, type Plan, scenarioOf, threadPlayer } from '../../src/simulation/index.js';
import { eventsOf, lastJson, open, run, temporaryDirectory, until } from './cli-fixture.js';

/** Short runs. */
const quick = ['--seconds', '2', '--nodes', '3'];

describe('a run without a breach', () => {
  test('--json: -> a line per seed in order, at last the sums, and 0', async () => {
    const { exitCode, stdout, stderr } = await run(['simulate', '--seeds', '3', '--from', '7', ...quick, '--json']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const sums = lines.pop();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(lines.map(({ seed }) => seed)).toEqual([7, 8, 9]);
    for (const line of lines) {
      expect(line).toMatchObject({
        passed: true,
        events: expect.any(Number),
        traceHash: expect.stringMatching(/^[0-9a-f]{16,}$/),
      });
    }
    expect(sums).toEqual({
      seeds: 3,
      passed: 3,
      failed: 0,
      events: lines.reduce((sum, { events }) => sum + events, 0),
      virtualSeconds: expect.closeTo(lines.reduce((sum, { virtualSeconds }) => sum + virtualSeconds, 0)),
      wallSeconds: expect.any(Number),
      isInterrupted: false,
    });
  });

  test('without --json: -> seeds, virtual time, events and speed', async () => {
    const { exitCode, stdout } = await run(['simulate', '--seeds', '2', '--faults', 'crash,network', ...quick]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('2 seeds passed.');
    expect(stdout).toContain('seeds 1 to 2, each with 3 nodes for 2 s; faults: network, crash');
    expect(stdout).toMatch(/simulated {2}\d+ s, [\d,]+ events\n/);
    expect(stdout).toMatch(/virtual seconds and [\d,]+ events a second/);
  });

  test('--seed N --trace FILE: twice -> the same trace, line by line', async () => {
    const cwd = await temporaryDirectory();
    const traceOf = async (file: string) => {
      const { exitCode, stdout } = await run(['simulate', '--seed', '5', ...quick, '--trace', file], { cwd });
      expect({ exitCode, stdout }).toEqual({
        exitCode: 0,
        stdout: expect.stringContaining(`The trace is in ${file}.`),
      });
      return readFile(join(cwd, file), 'utf8');
    };
    const first = await traceOf('one.jsonl');
    expect(first.trim().split('\n').length).toBeGreaterThan(3);
    expect(() =>
      first
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).not.toThrow();
    expect(await traceOf('two.jsonl')).toBe(first);
    expect((await readdir(cwd)).sort()).toEqual(['one.jsonl', 'two.jsonl']);
  });
});

describe('interrupted', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s: between seeds and during them -> %i, the progress, and no files left', async (signal, code) => {
    const running = open(['simulate', '--seeds', '100000', '--jobs', '2', ...quick, '--json']);
    await until(() => eventsOf(running)[2]);
    running.child.kill(signal);
    expect(await running.exitCode).toBe(code);
    const { passed, failed, isInterrupted } = lastJson(running.stdout());
    expect({ failed, isInterrupted }).toEqual({ failed: 0, isInterrupted: true });
    expect(passed).toBe(eventsOf(running).length - 1);
    expect(lastJson(running.stderr())).toEqual({
      code: 'cancelled',
      message: expect.stringMatching(new RegExp(`^Interrupted: ${passed} seeds of 100,000 passed, .+ simulated\\.$`)),
    });
    const places = [tmpdir(), '/dev/shm'].filter((place) => existsSync(place));
    const left = (await Promise.all(places.map((place) => readdir(place)))).flat();
    expect(left.filter((name) => name.startsWith(`statemesh-world-${running.child.pid}-`))).toEqual([]);
  });
});

describe('options', () => {
  test.each([
    [['--seeds', '0'], '--seeds "0": use a whole number from 1 to 1000000'],
    [['--seeds', 'many'], '--seeds "many"'],
    [['--from', '-1'], '--from "-1"'],
    [['--seed', '1.5'], '--seed "1.5"'],
    [['--seed', '1', '--seeds', '2'], 'leave out --seeds and --from'],
    [['--nodes', '0'], '--nodes "0": use a number from 1 to 26'],
    [['--nodes', '5-3'], '--nodes "5-3"'],
    [['--nodes', '27'], '--nodes "27"'],
    [['--seconds', '1e9'], '--seconds "1e9"'],
    [['--jobs', '0'], '--jobs "0"'],
    [
      ['--faults', 'network,fire'],
      '--faults "network,fire": use none, or some of network,crash,clock,disk,cloud,reconfiguration,links,strangers',
    ],
    [['--trace', 'nowhere/at/all.jsonl'], '--trace nowhere/at/all.jsonl cannot be written (ENOENT)'],
    [['--trace', 'directory'], '--trace directory is a directory'],
    [['stray'], 'too many arguments'],
  ])('%j: -> 2, with what is wrong', async (args, message) => {
    const cwd = await temporaryDirectory();
    await mkdir(join(cwd, 'directory'));
    const { exitCode, stdout, stderr } = await run(['simulate', ...args], { cwd });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  test('none: -> 20 seeds from 1, 3 to 5 nodes, 60 s, all faults, at most one job per core', () => {
    const { jobs, ...request } = requestOf({});
    expect(request).toEqual({
      from: 1,
      seeds: 20,
      plan: {
        nodes: [3, 5],
        durationMs: 60_000,
        faults: ['network', 'crash', 'clock', 'disk', 'cloud', 'reconfiguration', 'links', 'strangers'],
      },
      isReplay: false,
      traceFile: undefined,
      isShrinking: true,
      isJson: false,
    });
    expect(jobs).toBeGreaterThanOrEqual(1);
    expect(requestOf({ seeds: '2', jobs: '9' }).jobs).toBe(2);
  });

  test.each([
    [{}, 'statemesh simulate --seed 7'],
    [
      { nodes: '2-4', seconds: '5', faults: 'disk,network' },
      'statemesh simulate --seed 7 --nodes 2-4 --seconds 5 --faults network,disk',
    ],
    [{ nodes: '5', faults: 'none' }, 'statemesh simulate --seed 7 --nodes 5 --faults none'],
  ])(
    'replayCommand: of %j -> has everything that the plan depends on, and draws the same plan',
    (options, expected) => {
      const request = requestOf(options);
      const command = replayCommand(7, request);
      expect(command).toBe(expected);
      const words = command.split(' ');
      const value = (flag: string) => (words.includes(flag) ? { [flag.slice(2)]: words[words.indexOf(flag) + 1] } : {});
      const again = requestOf({ ...value('--seed'), ...value('--nodes'), ...value('--seconds'), ...value('--faults') });
      expect(drawPlan({ ...again.plan, seed: again.from })).toEqual(drawPlan({ ...request.plan, seed: 7 }));
    },
  );
});

describe('a failure', () => {
  const request = requestOf({ seeds: '40', jobs: '2' });
  const plan = drawPlan({ ...request.plan, seed: 5 });
  const breach = { kind: 'safety', checker: 'kept', message: 'node-b lacks\u001b[2J a write', atMs: 34_567.8 } as const;
  const verdict = { seed: 5, breach, events: 900, virtualMs: 34_567.8, acknowledged: 9, traceHash: 'abc' };
  const least = { ...plan, durationMs: 1_000, faults: plan.faults.slice(0, 1), writes: plan.writes.slice(0, 2) };
  const shrunk = { plan: least, breach, runs: 8, isMinimal: true };
  const report: FailureReport = {
    verdict,
    breach,
    plan,
    shrunk,
    scenario: scenarioOf(least, { breach }),
    scenarioFile: undefined,
    traceFile: 'statemesh-seed-5.trace.jsonl',
    notes: [],
  };

  test('as text: -> seed, kind, checker, message, the shrunk plan, the scenario, the trace and how to replay it', () => {
    const text = failureText(report, request);
    expect(text).toContain('Seed 5 failed: safety, kept, at 34.568 s\n  node-b lacks a write\n');
    expect(text).toContain(
      `Shrunk in 8 runs: ${plan.faults.length} faults -> 1, ${plan.writes.length} writes -> 2, 60 s -> 1 s:\n`,
    );
    expect(text).toMatch(new RegExp(`\\n +[\\d.]+ s {2}${least.faults[0]?.kind} `));
    expect(text).toContain(report.scenario);
    expect(text).toContain('replay  statemesh simulate --seed 5 --trace statemesh-seed-5.trace.jsonl\n');
    expect(text).toContain('trace   statemesh-seed-5.trace.jsonl');
  });

  test('as text: a scenario longer than a screen -> the file that it is in', () => {
    const scenario = scenarioOf(plan, { breach });
    const text = failureText({ ...report, scenario, scenarioFile: 'statemesh-seed-5.scenario.ts' }, request);
    expect(text).toContain('as a test  statemesh-seed-5.scenario.ts');
    expect(text).not.toContain('it(');
  });

  test('as text: not shrunk, no trace -> the faults as drawn, some of them, and why', () => {
    const faults = Array.from({ length: 50 }, () => plan.faults[0]).filter((fault) => fault !== undefined);
    const bare = { ...report, plan: { ...plan, faults }, shrunk: undefined, scenario: undefined, traceFile: undefined };
    const text = failureText({ ...bare, notes: ['no space is left'] }, request);
    expect(text).toContain('50 faults:\n');
    expect(text).toContain('  and 10 more\n');
    expect(text).toContain('note: no space is left\n');
    expect(text).not.toContain('it(');
  });

  test('as text: a worker that died -> no time, because it is unknown', () => {
    const crash = { kind: 'crash', checker: 'worker', message: 'gone', atMs: 0 } as const;
    expect(failureText({ ...report, breach: crash }, request)).toContain('Seed 5 failed: crash, worker\n  gone\n');
  });

  test('as JSON: -> seed, breach, plan, shrunk plan, scenario, trace and command', () => {
    expect(failureLine(report, request)).toEqual({
      failure: {
        seed: 5,
        ...breach,
        plan,
        shrunk,
        scenario: report.scenario,
        notes: [],
        trace: 'statemesh-seed-5.trace.jsonl',
        command: 'statemesh simulate --seed 5',
      },
    });
  });

  test('the sums: after a failure -> up to the seed that failed', () => {
    const result = { passed: 4, failure: verdict, events: 12_345, virtualMs: 7_200_000, isInterrupted: false };
    const text = summaryText(result, request, 60_000);
    expect(text).toContain('4 seeds passed.');
    expect(text).toContain('seeds 1 to 5,');
    expect(text).toContain('2 h, 12,345 events');
    expect(text).toContain('60 s with 2 jobs: 120 virtual seconds and 206 events a second');
  });

  test('exit codes: every kind of breach -> one of its own', () => {
    expect(breachKinds.map((kind) => exitCodes[kind])).toEqual([10, 11, 12, 13, 14]);
  });
});

describe('explaining a failure', () => {
  const breach: Breach = { kind: 'safety', checker: 'kept', message: 'a write is lost', atMs: 50_000 };
  const progress = { tracing() {}, shrunk() {} };
  const { signal } = new AbortController();

  /** Fails for as long as a node crashes, at most `times` times. */
  function failing({ found = breach, times = Number.POSITIVE_INFINITY } = {}) {
    const played: Plan[] = [];
    const player = threadPlayer(async (plan, options) => {
      played.push(plan);
      options?.trace?.({ atMs: played.length, kind: 'world', what: 'heal' });
      const isBroken = played.length <= times && plan.faults.some(({ kind }) => kind === 'crash');
      const rest = { events: 1, virtualMs: 1, acknowledged: 1, traceHash: 'abc' };
      return { seed: plan.seed, breach: isBroken ? found : undefined, ...rest };
    });
    return { played, player };
  }

  async function verdictOf({ player }: Pick<ReturnType<typeof failing>, 'player'>, request = requestOf({})) {
    return player.play(drawPlan({ ...request.plan, seed: 5 }));
  }

  test('a seed that fails each time: -> its trace in a file, the smallest plan, and its scenario', async () => {
    const file = join(await temporaryDirectory(), 'trace.jsonl');
    const request = requestOf({ trace: file });
    const swarm = failing();
    const verdict = await verdictOf(swarm);
    const report = await explain(verdict, request, { player: swarm.player, progress, signal });
    expect(report).toMatchObject({ verdict, breach, traceFile: file, notes: [] });
    expect(await readFile(file, 'utf8')).toBe('{"atMs":2,"kind":"world","what":"heal"}\n');
    expect(report.plan).toEqual(swarm.played[1]);
    expect(report.shrunk?.plan.faults.map(({ kind }) => kind)).toEqual(['crash']);
    expect(report.shrunk?.runs).toBe(swarm.played.length - 2);
    expect(report.scenario).toContain('// Found by statemesh simulate --seed 5\n');
    expect(report.scenario).toMatch(/faults: \[\n {6}\{ atMs: [\d_]+, kind: 'crash', .*\n {4}\],\n {4}writes: \[\],/);
  });

  test('--seed with --trace: the trace exists already -> not played again for it', async () => {
    const file = join(await temporaryDirectory(), 'trace.jsonl');
    const swarm = failing();
    const verdict = await verdictOf(swarm);
    const request = requestOf({ seed: '5', trace: file, shrink: false });
    const report = await explain(verdict, request, { player: swarm.player, progress, signal });
    expect(report).toMatchObject({ traceFile: file, shrunk: undefined, scenario: undefined });
    expect(swarm.played).toHaveLength(1);
  });

  test.each([
    ['passes the second time', { times: 1 }, 'Played again, the seed went another way'],
    ['hangs', { found: { ...breach, kind: 'crash', checker: 'wall-limit' } as Breach }, 'hangs is not shrunk'],
  ])('a seed that %s: -> not shrunk, and why', async (_what, options, note) => {
    const swarm = failing(options);
    const request = requestOf({ trace: join(await temporaryDirectory(), 'trace.jsonl') });
    const report = await explain(await verdictOf(swarm), request, { player: swarm.player, progress, signal });
    expect(report.shrunk).toBeUndefined();
    expect(report.notes).toEqual([expect.stringContaining(note)]);
    expect(swarm.played).toHaveLength(2);
  });

  test('a trace that cannot be written: -> the failure is shrunk nevertheless, and why there is no trace', async () => {
    const swarm = failing();
    const request = { ...requestOf({}), traceFile: await temporaryDirectory() };
    const report = await explain(await verdictOf(swarm), request, { player: swarm.player, progress, signal });
    expect(report.traceFile).toBeUndefined();
    expect(report.notes).toEqual([expect.stringMatching(/^The trace cannot be written .*EISDIR/)]);
    expect(report.shrunk?.plan.faults).toHaveLength(1);
  });

  test('a smallest plan that is long: -> its scenario also goes to a file', async () => {
    const cwd = process.cwd();
    const directory = await temporaryDirectory();
    process.chdir(directory);
    try {
      const all = drawPlan({ ...requestOf({}).plan, seed: 5 }).writes.length;
      expect(all).toBeGreaterThan(100);
      const player = threadPlayer(async (plan) => {
        const isBroken = plan.writes.length === all;
        return {
          seed: 5,
          breach: isBroken ? late : undefined,
          events: 1,
          virtualMs: 1,
          acknowledged: 1,
          traceHash: 'a',
        };
      });
      const late: Breach = { ...breach, atMs: 90_000 };
      const report = await explain(await verdictOf({ player }), requestOf({}), { player, progress, signal });
      expect(report.scenarioFile).toBe('statemesh-seed-5.scenario.ts');
      expect(await readFile('statemesh-seed-5.scenario.ts', 'utf8')).toBe(`${report.scenario}\n`);
    } finally {
      process.chdir(cwd);
    }
  });

  test('interrupted: -> the failure as it was found', async () => {
    const swarm = failing();
    const options = { player: swarm.player, progress, signal: AbortSignal.abort() };
    const report = await explain(await verdictOf(swarm), requestOf({}), options);
    expect(report).toMatchObject({ breach, shrunk: undefined, traceFile: undefined });
    expect(report.notes).toEqual(['Interrupted: there is no complete trace.']);
    expect(swarm.played).toHaveLength(1);
  });
});
