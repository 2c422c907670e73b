/** The table of docs/operations.md, "What each tool says": each row is played over a real process, and each quoted word looked for. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { run, temporaryDirectory, until } from './cli-fixture.js';
import { type FailureOfDisk, startOnFailingDisk } from './failing-disk.js';
import { ownPort } from './own-port.js';

const tools = ['status', 'doctor', 'log', 'metrics'] as const;
type Tool = (typeof tools)[number];
/** What a tool says now. */
type Sayings = Partial<Record<Tool, () => Promise<string> | string>>;

/** How each situation comes about. To add a row to the table, add how to play it here. */
const scenarios: Readonly<Record<string, () => Promise<Sayings>>> = {
  'full disk': () => onDisk('ENOSPC'),
  EIO: () => onDisk('EIO'),
  EROFS: () => onDisk('EROFS'),
  'fsync error': () => onDisk('EIO of fsync'),
  'lost files': async () => {
    const { node, sayings } = await started();
    rmSync(join(node.directory, 'data', 'node-a.db'));
    return sayings;
  },
  'garbage file': async () => {
    const cwd = await temporaryDirectory();
    const configuration = { nodeId: 'node-a', clusterKey: 'a test key of this row', clusterSalt: 'test-salt' };
    writeFileSync(join(cwd, 'statemesh.json'), JSON.stringify(configuration), { mode: 0o600 });
    mkdirSync(join(cwd, 'data'), { mode: 0o700 });
    writeFileSync(join(cwd, 'data', 'node-a.db'), 'This is no database.');
    return { doctor: async () => (await run(['doctor'], { cwd })).stdout };
  },
  'control socket gone': async () => {
    const { node, sayings } = await started();
    rmSync(join(node.directory, 'data', 'control.sock'));
    return sayings;
  },
  'no control socket': async () => (await started({ control: false })).sayings,
};

async function started(fields: Readonly<Record<string, unknown>> = {}) {
  const metricsPort = ownPort();
  const node = await startOnFailingDisk({ discovery: false, metricsPort, ...fields });
  const sayings: Sayings = {
    status: async () => (await node.run(['status'])).stdout,
    doctor: async () => (await node.run(['doctor'])).stdout,
    log: () => node.stderr(),
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  };
  return { node, sayings };
}

async function onDisk(failure: FailureOfDisk): Promise<Sayings> {
  const { node, sayings } = await started();
  await node.fail(failure);
  await node.run(['put', 'things', 'k', '1']);
  return sayings;
}

interface Row {
  readonly situation: string;
  readonly words: readonly (readonly [Tool, string])[];
}

const table = readFileSync('docs/operations.md', 'utf8').split('## What each tool says')[1]?.split('\n## ')[0] ?? '';
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .slice(2)
  .map((line): Row => {
    const [situation = '', ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const words = tools.flatMap((tool, index) =>
      [...(cells[index] ?? '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => [tool, word] as const),
    );
    return { situation, words };
  });

describe('what each tool says', () => {
  test('the table: its rows -> are those that are played here', () => {
    expect(rows.map(({ situation }) => situation)).toEqual(Object.keys(scenarios));
    expect(rows.filter(({ words }) => words.length === 0)).toEqual([]);
  });

  test.each(rows)(
    '$situation: played -> each tool says what the table quotes',
    async ({ situation, words }) => {
      const scenario = new Map(Object.entries(scenarios)).get(situation);
      if (scenario === undefined) throw new Error(`Nobody knows how to play ${situation}.`);
      const sayings = await scenario();
      for (const [tool, word] of words) {
        let last = '';
        const says = async () => {
          last = (await sayings[tool]?.()) ?? '';
          return last.includes(word) || undefined;
        };
        await until(says, `${tool} says ${word}`).catch((error: unknown) => {
          throw new Error(`${tool} does not say ${word}, but: ${last}`, { cause: error });
        });
      }
    },
    120_000,
  );
});
