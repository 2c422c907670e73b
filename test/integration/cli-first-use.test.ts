/** What commands say to somebody who makes the usual mistakes of a first hour: wrong order, wrong file, a closed terminal. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { run, type StartedNode, startNode, temporaryDirectory, until } from './cli-fixture.js';

jest.setTimeout(60_000);

const usage = 'hint:  See --help for how the command is used.\n';
const main = join(process.cwd(), 'dist/cli/main.js');
let node: StartedNode;
let dataDir: string;
beforeAll(async () => {
  node = await startNode({ discovery: false }, { keep: true });
  dataDir = join(node.directory, 'data');
});
afterAll(async () => {
  node.child.kill('SIGKILL');
  await node.exitCode;
  await rm(node.directory, { recursive: true });
});

describe('hints', () => {
  test.each([
    ['putt', true],
    ['find articles --wher {}', true],
    ['get articles', false],
    ['find articles --limit abc', false],
    ['export articles --to there.jsonl', false],
    ['restore', false],
  ])('%s -> a hint at --help: %s', async (command, isHinted) => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'there.jsonl'), '');
    const { exitCode, stderr } = await run(command.split(' '), { cwd });
    expect([exitCode, stderr.endsWith(usage)]).toEqual([2, isHinted]);
  });

  test('an unknown operator -> the one whose letters it has', async () => {
    const { stderr } = await node.run(['find', 'articles', '--where', '{"price":{"$le":2}}']);
    expect(stderr).toContain('Did you mean "$lte"?');
  });
});

describe('exit codes in --help', () => {
  test.each([
    ['status', /0 {4}done\n/, /start/],
    ['remove-peer', /4 {4}no such remote peer\n/, /\(get, delete\)/],
    ['get', /4 {4}no document under the key\n/, /remote peer/],
    ['reconfigure', /5 {4}port, address, database or data directory is taken or not available\n/, /start, reconfigure/],
    ['start', /0 {4}stopped gracefully\n/, /simulate:/],
    ['import', /130 {2}interrupted by Ctrl-C/, /start/],
  ])('%s -> only what concerns it', async (command, has, hasNot) => {
    const { stdout } = await run([command, '--help']);
    const codes = stdout.slice(stdout.indexOf('\nExit codes:'));
    expect(codes).toMatch(has);
    expect(codes).not.toMatch(hasNot);
  });
});

describe('import', () => {
  test.each([
    ['the file is missing', ['articles'], '', 'There is no file articles. Usage: statemesh import [collection] <file>'],
    [
      '--key without a collection',
      ['in.jsonl', '--key', 'sku'],
      '',
      'With --key, name the collection: statemesh import COLLECTION in.jsonl',
    ],
    ['CSV under another name', ['articles', 'in.jsonl'], 'key\tname\nx\ty\n', 'is CSV, add --csv'],
  ])('%s -> says what to do', async (_, args, contents, told) => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'in.jsonl'), contents);
    const { exitCode, stderr } = await run(['import', ...args, '--data-dir', dataDir], { cwd });
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(told)]);
  });

  test('rows with the same key -> a hint with the key and its line; different keys: none', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'in.csv'), 'key,name\na,1\nb,2\na,3\nb,4\n');
    await writeFile(join(cwd, 'good.csv'), 'key,name\na,1\nb,2\n');
    const imported = (file: string) => run(['import', 'articles', file, '--data-dir', dataDir], { cwd });
    const { exitCode, stdout, stderr } = await imported('in.csv');
    expect([exitCode, stdout]).toEqual([0, 'Imported 4 documents into articles.\n']);
    expect(stderr).toBe(
      'hint:  2 rows have the key of an earlier row and replaced its document: "a" on line 4 is the first.\n',
    );
    expect((await imported('good.csv')).stderr).toBe('');
  });

  test('truth values of a spreadsheet -> a hint with the column and the line', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'in.csv'), 'key,active,note\na,TRUE,x\nb,FALSE,TRUE\nc,TRUE,y\n');
    const { stderr } = await run(['import', 'articles', 'in.csv', '--data-dir', dataDir], { cwd });
    expect(stderr).toBe(
      'hint:  TRUE and FALSE were taken as text in "active" (such as "TRUE" on line 2). Write true and false for truth values; --text active ends this hint.\n',
    );
  });
});

describe('export and restore', () => {
  test('export into a directory that does not exist -> says so', async () => {
    const { exitCode, stderr } = await node.run(['export', 'articles', '--to', 'none/out.csv']);
    expect([exitCode, stderr]).toEqual([
      2,
      `error: There is no directory ${join(node.directory, 'none')} for out.csv.\n`,
    ]);
  });

  test('restore of a file and --from-peers -> one of the two; of no database -> no directory is left', async () => {
    const cwd = await temporaryDirectory();
    await writeFile(join(cwd, 'no.db'), 'This is no database.');
    const both = await run(['restore', 'no.db', '--from-peers'], { cwd });
    expect([both.exitCode, both.stderr]).toEqual([
      2,
      expect.stringContaining('either the copy to put back or --from-peers, not both'),
    ]);
    const { exitCode } = await run(['restore', 'no.db', '--data-dir', 'other'], { cwd });
    expect([exitCode, existsSync(join(cwd, 'other'))]).toEqual([6, false]);
  });
});

describe('a terminal that is closed', () => {
  // `script`, which makes the terminal, is part of every Debian (bsdutils).
  test.each([
    ['start', ['start', '--data-dir', 'own', '--node-id', 'own', '--no-discovery'], 'is running'],
    ['watch', ['watch', '--since', '0'], 'seen'],
    ['logs', ['logs', '--follow'], 'running'],
  ])('%s -> ends by SIGHUP, without a core dump', async (_, args, shown) => {
    const { directory } = node;
    await node.run(['put', 'c', 'seen', '1']);
    const code = join(directory, `${args[0]}.code`);
    const words = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
    // As an interactive shell does, this one passes the signal of the closed terminal on.
    const inside = `${words} & trap "kill -HUP $!" HUP; wait $!; wait $!; echo $? > ${code}`;
    const terminal = spawn('script', ['-qc', inside, '/dev/null'], {
      cwd: directory,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    terminal.stdout.on('data', (piece) => {
      text += piece;
    });
    await until(() => text.includes(shown) || undefined, shown);
    terminal.kill('SIGKILL');
    await until(() => existsSync(code) || undefined, 'the command has ended');
    const hangUp = 129;
    expect(await until(async () => Number(await readFile(code, 'utf8')) || undefined)).toBe(hangUp);
  });
});
