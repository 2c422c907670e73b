/** Malformed documents, which only another node can have written, as users hear of them. */
import { limits } from './limits.js';

/** How many there are, and where the first of them stand. */
export interface MalformedDocuments {
  readonly count: number;
  /** At most `limits.malformedExamplesMax`. */
  readonly examples: readonly { readonly collection: string; readonly key: string }[];
}

/** Counts malformed documents. */
export class MalformedTally implements MalformedDocuments {
  count = 0;
  readonly examples: { readonly collection: string; readonly key: string }[] = [];

  add(collection: string, key: string): void {
    this.count += 1;
    if (this.examples.length < limits.malformedExamplesMax) this.examples.push({ collection, key });
  }
}
