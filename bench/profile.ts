/** Runs one of the simulated clusters of the bench in a process of its own, for a profiler: see CONTRIBUTING.md. */
import { simulate } from './simulate.js';

const [nodes = 5, putsPerSecond = 10, virtualSeconds = 60] = process.argv.slice(2).map(Number);
const { cpuSeconds, events } = await simulate({
  nodes,
  putsPerSecond,
  virtualSeconds,
  warmUpSeconds: virtualSeconds / 4,
});
const [seconds, perSecond] = [virtualSeconds / cpuSeconds, events / cpuSeconds].map((rate) => rate.toPrecision(3));
process.stdout.write(`${seconds} virtual s/CPU s, ${perSecond} events/CPU s, over ${cpuSeconds.toFixed(1)} CPU s\n`);
