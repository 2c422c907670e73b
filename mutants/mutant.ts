/** A mutant: a plausible bug, as a change of the source, and how soon it must be caught. */
import { type BreachKind, faultDomains, type PlanOptions } from 'statemesh/simulation';

export interface Mutant {
  /** The name for `--only` and the table. */
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly bug: string;
  readonly edits: readonly Edit[];
  /** The mutant's own plan options, which override the usual ones. */
  readonly plan?: Partial<Plans>;
  /** The kinds of breaches that it may cause: a breach of another kind means that the bug was not understood. */
  readonly breaks: readonly BreachKind[];
  /** One of the seeds from 1 up to this one must catch it. */
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

/** The options from which plans are drawn, one per seed. */
export type Plans = Omit<PlanOptions, 'seed'>;

/**
 * With slow lines it takes long until nothing more can come, so hangs are noticed sooner without them. Strangers only
 * cost time.
 */
const usualFaults = faultDomains.filter((domain) => domain !== 'links' && domain !== 'strangers');

export const usualPlans: Plans = { nodes: [3, 5], durationMs: 20_000, faults: usualFaults };

export function plansOf({ plan }: Pick<Mutant, 'plan'>): Plans {
  return { ...usualPlans, ...plan };
}

/** The source has changed, and the mutant must follow. */
export class StaleError extends Error {
  override readonly name = 'StaleError';
}

/** @throws StaleError when the text to replace is missing, or occurs more than once */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const [before, after, ...rest] = text.split(find);
  if (before === undefined || after === undefined) throw new StaleError(`src/${file} does not contain: ${find}`);
  if (rest.length > 0) throw new StaleError(`src/${file} contains ${rest.length + 1} times: ${find}`);
  return before + replace + after;
}
