/** The story, step by step. Each step waits for its condition, never for a time, and reports what it has shown. */
import type { City } from './cities.js';
import { cloudSteps } from './cloud-story.js';
import type { Cluster } from './cluster.js';
import { nameOf } from './cluster-node.js';
import { Orders } from './orders.js';
import { Progress, until } from './progress.js';
import { areMeshed, assert, clockDigestOf, digestsOf, importCities, largestCities, statusOf } from './questions.js';
import { reconfigurationSteps } from './reconfiguration-story.js';
import { number, type Outcome, type Screen, table } from './screen.js';
import { differenceOf, planWrites, type WriteResult, writeEverywhere } from './writes.js';

/**
 * The share of cities at which node-c is killed: late enough that it has something to lose, early enough that much is
 * left to do.
 */
const killFrom = 0.3;
const killBefore = 0.8;
const shownCountry = { code: 'JP', name: 'Japan' };
const shownCities = 5;
const shownDigestLength = 16;

export interface StoryInput {
  readonly cluster: Cluster;
  readonly screen: Screen;
  readonly cities: readonly City[];
}

export interface Step {
  readonly title: string;
  run(): Promise<Outcome>;
}

/** After a failed step, the others are not tried. */
export async function tellStory(input: StoryInput): Promise<{ passed: number; failed: number }> {
  const { cluster, screen } = input;
  const orders = new Orders();
  const steps = [
    ...stepsOf(input),
    ...cloudSteps(cluster, cluster.cloud, orders),
    ...reconfigurationSteps(cluster, cluster.cloud, orders),
  ];
  let passed = 0;
  for (const { title, run } of steps) {
    const startedMs = performance.now();
    screen.begin(title);
    try {
      const outcome = await Promise.race([run(), cluster.trouble()]);
      screen.done(outcome, (performance.now() - startedMs) / 1_000);
      passed += 1;
    } catch (error) {
      const problems = cluster.signal.aborted ? [] : cluster.problems();
      // Work that this step has started must not continue.
      cluster.abort(error);
      screen.failed(title, [error instanceof Error ? error.message : String(error), ...problems].join('\n'));
      return { passed, failed: 1 };
    }
  }
  return { passed, failed: 0 };
}

