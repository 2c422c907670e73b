/**
 * Other processes for the network's tests. Node 20 runs no TypeScript, so the sources that the adapters need are first
 * compiled into a temporary directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformFileSync } from '@swc/core';

export interface Child {
  /** Lines that it has printed. */
  readonly lines: string[];
  say(line: string): void;
  kill(): Promise<void>;
}

export interface Children {
  readonly directory: string;
  /** Runs a module that may import `./adapters/...` and `./core/...`. */
  start(source: string, environment?: Record<string, string>): Child;
  close(): Promise<void>;
}

export function createChildren(): Children {
  const directory = mkdtempSync(join(tmpdir(), 'statemesh-network-'));
  compileSources(directory);
  const children: Child[] = [];
  return {
    directory,
    start(source, environment = {}) {
      const file = join(directory, `child-${children.length}.js`);
      writeFileSync(file, source);
      const child = startChild(file, environment);
      children.push(child);
      return child;
    },
    async close() {
      await Promise.all(children.map((child) => child.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function compileSources(directory: string): void {
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(process.cwd(), 'node_modules'), join(directory, 'node_modules'));
  for (const folder of ['adapters', 'core']) {
    const sources = join(process.cwd(), 'src', folder);
    mkdirSync(join(directory, folder));
    for (const file of readdirSync(sources).filter((name) => name.endsWith('.ts'))) {
      const { code } = transformFileSync(join(sources, file), {
        swcrc: false,
        configFile: false,
        jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
      });
      writeFileSync(join(directory, folder, file.replace(/\.ts$/, '.js')), code);
    }
  }
}

function startChild(file: string, environment: Record<string, string>): Child {
  const child: ChildProcess = spawn(process.execPath, [file], {
    env: { ...process.env, NODE_OPTIONS: '', ...environment },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  let rest = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  return {
    lines,
    say: (line) => void child.stdin?.write(`${line}\n`),
    kill: () => {
      child.kill('SIGKILL');
      return exited;
    },
  };
}
