/**
 * The programs and the commands of the README run as they stand there, in its order, with the built package.
 *
 * What differs from a reader's machine is replaced by rule: hosts by loopback, ports by free ones, absolute paths by a directory of the
 * test; runs that would take minutes are shorter.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import ts from 'typescript';
import { temporaryDirectory, until } from './cli-fixture.js';
import { ownPort } from './own-port.js';

const readme = readFileSync('README.md', 'utf8');
const main = join(process.cwd(), 'dist/cli/main.js');
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Where a reader would run them: the package is installed, and the discovery port is nobody else's. */
async function project(): Promise<{ cwd: string; local: (text: string) => string }> {
  const cwd = await temporaryDirectory();
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(process.cwd(), join(cwd, 'node_modules/statemesh'));
  writeFileSync(join(cwd, 'package.json'), '{"type":"module","private":true}');
  const ports = new Map(['9000', '9001'].map((port) => [port, String(ownPort())]));
  const local = (text: string) =>
    text
      .replace(/\b[a-z]+\.example\.com\b|\b192\.168\.\d+\.\d+\b/g, '127.0.0.1')
      .replace(/\b900[01]\b/g, (port) => ports.get(port) ?? port)
      .replace(/(?<=[\s'])\/(etc\/statemesh|backups)\//g, `${cwd}/`)
      .replace(/--seeds \d+/, '--seeds 2 --seconds 5');
  return { cwd, local };
}

describe('the programs of the README', () => {
  const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)]
    .map(([, code = '']) => code)
    .filter((code) => !code.includes('createWorld'));
  const [first = '', ...others] = blocks;
  const makesNode = (code: string) => code.includes('createNode(');
  const declarations = (code: string) => /const clusterKey = .*/.exec(code)?.[0] ?? '';

  /** Imports first, each once; then the parts, each in a scope of its own but for the first. */
  function programOf(parts: readonly string[]): string {
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

  async function outputOf(code: string, cwd: string): Promise<string> {
    writeFileSync(join(cwd, 'program.js'), code);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['program.js'], { cwd, timeout: 20_000 });
    expect(stderr).toBe('');
    return stdout;
  }

  test('the first, and all that go on with its node, in the order of the text -> run to their end', async () => {
    const { cwd, local } = await project();
    const going = others.filter((code) => !makesNode(code));
    expect(going.length).toBeGreaterThan(2);
    const started = first.replace(/await node\.stop\(\);\n$/, '');
    expect(started).not.toBe(first);
    const isolated = started.replace('createNode({', `createNode({ discoveryPort: ${ownPort()},`);
    const printed = await outputOf(
      local(programOf([isolated, ...going, "console.log('now', (await node.status()).nodeId); await node.stop();"])),
      cwd,
    );
    for (const word of ["{ name: 'Espresso', price: 1.2 }", "{ name: 'Espresso', price: 1.3 }", 'now till-2']) {
      expect(printed).toContain(word);
    }
  }, 30_000);

  test.each(others.filter(makesNode).map((code): [string, string] => [/import \{ (\w+)/.exec(code)?.[1] ?? '', code]))(
    'that with %s -> makes a node that starts and stops',
    async (_, code) => {
      const { cwd, local } = await project();
      const configuration = {
        nodeId: 'till-1',
        clusterKey: 'a long secret',
        clusterSalt: 'corner-shop',
        discovery: false,
      };
      writeFileSync(join(cwd, 'till-1.json'), JSON.stringify(configuration));
      const given = `import { createNode } from 'statemesh';\n${declarations(first)}`;
      const start = code.includes('node.start()') ? '' : 'await node.start();';
      const end = `${start}console.log(node.state); await node.stop(); process.exit();`;
      const isolated = code.replace('createNode({ nodeId', 'createNode({ discovery: false, nodeId');
      expect(await outputOf(local(programOf([`${given}\n${isolated}\n${end}`])), cwd)).toContain('running');
    },
    30_000,
  );
});

describe('the commands of the README', () => {
  const [, section = ''] = /\n## On the command line\n([\s\S]*?)\n## /.exec(readme) ?? [];
  const commands = section
    .replaceAll(/ \\\n\s+/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [, command, comment = ''] = /^ {4}(statemesh .*?)(?: +# (.*))?$/.exec(line) ?? [];
      return command === undefined ? [] : [{ command, comment }];
    });
  /** They go on until they are interrupted. */
  const isEndless = (command: string) => /^statemesh (start|watch|logs --follow)/.test(command);

  test('in the order of the text -> each ends with 0, and does what is said', async () => {
    const { cwd, local } = await project();
    writeFileSync(join(cwd, 'articles.jsonl'), '{"sku":"A1","name":"Espresso"}\n');
    const env = { PATH: process.env.PATH ?? '', STATEMESH_DISCOVERY_PORT: String(ownPort()), SHOP_SECRET: 'x' };
    const bash = (command: string) =>
      spawn('bash', ['--norc', '-c', command.replace(/^statemesh/, `exec '${process.execPath}' '${main}'`)], {
        cwd,
        env,
      });
    const begun = (command: string) => {
      const child = bash(command);
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
    const outcomes: string[] = [];
    const finish = async (command: string): Promise<void> => {
      const { exitCode, text } = begun(local(command));
      outcomes.push(`${command}: ${await exitCode}${(await exitCode) === 0 ? '' : text()}`);
    };
    const isNode = async (nodeId: string) => {
      const status = begun('statemesh status');
      await status.exitCode;
      return new RegExp(`node +${nodeId}\n`).test(status.text()) || undefined;
    };
    expect(commands.length).toBeGreaterThan(20);
    for (const { command, comment } of commands) {
      if (isEndless(command)) {
        const running = begun(local(command));
        if (command.includes('start')) await until(() => running.text().includes('is running') || undefined, command);
        else {
          const isHeard = async () => {
            if (running.text() !== '') return true;
            await begun(`statemesh put articles a1 '{"at":${performance.now()}}'`).exitCode;
            return undefined;
          };
          await until(isHeard, command);
          running.child.kill('SIGINT');
          await running.exitCode;
        }
        outcomes.push(`${command}: 0`);
        continue;
      }
      const isAtRest = comment.includes('does not run');
      if (isAtRest && command.includes('--offline')) {
        await finish('statemesh stop');
        await finish(command);
        const again = begun('statemesh start');
        await until(() => again.text().includes('is running') || undefined, 'start again');
        // The one that was imported is there already.
      } else await finish(command.replace(/export (.*)--to/, 'export --force $1--to'));
      // The node takes up what is in its file in its own time.
      const [, nodeId] = /config set nodeId=(\S+)/.exec(command) ?? [];
      if (nodeId !== undefined) await until(() => isNode(nodeId), command);
    }
    await finish('statemesh stop');
    expect(outcomes.filter((outcome) => !outcome.endsWith(': 0'))).toEqual([]);
  }, 60_000);
});