function stepsOf({ cluster, screen, cities }: StoryInput): Step[] {
  const { nodes, signal } = cluster;
  const [a, b, c] = nodes;
  const total = cities.length;
  const progress = new Progress(cluster, screen, total);
  let importing: Promise<number> | undefined;
  let killed = 0;
  let written: WriteResult | undefined;

  return [
    {
      title: 'Three nodes start',
      async run() {
        await cluster.initialize();
        await Promise.all(nodes.map((node) => node.start()));
        const rows = nodes.map(async (node) => {
          const { host, port } = await statusOf(node);
          return [node.name, `process ${node.processId}`, `${host}:${port}`];
        });
        return {
          title: 'Three nodes run, each a process with its own database',
          details: [
            ...table(await Promise.all(rows)),
            `Data and logs: ${cluster.directory}`,
            `Watch them in a browser: ${cluster.watch.url}`,
          ],
        };
      },
    },
    {
      title: 'They find each other',
      async run() {
        await until(signal, 'there is one session for each pair', () => areMeshed(nodes));
        return {
          title: 'They found each other: one encrypted session per pair',
          details: ['By UDP beacons, without a list of addresses.', 'TLS 1.3 with the cluster key, made a moment ago.'],
        };
      },
    },
    {
      title: `node-a imports ${number(total)} cities, the others follow`,
      async run() {
        importing = importCities(a, cities);
        // The step that waits for the import reports its failure.
        importing.catch(() => {});
        await progress.until('node-b and node-c have the first cities', () =>
          [b, c].every((node) => progress.countOf(node) > 0),
        );
        const counts = nodes.map((node) => `${node.name} ${number(progress.countOf(node))}`);
        return {
          title: `node-a imports ${number(total)} cities, the others follow live`,
          details: [`After the first moments: ${counts.join(', ')}.`],
        };
      },
    },
    {
      title: 'node-c is killed in the middle of it',
      async run() {
        await progress.until(
          `node-c has ${killFrom * 100} % of the cities`,
          () => progress.countOf(c) >= total * killFrom,
        );
        const ending = await c.kill();
        killed = progress.countOf(c);
        progress.note(c, 'killed');
        assert(ending.signal === 'SIGKILL', `node-c ended by ${nameOf(ending)} instead of SIGKILL`);
        assert(killed < total * killBefore, `node-c had ${number(killed)} already: too late for the middle`);
        return {
          title: `node-c killed with SIGKILL when it had ${number(killed)} cities`,
          details: ['No goodbye, nothing finished: the process is just gone.'],
        };
      },
    },
    {
      title: 'node-c starts again on the same directory',
      async run() {
        let isBack = false;
        const start = async (): Promise<number> => {
          await c.start();
          isBack = true;
          return progress.look(c);
        };
        const [found] = await Promise.all([start(), progress.until('node-c is back', () => isBack)]);
        progress.note(c, 'back again');
        assert(found >= killed, `it had ${number(killed)} cities before the kill, and ${number(found)} after it`);
        return {
          title: `node-c opened its directory again: ${number(found)} cities are there`,
          details: [`${number(killed)} were counted before the kill; it continues from there.`],
        };
      },
    },
    {
      title: 'node-a imports the rest',
      async run() {
        const all = progress.until('node-a has all cities', () => progress.countOf(a) === total);
        const [seconds = 0] = await Promise.all([importing, all]);
        const rate = number(Math.round(total / seconds / 100) * 100);
        return {
          title: `node-a has imported all ${number(total)} cities`,
          details: [`${seconds.toFixed(1)} s in all, ${rate} cities a second, while it served the others.`],
        };
      },
    },
    {
      title: 'node-b and node-c catch up',
      async run() {
        await progress.until('all nodes have all cities', () =>
          nodes.every((node) => progress.countOf(node) === total),
        );
        const received = (await statusOf(c)).peers.reduce((sum, { entriesReceived }) => sum + entriesReceived, 0);
        const survived = total - received;
        assert(survived >= killed, `node-c had ${number(killed)} cities, and fetched ${number(received)} all the same`);
        return {
          title: `All three have all ${number(total)} cities`,
          details: [`node-c fetched ${number(received)} after its return: ${number(survived)} had survived the kill.`],
        };
      },
    },
    {
      title: 'All three nodes are written to at once',
      async run() {
        written = await writeEverywhere(nodes, planWrites(cities, shownCountry.code), total);
        const { writes, last } = written;
        return {
          title: `${number(writes)} writes on all three at once`,
          details: [
            'Puts and deletions; each was on disk before it was answered.',
            `${last.size} of the cities were written by all three nodes.`,
          ],
        };
      },
    },
    {
      title: 'All three agree again',
      async run() {
        await until(signal, 'the clock digests are equal', async () =>
          areEqual(await Promise.all(nodes.map(clockDigestOf))),
        );
        const { last } = written as WriteResult;
        const differences = await Promise.all(nodes.map((node) => differenceOf(node, written as WriteResult)));
        const difference = differences.find((each) => each !== undefined);
        assert(difference === undefined, `${difference}`);
        const won = nodes.map(({ name }) => `${name} ${[...last.values()].filter(({ node }) => node === name).length}`);
        return {
          title: 'They agree again: the same last write won everywhere',
          details: [`The last writes on these ${last.size}: ${won.join(', ')}.`],
        };
      },
    },
    {
      title: `node-b finds the largest cities of ${shownCountry.name}`,
      async run() {
        const largest = await largestCities(b, { country: shownCountry.code, limit: shownCities });
        const expected = cities
          .filter(({ country }) => country === shownCountry.code)
          .sort((one, other) => other.population - one.population)
          .slice(0, shownCities);
        const names = (list: readonly City[]) => list.map(({ name }) => name).join(', ');
        assert(names(largest) === names(expected), `found ${names(largest)}; the data set has ${names(expected)}`);
        return {
          title: `A query on node-b: the largest cities of ${shownCountry.name}`,
          details: table(largest.map(({ name, population }) => [name, population])),
        };
      },
    },
    {
      title: 'The three digests are equal',
      async run() {
        const { cities, notes } = written as WriteResult;
        const digests = await Promise.all(nodes.map(digestsOf));
        const rows = digests.map(({ documents, clock, content }, index) => [
          nodes[index]?.name ?? '',
          documents,
          clock.slice(0, shownDigestLength),
          content.slice(0, shownDigestLength),
        ]);
        const [first] = digests;
        const shown = [['', 'documents', 'clock digest', 'content digest'], ...rows];
        assert(areEqual(digests.map((digest) => JSON.stringify(digest))), `they differ:\n${table(shown).join('\n')}`);
        assert(first?.documents === cities + notes, `${first?.documents} documents instead of ${cities + notes}`);
        return {
          title: `Three equal digests over ${number(first?.documents ?? 0)} documents: ${first?.content.slice(0, shownDigestLength)}`,
          details: table(shown),
        };
      },
    },
  ];
}

function areEqual(texts: readonly string[]): boolean {
  return texts.every((text) => text === texts[0]);
}
