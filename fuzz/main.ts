/**
 * `npm run fuzz`: tests the code that reads untrusted input, without end.
 *
 * Results go to standard output, everything else to standard error.
 */
import { randomInt } from 'node:crypto';
import { chosenOf, runProgram } from '../tools/program.js';
import { type Fuzzed, fuzz } from './fuzz.js';
import { helpText, type Options, parseOptions } from './options.js';
import type { Opened, Target } from './target.js';
import { targets } from './targets.js';

let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    isInterrupted = true;
  });
}

await runProgram({ parse: (args) => parseOptions(args, targets), help: () => helpText(targets), run });

async function run({ only, json, seconds, seed: firstSeed = randomInt(1, 1_000_000_000) }: Options): Promise<number> {
  const chosen = chosenOf(targets, only);
  const endsAt = performance.now() + (seconds ?? Number.POSITIVE_INFINITY) * 1_000;
  const isOver = (): boolean => isInterrupted || performance.now() >= endsAt;
  const tries = new Map<string, number>();
  const opened = new Map<Target, Opened>();
  process.stderr.write(
    `Seed ${firstSeed}, targets: ${chosen.length}. ${seconds === undefined ? 'Ctrl-C ends it.' : ''}\n`,
  );
  try {
    for (let seed = firstSeed; seed === firstSeed || !isOver(); seed++) {
      for (const target of chosen) {
        if (isInterrupted || (seed > firstSeed && isOver())) break;
        const ready = opened.get(target) ?? (await target.open());
        opened.set(target, ready);
        const fuzzed = await fuzz(target, ready, { seed, runs: target.runs });
        tries.set(target.name, (tries.get(target.name) ?? 0) + fuzzed.runs);
        if (json) process.stdout.write(`${JSON.stringify(fuzzed)}\n`);
        if (fuzzed.finding !== undefined) {
          process.stderr.write(findingText(fuzzed));
          return 1;
        }
      }
      if (!json && process.stderr.isTTY) process.stderr.write(`\r${progressText(tries)}\x1b[K`);
    }
  } finally {
    if (!json && process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    for (const each of opened.values()) await each.close?.();
  }
  if (!json) process.stdout.write(tableText(tries));
  return 0;
}

function progressText(tries: ReadonlyMap<string, number>): string {
  return `${[...tries.values()].reduce((sum, runs) => sum + runs, 0).toLocaleString('en')} tries, all held`;
}

function tableText(tries: ReadonlyMap<string, number>): string {
  const width = Math.max(...[...tries.keys()].map((name) => name.length));
  const lines = [...tries].map(
    ([name, runs]) => `${name.padEnd(width)}  ${runs.toLocaleString('en').padStart(9)} tries`,
  );
  return `${lines.join('\n')}\n${progressText(tries)}\n`;
}

function findingText({ target, seed, finding }: Fuzzed): string {
  return `\n${target} breaks its promise.\n${finding}\n\nAgain: npm run fuzz -- --only ${target} --seed ${seed}\n`;
}
