/**
 * The programs and the commands of the README run as written, in its order, with the built package.
 *
 * Details that differ from a reader's machine are replaced by rule: hosts by loopback, ports by free ones, absolute
 * paths by a directory of the test; runs that would take minutes are shorter.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { until } from './cli-fixture.js';
import { ownPort } from './own-port.js';
import { blocksOf, commandsOf, outputOf, programOf, project, readme, sectionOf, shellIn } from './readme-fixture.js';

describe('the programs of the README', () => {
  const blocks = blocksOf(readme, 'ts').filter((code) => !code.includes('createWorld'));
  const [first = '', ...others] = blocks;
  const makesNode = (code: string) => code.includes('createNode(');
  const invokesNode = (code: string) => code.includes('nodeLogic(');
  const declarations = (code: string) => /const clusterKey = .*/.exec(code)?.[0] ?? '';

  test('the first, and all that use its node, in the order of the text -> run to their end', async () => {
    const { cwd, local } = await project();
    const going = others.filter((code) => !makesNode(code) && !invokesNode(code));
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

  test('that with nodeLogic -> ends, and says who leads', async () => {
    const { cwd, local } = await project([["'till-1', clusterKey", "'till-1', discovery: false, clusterKey"]]);
    const [code = ''] = others.filter(invokesNode);
    const printed = await outputOf(local(programOf([`${declarations(first)}\n${code}\nprocess.exit();`])), cwd);
    expect(printed).toContain("leaderId: 'till-1'");
    expect(printed).toContain('Watch it at http://127.0.0.1:');
  }, 30_000);
});

describe('the commands of the README', () => {
  const commands = commandsOf(sectionOf('On the command line'));
  /** These run until they are interrupted. */
  const isEndless = (command: string) => /^statemesh (start|watch|logs --follow)/.test(command);

  test('in the order of the text -> each ends with 0, and does what the text says', async () => {
    const { cwd, local } = await project();
    writeFileSync(join(cwd, 'articles.jsonl'), '{"sku":"A1","name":"Espresso"}\n');
    const begun = shellIn(cwd, { STATEMESH_DISCOVERY_PORT: String(ownPort()), SHOP_SECRET: 'x' });
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
      } else await finish(command);
      // The node applies its changed file after a while.
      const [, nodeId] = /config set nodeId=(\S+)/.exec(command) ?? [];
      if (nodeId !== undefined) await until(() => isNode(nodeId), command);
    }
    await finish('statemesh stop');
    expect(outcomes.filter((outcome) => !outcome.endsWith(': 0'))).toEqual([]);
  }, 60_000);
});
