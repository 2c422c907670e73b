/**
 * Plays the tables of docs/operations.md, "What each tool says": creates each situation with real processes, and looks
 * for each quoted text.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  clusterKey,
  clusterSalt,
  type RunOptions,
  run,
  type StartedNode,
  startNode,
  temporaryDirectory,
  until,
} from './cli-fixture.js';
import { ownPort } from './own-port.js';

const tools = ['status', 'doctor', 'log', 'metrics'] as const;
type Tool = (typeof tools)[number];
/** What a tool reports now. */
export type Sayings = Partial<Record<Tool, () => Promise<string> | string>>;
/** How a situation is created. */
export type Scenario = () => Promise<Sayings>;

/** Fast enough for a test that waits for several rounds. */
export const fast = { beaconIntervalMs: 200, heartbeatIntervalMs: 200, syncIntervalMs: 400 };

/** What the tools report about a node that runs, or ran. */
export function sayingsOf(node: StartedNode, metricsPort: number): Sayings {
  return {
    status: async () => (await node.run(['status'])).stdout + (await node.run(['status', '--json'])).stdout,
    doctor: async () => (await node.run(['doctor'])).stdout,
    log: () => node.stderr(),
    metrics: async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text(),
  };
}

export interface Started {
  readonly node: StartedNode;
  readonly sayings: Sayings;
}

export interface StartOptions extends Omit<RunOptions, 'cwd' | 'input'> {
  readonly directory?: string;
  readonly start?: (fields: Readonly<Record<string, unknown>>, options: StartOptions) => Promise<StartedNode>;
}

/** A node with metrics, and what the tools report about it. */
export async function started(
  fields: Readonly<Record<string, unknown>> = {},
  options: StartOptions = {},
): Promise<Started> {
  const metricsPort = ownPort();
  const { start = startNode, ...others } = options;
  const node = await start({ ...fast, discovery: false, metricsPort, ...fields }, others);
  return { node, sayings: sayingsOf(node, metricsPort) };
}

/** A place in which no node runs, with the reports of `start` and the other tools there. */
export async function atRest(
  prepare: (directory: string) => Promise<void> | void = () => {},
): Promise<{ cwd: string; sayings: Sayings }> {
  const cwd = await temporaryDirectory();
  await writeFile(join(cwd, 'statemesh.json'), JSON.stringify({ nodeId: 'node-a', clusterKey, clusterSalt }), {
    mode: 0o600,
  });
  await prepare(cwd);
  return { cwd, sayings: sayingsAtRest(cwd) };
}

export function sayingsAtRest(cwd: string): Sayings {
  return {
    status: async () => (await run(['status'], { cwd })).stderr,
    doctor: async () => (await run(['doctor'], { cwd })).stdout,
    log: async () => (await run(['start'], { cwd })).stderr,
  };
}

interface Row {
  readonly situation: string;
  readonly words: readonly Word[];
}

interface Word {
  readonly tool: Tool;
  readonly word: string;
  /** A text of another situation, which must not appear. */
  readonly isAbsent: boolean;
}

const chapter = readFileSync('docs/operations.md', 'utf8').split('## What each tool says')[1]?.split(/\n## /)[0] ?? '';

/** The rows of the table under a heading. */
function rowsOf(subject: string): Row[] {
  const table = chapter.split(`### ${subject}\n`)[1]?.split('\n### ')[0] ?? '';
  const lines = table.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) => {
    const [situation = '', ...cells] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    const words = tools.flatMap((tool, index) => wordsOf(tool, cells[index] ?? ''));
    // When a tool has reported its texts, it has had the time to report those that it must not.
    return { situation, words: words.sort((a, b) => Number(a.isAbsent) - Number(b.isAbsent)) };
  });
}

function wordsOf(tool: Tool, cell: string): Word[] {
  return [...cell.matchAll(/(not )?`([^`]+)`/g)].map(([, not, word = '']) => ({
    tool,
    word,
    isAbsent: not !== undefined,
  }));
}

/** Plays each row of a table. To add a row, add a scenario that creates its situation. */
export function playTable(subject: string, scenarios: Readonly<Record<string, Scenario>>): void {
  const rows = rowsOf(subject);

  describe(`what each tool says: ${subject}`, () => {
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
        for (const word of words) await check(sayings, word);
      },
      120_000,
    );
  });
}

async function check(sayings: Sayings, { tool, word, isAbsent }: Word): Promise<void> {
  let last = '';
  const says = async (): Promise<boolean> => {
    last = (await sayings[tool]?.()) ?? '';
    return last.includes(word);
  };
  const wrong = (what: string, cause?: unknown) => new Error(`${tool} ${what} ${word}: ${last}`, { cause });
  if (isAbsent) {
    if (await says()) throw wrong('says');
    return;
  }
  await until(says, `${tool} says ${word}`).catch((error: unknown) => {
    throw wrong('does not say', error);
  });
}
