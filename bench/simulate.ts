/** Simulates an idle or busy cluster, and measures its cost. */
import { createWorld, type WorldNode } from 'statemesh/simulation';

export interface SimulationRun {
  readonly nodes: number;
  /** On each node; 0 is an idle cluster. */
  readonly putsPerSecond: number;
  readonly virtualSeconds: number;
  /** Run before these, to warm up the code. */
  readonly warmUpSeconds: number;
}

export interface SimulationSample {
  readonly cpuSeconds: number;
  readonly events: number;
}

const keysInAll = 1_000;

/** Processor time of the run alone, without the start of the nodes and the end of the world. */
export async function simulate({
  nodes: count,
  putsPerSecond,
  virtualSeconds,
  warmUpSeconds,
}: SimulationRun): Promise<SimulationSample> {
  const world = createWorld({ seed: 1, eventsMax: Number.MAX_SAFE_INTEGER });
  const nodes = world.lan(
    'office',
    Array.from({ length: count }, (_, index) => `node-${String(index).padStart(2, '0')}`),
  );
  await world.until(() => nodes.every(({ isUp }) => isUp) && world.meshed(), { within: '30s' });
  let puts = 0;
  const run = async (seconds: number): Promise<void> => {
    if (putsPerSecond === 0) return world.run(seconds * 1_000);
    const gapMs = 1_000 / putsPerSecond / count;
    for (let elapsedMs = 0; elapsedMs < seconds * 1_000; elapsedMs += gapMs) {
      put(nodes[puts % count] as WorldNode, puts);
      puts += 1;
      await world.run(gapMs);
    }
  };
  await run(warmUpSeconds);
  const eventsBefore = world.events;
  const cpuBefore = process.cpuUsage();
  await run(virtualSeconds);
  const { user, system } = process.cpuUsage(cpuBefore);
  const events = world.events - eventsBefore;
  await world.close();
  return { cpuSeconds: (user + system) / 1e6, events };
}

function put({ node }: WorldNode, count: number): void {
  // A put that fails ends the process, and with it the figure.
  void node.collection<{ count: number }>('things').put(`key-${count % keysInAll}`, { count });
}
