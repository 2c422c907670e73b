/** The README as its tests read it: blocks and commands by section, and the place where a reader would run them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect } from '@jest/globals';
import ts from 'typescript';
import { temporaryDirectory } from './cli-fixture.js';
import { ownPort } from './own-port.js';

export const readme = readFileSync('README.md', 'utf8');
const main = join(process.cwd(), 'dist/cli/main.js');
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** The text under a heading. */
export function sectionOf(heading: string): string {
  const start = readme.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`README.md has no section "${heading}".`);
  return readme.slice(start, readme.indexOf('\n## ', start + 1));
}

export function blocksOf(text: string, language: 'ts' | 'json'): string[] {
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, code = '']) =>
    name === language ? [code] : [],
  );
}

export interface Command {
  readonly command: string;
  readonly comment: string;
}

/** Indented lines that call `statemesh`, with continued lines joined. */
export function commandsOf(text: string): Command[] {
  return text
    .replaceAll(/ \\\n\s+/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [, command, comment = ''] = /^ {4}(statemesh .*?)(?: +# (.*))?$/.exec(line) ?? [];
      return command === undefined ? [] : [{ command, comment }];
    });
}

export interface Project {
  readonly cwd: string;
  /** Replaces details that differ here from a reader's machine. */
  local(text: string): string;
}

/** Where a reader would run them: the package is installed, and no other test uses the discovery port. */
export async function project(replaced: readonly (readonly [string, string])[] = []): Promise<Project> {
  const cwd = await temporaryDirectory();
  mkdirSync(join(cwd, 'node_modules/.bin'), { recursive: true });
  symlinkSync(process.cwd(), join(cwd, 'node_modules/statemesh'));
  symlinkSync(join(process.cwd(), 'node_modules/xstate'), join(cwd, 'node_modules/xstate'));
  const command = `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`;
  writeFileSync(join(cwd, 'node_modules/.bin/statemesh'), command, { mode: 0o755 });
  writeFileSync(join(cwd, 'package.json'), '{"type":"module","private":true}');
  const ports = new Map(['9000', '9001'].map((port) => [port, String(ownPort())]));
  const local = (text: string) =>
    replaced
      .reduce((whole, [from, to]) => whole.replaceAll(from, to), text)
      .replace(/\b[a-z]+\.example\.com\b|\b192\.168\.\d+\.\d+\b/g, '127.0.0.1')
      .replace(/\b900[01]\b/g, (port) => ports.get(port) ?? port)
      .replace(/(?<=[\s'])\/(etc\/statemesh|backups)\//g, `${cwd}/`)
      .replace(/--seeds \d+/, '--seeds 2 --seconds 5');
  return { cwd, local };
}

/**
 * JavaScript of TypeScript blocks: imports first, each once; then the parts, each in a scope of its own except the
 * first.
 */
export function programOf(parts: readonly string[]): string {
  const imported = /^import (?:type )?\{ ([^}]+) \} from 'statemesh';$/gm;
  const names = new Set(
    parts.flatMap((code) => [...code.matchAll(imported)].flatMap(([, list = '']) => list.split(', '))),
  );
  const [head = '', ...rest] = parts.map((code) => code.replace(imported, ''));
  const source = [`import { ${[...names].join(', ')} } from 'statemesh';`, head, ...rest.map((code) => `{${code}}`)];
  const { ESNext: module } = ts.ModuleKind;
  return ts.transpileModule(source.join('\n'), { compilerOptions: { module, target: ts.ScriptTarget.ES2023 } })
    .outputText;
}

/** What a program prints; it must print nothing on standard error. */
export async function outputOf(code: string, cwd: string, env: Record<string, string> = {}): Promise<string> {
  writeFileSync(join(cwd, 'program.js'), code);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['program.js'], {
    cwd,
    timeout: 40_000,
    env: { ...process.env, ...env },
  });
  expect(stderr).toBe('');
  return stdout;
}

export interface Begun {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  /** What it has printed, on both streams. */
  text(): string;
}

/** Runs command lines as bash does, in a directory, where `statemesh` is the built command. */
export function shellIn(cwd: string, env: Record<string, string>): (command: string) => Begun {
  const path = `${join(cwd, 'node_modules/.bin')}:${process.env.PATH ?? ''}`;
  return (command) => {
    const child = spawn('bash', ['--norc', '-c', `exec ${command}`], { cwd, env: { PATH: path, ...env } });
    children.push(child);
    let text = '';
    const add = (piece: string) => {
      text += piece;
    };
    child.stdout.setEncoding('utf8').on('data', add);
    child.stderr.setEncoding('utf8').on('data', add);
    const exitCode = new Promise<number | null>((resolve) => child.once('close', resolve));
    return { child, exitCode, text: () => text };
  };
}
