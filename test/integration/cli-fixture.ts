/**
 * Real processes of the built command line, in temporary directories that are removed with their nodes after each test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from '@jest/globals';
import { ownPort } from './own-port.js';

const builtMain = join(process.cwd(), 'dist/cli/main.js');
const conditionTimeoutMs = 15_000;
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export interface RunOptions {
  /** The process, or its files, outlive the test: the caller ends it. */
  readonly keep?: boolean;
  readonly cwd?: string;
  /** The program; default: the built one. */
  readonly main?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** How many files and connections the process may have open. */
  readonly descriptorsMax?: number | undefined;
}

export interface RunResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function temporaryDirectory({ keep = false } = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'statemesh-cli-'));
  if (!keep) cleanups.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs a command to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const process = open(args, options);
  process.child.stdin?.end(options.input ?? '');
  return { exitCode: await process.exitCode, stdout: process.stdout(), stderr: process.stderr() };
}

/** A command that is still running. */
export interface Running {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  stdout(): string;
  stderr(): string;
}

export function open(
  args: readonly string[],
  { keep = false, cwd = tmpdir(), main = builtMain, env = {}, descriptorsMax }: RunOptions = {},
): Running {
  const command = [process.execPath, main, ...args];
  const limited = descriptorsMax === undefined ? [] : ['sh', '-c', `ulimit -n ${descriptorsMax}; exec "$@"`, 'sh'];
  const [program = '', ...rest] = [...limited, ...command];
  const child = spawn(program, rest, { cwd, env: { PATH: process.env.PATH ?? '', ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  // A command may end without having read all of its input.
  child.stdin.on('error', () => {});
  const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exitCode;
  };
  if (!keep) cleanups.push(kill);
  return { child, exitCode, stdout: () => stdout, stderr: () => stderr };
}

export interface StartedNode extends Running {
  readonly directory: string;
  readonly nodeId: string;
  readonly port: number;
  /** Runs a command that talks to this node. */
  run(args: readonly string[], options?: Omit<RunOptions, 'cwd'>): Promise<RunResult>;
}

export const clusterKey = 'a test key that nobody else uses';
export const clusterSalt = 'test-salt';

/** A node of the command line with a configuration file of its own, running and answering. */
export async function startNode(
  fields: Readonly<Record<string, unknown>> = {},
  {
    directory,
    keep = false,
    env = {},
    descriptorsMax,
  }: Omit<RunOptions, 'cwd' | 'input'> & { directory?: string } = {},
): Promise<StartedNode> {
  const cwd = directory ?? (await temporaryDirectory({ keep }));
  const configuration = { nodeId: 'node-a', clusterKey, clusterSalt, discoveryPort: ownPort(), ...fields };
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
  const started = open(['start', '--json'], { cwd, keep, env, descriptorsMax });
  const event = await until(() => eventsOf(started)[0]);
  if (event.event !== 'running') throw new Error(`The node did not start: ${started.stdout()}${started.stderr()}`);
  return {
    ...started,
    directory: cwd,
    nodeId: event.nodeId as string,
    port: event.port as number,
    run: (args, options) => run(args, { ...options, cwd }),
  };
}

/** The events that `start --json` has printed. */
export function eventsOf(running: Running): Record<string, unknown>[] {
  return running
    .stdout()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Polls until there is a result. */
export async function until<T>(look: () => Promise<T | undefined> | T | undefined, what = 'condition'): Promise<T> {
  const deadline = performance.now() + conditionTimeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`Not within ${conditionTimeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

/** The JSON of each line of a text. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** The JSON of the last line of a text. */
export function lastJson(text: string): Record<string, unknown> {
  return JSON.parse(text.trim().split('\n').at(-1) ?? '');
}

export async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8'));
}
