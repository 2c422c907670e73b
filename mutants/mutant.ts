/** What a mutant is: a bug that somebody could have written, as a change of the source, and how soon it must be caught. */
import { type BreachKind, faultDomains, type PlanOptions } from 'statemesh/simulation';

export interface Mutant {
  /** For `--only` and the table. */
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly bug: string;
  readonly edits: readonly Edit[];
  /** Where the swarm has to look: the mutant's part of the plan options, above the usual ones. */
  readonly plan?: Partial<Plans>;
  /** What kinds of promises it breaks: seen as anything else it has not been understood. */
  readonly breaks: readonly BreachKind[];
  /** It must be caught by one of the seeds from 1 up to this one. */
  readonly seedsMax: number;
}

/** A change of one file. */
export interface Edit {
  /** Below `src/`. */
  readonly file: string;
  /** Stands in the file exactly once, or the mutant is stale. */
  readonly find: string;
  readonly replace: string;
}

/** From which plans are drawn, one a seed. */
export type Plans = Omit<PlanOptions, 'seed'>;

/** Over a slow line it takes long until nothing more can come: what hangs is seen sooner without. Strangers only cost time. */
const usualFaults = faultDomains.filter((domain) => domain !== 'links' && domain !== 'strangers');

export const usualPlans: Plans = { nodes: [3, 5], durationMs: 20_000, faults: usualFaults };

export function plansOf({ plan }: Pick<Mutant, 'plan'>): Plans {
  return { ...usualPlans, ...plan };
}

/** The source has moved on, and the mutant with it has to. */
export class StaleError extends Error {
  override readonly name = 'StaleError';
}

/** @throws StaleError when what is to be replaced is not there, or more than once */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const [before, after, ...rest] = text.split(find);
  if (before === undefined || after === undefined) throw new StaleError(`src/${file} does not contain: ${find}`);
  if (rest.length > 0) throw new StaleError(`src/${file} contains ${rest.length + 1} times: ${find}`);
  return before + replace + after;
}
