/**
 * The speed of worlds: virtual seconds per second of a processor, for idle and busy clusters.
 *
 * A limit would say nothing: the virtual clock alone fires some millions of events per second, and the events run the
 * production code, whose own figures stand above.
 */
import type { Bench, Figure, Result } from '../bench.js';
import { interleave, median } from '../measure.js';
import { formatNumber } from '../report.js';
import type { SimulationRun, SimulationSample } from '../simulate.js';

type Run = Omit<SimulationRun, 'warmUpSeconds'>;

/** Several processor seconds each, because most of the first second goes into compiling hot code. */
const runs: readonly Run[] = [
  { nodes: 3, putsPerSecond: 0, virtualSeconds: 10_000 },
  { nodes: 5, putsPerSecond: 0, virtualSeconds: 8_000 },
  { nodes: 20, putsPerSecond: 0, virtualSeconds: 600 },
  { nodes: 32, putsPerSecond: 0, virtualSeconds: 240 },
  { nodes: 3, putsPerSecond: 1, virtualSeconds: 1_500 },
  { nodes: 5, putsPerSecond: 1, virtualSeconds: 600 },
  { nodes: 20, putsPerSecond: 1, virtualSeconds: 30 },
  { nodes: 32, putsPerSecond: 1, virtualSeconds: 12 },
  { nodes: 3, putsPerSecond: 10, virtualSeconds: 200 },
  { nodes: 5, putsPerSecond: 10, virtualSeconds: 80 },
];
const quickShare = 0.25;
/** Share of the full run, also in a quick run: cold code takes twice as long. */
const warmUpShare = 0.25;

export const simulationFigure: Figure = {
  name: 'simulation',
  about: 'virtual seconds of simulated clusters per processor second',
  async measure(bench) {
    const rounds = bench.rounds({ quick: 1, full: 3 });
    const measured = await interleave(
      { rounds, warmUp: false, onRound: bench.show },
      Object.fromEntries(runs.map((run) => [nameOf(run), () => measureOnce(bench, run)])),
    );
    const results = new Map(Object.entries(measured));
    return runs.map((run): Result => {
      const samples = results.get(nameOf(run)) ?? [];
      const perCpuSecond = (of: (sample: SimulationSample) => number) =>
        median(samples.map((sample) => of(sample) / sample.cpuSeconds));
      return {
        name: nameOf(run),
        unit: 'virtual s/CPU s',
        value: perCpuSecond(() => secondsOf(bench, run)),
        rounds,
        note: `${formatNumber(perCpuSecond(({ events }) => events))} events/CPU s, all checkers on; 1 is real time`,
      };
    });
  },
};

/** A process for each, so that no run warms another up or slows it with its garbage. */
async function measureOnce(bench: Bench, run: Run): Promise<SimulationSample> {
  const worker = bench.workers.start('simulation');
  try {
    return await worker.call('simulate', {
      ...run,
      virtualSeconds: secondsOf(bench, run),
      warmUpSeconds: warmUpShare * run.virtualSeconds,
    });
  } finally {
    await worker.close();
  }
}

function secondsOf({ quick }: Bench, { virtualSeconds }: Run): number {
  return quick ? virtualSeconds * quickShare : virtualSeconds;
}

function nameOf({ nodes, putsPerSecond }: Run): string {
  return `simulate ${nodes} nodes, ${putsPerSecond === 0 ? 'idle' : `${putsPerSecond} put/s each`}`;
}
