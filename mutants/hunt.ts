/** Hunts one mutant, seed after seed. */
import { type Breach, type Player, runSwarm } from 'statemesh/simulation';
import { type Mutant, plansOf, StaleError } from './mutant.js';
import { plant } from './plant.js';
import { withPlayers } from './players.js';

export type Outcome =
  | { readonly kind: 'caught'; readonly breach: Breach; readonly seed: number }
  /** A checker reported a breach, but of the wrong kind. */
  | { readonly kind: 'mistaken'; readonly breach: Breach; readonly seed: number }
  | { readonly kind: 'escaped' }
  | { readonly kind: 'stale'; readonly message: string };

export interface Hunted {
  readonly mutant: Mutant;
  readonly outcome: Outcome;
  /** Real time. */
  readonly elapsedMs: number;
}

/**
 * Plants a mutant and hunts it.
 *
 * @throws the reason of the signal
 */
export async function huntPlanted(mutant: Mutant, project: string, signal: AbortSignal): Promise<Hunted> {
  const startedAtMs = performance.now();
  const hunted = (outcome: Outcome): Hunted => ({ mutant, outcome, elapsedMs: performance.now() - startedAtMs });
  try {
    return hunted(await withPlayers(plant(mutant, project), 1, (players) => hunt(mutant, players, signal)));
  } catch (error) {
    if (error instanceof StaleError) return hunted({ kind: 'stale', message: error.message });
    throw error;
  }
}

/**
 * Plays seeds from 1 until one shows a breach.
 *
 * @throws the reason of the signal
 */
export async function hunt(
  mutant: Pick<Mutant, 'plan' | 'breaks' | 'seedsMax'>,
  players: readonly Player[],
  signal?: AbortSignal,
): Promise<Outcome> {
  const { failure } = await runSwarm({ from: 1, seeds: mutant.seedsMax, plan: plansOf(mutant), players, signal });
  signal?.throwIfAborted();
  if (failure?.breach === undefined) return { kind: 'escaped' };
  const { breach, seed } = failure;
  return { kind: mutant.breaks.includes(breach.kind) ? 'caught' : 'mistaken', breach, seed };
}
