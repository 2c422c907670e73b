/** `npm run demo`: three nodes on this machine and their cloud, told as a story. */
import { parseArgs } from 'node:util';
import { loadCities } from './cities.js';
import { Cluster } from './cluster.js';
import { createCheckScreen, createStoryScreen, number } from './screen.js';
import { stay } from './stay.js';
import { tellStory } from './story.js';

const help = `npm run demo -- [options]

Three statemesh nodes on this machine find each other, share a real data set, survive a kill
and end with the same content. Then they connect to the cloud: an OAuth2 server and two cloud nodes.
The second cloud node replaces the first, and a new leader takes over when the first is killed.
Then everything about the nodes changes while they run: ports, leaders, names, the key.
At the end they stay up for you to try commands, until Ctrl-C.
Everything stays on the loopback interface and in a temporary directory.

  --check   play the story only: "ok <step>" lines, exit code 1 when a step fails
  --keep    keep the data and the logs
  --help    show this text`;

/** When the parent shell is gone, nothing else would stop the demo. */
const parentPollMs = 500;

process.exitCode = await main(process.argv.slice(2));
// Open handles of a failed story must not keep the process alive.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  let options: { check?: boolean; keep?: boolean; help?: boolean };
  try {
    const boolean = { type: 'boolean' } as const;
    options = parseArgs({ args: [...args], options: { check: boolean, keep: boolean, help: boolean } }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${help}`);
    return 2;
  }
  if (!options.help) return run(options.check ?? false, options.keep ?? false);
  process.stdout.write(help);
  return 0;
}

async function run(check: boolean, keep: boolean): Promise<number> {
  const screen = check ? createCheckScreen(process.stdout) : createStoryScreen(process.stdout);
  const cluster = new Cluster({ keep });
  const told = untilTold(cluster);
  try {
    screen.heading('statemesh', [
      'Three nodes on this machine, real cities, two cloud nodes, two kills, and no restart.',
    ]);
    const cities = loadCities();
    screen.say(`${number(cities.length)} cities of the whole world are loaded.`);
    const { passed, failed } = await tellStory({ cluster, screen, cities });
    screen.total(passed, failed);
    if (failed > 0) return told.exitCode() ?? 1;
    if (!check) await stay(cluster, screen);
    return 0;
  } finally {
    await cluster.stop();
    screen.say(`The nodes are stopped; their data is ${keep ? `in ${cluster.directory}` : 'removed'}.`);
    if (check && keep) process.stderr.write(`Kept in ${cluster.directory}\n`);
  }
}

/** Aborts the cluster when it is time to end. The first reason decides the exit code; later ones change nothing. */
function untilTold(cluster: Cluster): { exitCode(): number | undefined } {
  let exitCode: number | undefined;
  const end = (reason: string, code: number): void => {
    exitCode ??= code;
    cluster.abort(new Error(reason));
  };
  process.on('SIGINT', () => end('interrupted', 130));
  process.on('SIGTERM', () => end('terminated', 143));
  process.on('SIGHUP', () => end('the terminal was closed', 129));
  process.stdout.on('error', () => end('the reader of the output is gone', 1));
  const { ppid } = process;
  const look = (): void => {
    if (process.ppid !== ppid) end('the shell that started this is gone', 143);
  };
  setInterval(look, parentPollMs).unref();
  return { exitCode: () => exitCode };
}
