/** The control: plays the build without a bug over all the seeds with which the mutants are hunted. */
import { type Player, runSwarm, type Verdict } from 'statemesh/simulation';
import { type Mutant, type Plans, plansOf } from './mutant.js';

/** Seeds from 1 up, of plans of one kind. */
export interface Control {
  readonly plan: Plans;
  readonly seeds: number;
}

/** A seed on which the build without a bug fails: catching a mutant there means nothing. */
export interface FalseAlarm {
  readonly plan: Plans;
  readonly verdict: Verdict;
}

/** Every seed that the hunts may play, once. */
export function controlsOf(mutants: readonly Pick<Mutant, 'plan' | 'seedsMax'>[]): Control[] {
  const controls = new Map<string, Control>();
  for (const mutant of mutants) {
    const plan = plansOf(mutant);
    const name = JSON.stringify(plan);
    controls.set(name, { plan, seeds: Math.max(mutant.seedsMax, controls.get(name)?.seeds ?? 0) });
  }
  return [...controls.values()];
}

/**
 * @returns The first false alarm
 *
 * @throws the reason of the signal
 */
export async function playControl(
  { plan, seeds }: Control,
  players: readonly Player[],
  signal?: AbortSignal,
): Promise<FalseAlarm | undefined> {
  const { failure: verdict } = await runSwarm({ from: 1, seeds, plan, players, signal });
  signal?.throwIfAborted();
  return verdict && { plan, verdict };
}
