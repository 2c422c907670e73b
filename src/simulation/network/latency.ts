/** The latency of a path, as a distribution in ms. */
import { kinds, oneOf, readOptions } from '../../core/options.js';
import { own } from '../../core/own.js';
import { simulationShape } from '../options.js';
import type { RandomStream } from '../random.js';

/**
 * `uniform`: `ms` plus up to `jitterMs`. `lognormal`: half of all parcels take less than `medianMs` and a few very much
 * longer, the more the larger `sigma` is (1 is a bad radio link: one in 100 takes ten times the median); none takes
 * longer than `maxMs`.
 */
export type Latency =
  | { readonly kind: 'constant'; readonly ms: number }
  | { readonly kind: 'uniform'; readonly ms: number; readonly jitterMs: number }
  | { readonly kind: 'lognormal'; readonly medianMs: number; readonly sigma: number; readonly maxMs: number };

/** Additional latency to a public machine, one way: a line to a data center in the same country. */
export const farLatency = { kind: 'uniform', ms: 8, jitterMs: 4 } as const satisfies Latency;

const { amount } = kinds;
/** The fields of each kind; all are required. */
const amountsOf = {
  constant: ['ms'],
  uniform: ['ms', 'jitterMs'],
  lognormal: ['medianMs', 'sigma', 'maxMs'],
} as const satisfies { readonly [Name in Latency['kind']]: readonly string[] };

/** @throws StatemeshError `requestInvalid`, naming the field */
export function readLatency(given: Latency): Latency {
  const kind = oneOf(...Object.keys(amountsOf));
  const names: readonly string[] = own(amountsOf, Object(given).kind) ?? [];
  const fields = Object.fromEntries(names.map((name) => [name, amount]));
  return readOptions<Record<string, unknown>>(
    given,
    simulationShape<Record<string, unknown>>('latency', { kind, ...fields }, 'kind', ...names),
  ) as unknown as Latency;
}

export function drawLatencyMs(latency: Latency, random: RandomStream): number {
  switch (latency.kind) {
    case 'constant':
      return latency.ms;
    case 'uniform':
      return latency.ms + random.float() * latency.jitterMs;
    case 'lognormal':
      return Math.min(latency.maxMs, latency.medianMs * Math.exp(latency.sigma * drawNormal(random)));
  }
}

/** The Box-Muller transform. One minus, because 0 has no logarithm. */
function drawNormal(random: RandomStream): number {
  return Math.sqrt(-2 * Math.log(1 - random.float())) * Math.cos(2 * Math.PI * random.float());
}
