/** The weather of the whole network, as a few numbers. Fair weather is what remains when all faults have ended. */
import type { Latency } from './latency.js';
import type { Rule } from './rule.js';
import { duplicating, lossy } from './rules.js';

/** What the network does to everything that no other rule concerns. */
export interface Weather {
  /** One way, in ms, before jitter. */
  readonly latencyMs: number;
  /** The maximum of the random addition to the latency. */
  readonly jitterMs: number;
  /** The share of parcels that are lost: datagrams for good, bytes of streams until they are sent again. */
  readonly loss: number;
  /** The share of datagrams that are duplicated. */
  readonly duplication: number;
}

export const fairWeather: Weather = { latencyMs: 0.3, jitterMs: 0.2, loss: 0, duplication: 0 };

export function paceOf({ latencyMs, jitterMs }: Weather): Latency {
  return { kind: 'uniform', ms: latencyMs, jitterMs };
}

export function damageOf({ loss, duplication }: Weather): Rule[] {
  const rules: Rule[] = [];
  if (loss > 0) rules.push(lossy(loss, undefined, 'weather loss'));
  if (duplication > 0) rules.push(duplicating(duplication, undefined, 'weather duplication'));
  return rules;
}
