/**
 * What happens in a run of the swarm, as data: who writes what when, and which faults strike when. Drawn from the seed, so it
 * can be drawn again; a list, so it can be made shorter.
 */
import { type RandomStream, randomStream } from '../random.js';

export type Fault =
  | { readonly atMs: number; readonly kind: 'partition'; readonly group: readonly number[]; readonly oneWay: boolean }
  | { readonly atMs: number; readonly kind: 'heal' }
  | { readonly atMs: number; readonly kind: 'crash' | 'stop'; readonly node: number; readonly downMs: number }
  | { readonly atMs: number; readonly kind: 'clog'; readonly from: number; readonly to: number; readonly forMs: number }
  | { readonly atMs: number; readonly kind: 'skew'; readonly node: number; readonly byMs: number }
  | { readonly atMs: number; readonly kind: 'weather'; readonly loss: number; readonly latencyMs: number };

export interface PlannedWrite {
  readonly atMs: number;
  readonly node: number;
  readonly key: string;
  /** Undefined is a delete. */
  readonly value: number | undefined;
}

export interface Plan {
  readonly seed: number;
  readonly nodes: number;
  readonly durationMs: number;
  readonly writes: readonly PlannedWrite[];
  readonly faults: readonly Fault[];
}

export interface PlanOptions {
  readonly seed: number;
  /** How many nodes at least and at most. */
  readonly nodes: readonly [number, number];
  readonly durationMs: number;
  /** From where faults may come; from everywhere when left out. */
  readonly faults?: readonly FaultDomain[];
}

export const faultDomains = ['network', 'crash', 'clock', 'disk'] as const;
export type FaultDomain = (typeof faultDomains)[number];

const keysInAll = 20;
/** Their order is part of what a seed means. */
const domainOf: Readonly<Record<Fault['kind'], FaultDomain>> = {
  partition: 'network',
  heal: 'network',
  crash: 'crash',
  stop: 'crash',
  clog: 'network',
  skew: 'clock',
  weather: 'network',
};

export function drawPlan({ seed, nodes: [fewest, most], durationMs, faults = faultDomains }: PlanOptions): Plan {
  const kinds = (Object.keys(domainOf) as Fault['kind'][]).filter((kind) => faults.includes(domainOf[kind]));
  const nodes = fewest + randomStream(seed, 'plan nodes').below(most - fewest + 1);
  return {
    seed,
    nodes,
    durationMs,
    writes: drawWrites(randomStream(seed, 'plan writes'), nodes, durationMs),
    faults: drawFaults(randomStream(seed, 'plan faults'), { nodes, durationMs, kinds }),
  };
}

function drawWrites(random: RandomStream, nodes: number, durationMs: number): PlannedWrite[] {
  // From a trickle to a steady stream.
  const meanGapMs = random.pick([50, 200, 1_000]);
  const writes: PlannedWrite[] = [];
  for (let atMs = random.float() * meanGapMs; atMs < durationMs; atMs += random.float() * 2 * meanGapMs) {
    const value = random.float() < 0.2 ? undefined : writes.length;
    writes.push({ atMs, node: random.below(nodes), key: `k${random.below(keysInAll)}`, value });
  }
  return writes;
}

interface FaultOptions {
  readonly nodes: number;
  readonly durationMs: number;
  readonly kinds: readonly Fault['kind'][];
}

function drawFaults(random: RandomStream, { nodes, durationMs, kinds }: FaultOptions): Fault[] {
  if (kinds.length === 0) return [];
  const meanGapMs = random.pick([1_000, 3_000, 10_000]);
  const faults: Fault[] = [];
  for (let atMs = random.float() * meanGapMs; atMs < durationMs; atMs += random.float() * 2 * meanGapMs) {
    faults.push(drawFault(random, atMs, random.pick(kinds), nodes));
  }
  return faults;
}

function drawFault(random: RandomStream, atMs: number, kind: Fault['kind'], nodes: number): Fault {
  switch (kind) {
    case 'partition': {
      const group = Array.from({ length: nodes }, (_, node) => node).filter(() => random.float() < 0.5);
      return { atMs, kind, group, oneWay: random.float() < 0.3 };
    }
    case 'heal':
      return { atMs, kind };
    case 'crash':
    case 'stop':
      return { atMs, kind, node: random.below(nodes), downMs: random.pick([0, 100, 2_000, 10_000]) };
    case 'clog':
      return {
        atMs,
        kind,
        from: random.below(nodes),
        to: random.below(nodes),
        forMs: random.pick([100, 2_000, 8_000]),
      };
    case 'skew':
      return { atMs, kind, node: random.below(nodes), byMs: Math.round((random.float() - 0.5) * 40_000) };
    case 'weather':
      return { atMs, kind, loss: random.pick([0, 0.05, 0.5]), latencyMs: random.pick([0.3, 5, 100]) };
  }
}
