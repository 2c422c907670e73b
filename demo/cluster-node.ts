/**
 * One node: its directory, and the process of the real command line that works on it.
 *
 * Invariant: a process that ends unexpectedly is reported to the cluster.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { callControl, type StreamRequest, streamControl } from '../src/control/client.js';
import type { Cluster } from './cluster.js';

export type MemberName = 'node-a' | 'node-b' | 'node-c';
export type NodeName = MemberName | 'cloud-1' | 'cloud-2';

/** The real command line. */
export const commandPath = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const logLinesShown = 8;
const startWithinMs = 20_000;
const stopWithinMs = 10_000;
/** How long a call that failed waits for the report that its node has died. */
const newsWithinMs = 500;
const pollIntervalMs = 50;
/** Pino's level for warnings; errors are above it. */
const problemLevel = 40;
const problemsShown = 5;

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class ClusterNode<Name extends NodeName = NodeName> {
  readonly directory: string;
  readonly configPath: string;
  readonly logPath: string;
  #child: ChildProcess | undefined;
  #ended: Promise<Ending> | undefined;
  #isAwaited = false;
  #hasStarted = false;

  constructor(
    readonly name: Name,
    readonly cluster: Cluster,
  ) {
    this.directory = join(cluster.directory, name);
    this.configPath = join(cluster.directory, `${name}.json`);
    this.logPath = join(cluster.directory, `${name}.log`);
  }

  get processId(): number | undefined {
    return this.#child?.pid;
  }

  /** Whether it has reported that it runs, and has not ended since. */
  get isRunning(): boolean {
    return this.#hasStarted && this.#isAlive;
  }

  /** Resolves when the node reports that it runs. */
  async start(): Promise<void> {
    this.cluster.signal.throwIfAborted();
    const { collectorUrl: collector } = this.cluster.watch;
    if (collector !== undefined) this.configure({ inspector: { collector } });
    const log = openSync(this.logPath, 'a', 0o600);
    // In a process group of its own: Ctrl-C goes to the demo, which then stops its nodes.
    const child = spawn(process.execPath, [commandPath, 'start', '--json', '--config', this.configPath], {
      detached: true,
      env: environment(),
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    this.#child = child;
    this.#isAwaited = false;
    this.#ended = new Promise((resolve) => {
      child.once('error', () => resolve({ code: null, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    void this.#ended.then((ending) => {
      if (!this.#isAwaited) this.cluster.lost(this, ending);
    });
    this.#hasStarted = false;
    await Promise.race([untilRunning(child), this.cluster.trouble(), this.#startDeadline()]);
    this.#hasStarted = true;
  }

  /** The process reports and finishes nothing. */
  async kill(): Promise<Ending> {
    this.#isAwaited = true;
    this.#child?.kill('SIGKILL');
    return (await this.#ended) ?? { code: null, signal: null };
  }

  async stop(): Promise<void> {
    this.#isAwaited = true;
    if (!this.#isAlive) return this.#stopOther();
    this.#child?.kill('SIGTERM');
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), stopWithinMs);
    await this.#ended;
    clearTimeout(patience);
  }

  killNow(): void {
    if (this.#isAlive) this.#child?.kill('SIGKILL');
  }

  /** Calls the node on its control socket. */
  async call<T>(name: string, body?: unknown): Promise<T> {
    try {
      return (await callControl(this.#socketPath, name, body, { signal: this.cluster.signal })) as T;
    } catch (error) {
      throw await this.#reason(error);
    }
  }

  async *stream<T>(name: string, request: StreamRequest): AsyncGenerator<T, void, void> {
    try {
      yield* streamControl(this.#socketPath, name, request, { signal: this.cluster.signal }) as AsyncGenerator<T>;
    } catch (error) {
      throw await this.#reason(error);
    }
  }

  /**
   * Edits its configuration file, as a user would: the node takes the change up by itself. Undefined removes a field.
   */
  configure(fields: Readonly<Record<string, unknown>>): void {
    const configuration = { ...JSON.parse(readFileSync(this.configPath, 'utf8')), ...fields };
    writeFileSync(this.configPath, `${JSON.stringify(configuration, undefined, 2)}\n`);
  }

  /** The value of a field in its configuration file. */
  configured(field: string): unknown {
    return new Map(Object.entries(JSON.parse(readFileSync(this.configPath, 'utf8')))).get(field);
  }

  lastLogLines(): string[] {
    return readLog(this.logPath).slice(-logLinesShown);
  }

  async #startDeadline(): Promise<never> {
    await sleep(startWithinMs, undefined, { ref: false });
    throw new Error(`${this.name} did not run within ${startWithinMs / 1_000} s`);
  }

  /** A user may have started the node again from another terminal. */
  async #stopOther(): Promise<void> {
    try {
      const { processId } = (await callControl(this.#socketPath, 'stop')) as { processId: number };
      const startedMs = performance.now();
      while (isAlive(processId) && performance.now() - startedMs < stopWithinMs) await sleep(pollIntervalMs);
    } catch {
      // No process answers.
    }
  }

  /** The last warnings and errors of its log. */
  problems(): string[] {
    const lines = readLog(this.logPath).filter((line) => levelOf(line) >= problemLevel);
    return lines.slice(-problemsShown).map((line) => `${this.name}: ${line}`);
  }

  get #isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get #socketPath(): string {
    return join(this.directory, 'control.sock');
  }

  /** The death of a node is a better reason than a missing answer. */
  async #reason(error: unknown): Promise<unknown> {
    const { signal } = this.cluster;
    if (!signal.aborted && !this.#isAwaited) await Promise.race([this.#ended, sleep(newsWithinMs)]);
    return signal.aborted ? signal.reason : error;
  }
}

/** `SIGKILL`, or `exit code 1`. */
export function nameOf({ code, signal }: Ending): string {
  return signal ?? `exit code ${code}`;
}

/** This process's environment, without variables that would override the configuration of the nodes. */
export function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STATEMESH_')));
}

/** Waits for the line on standard output that reports the start. */
function untilRunning({ stdout }: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stdout === null) return;
    createInterface({ input: stdout }).on('line', (line) => {
      const { event, message } = JSON.parse(line) as { event: string; message?: string };
      if (event === 'running') resolve();
      else if (event === 'failed') reject(new Error(message));
    });
  });
}

function readLog(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
}

/** A line that is not a log line, such as the trace of a crash, is a problem. */
function levelOf(line: string): number {
  try {
    return (JSON.parse(line) as { level: number }).level;
  } catch {
    return line === '' ? 0 : problemLevel;
  }
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch {
    return false;
  }
}
