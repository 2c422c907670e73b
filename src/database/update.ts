/**
 * Recipes: how `update` derives the next document from the present one, with immer.
 *
 * Invariants: a recipe runs inside the store's transaction, so it must be synchronous. A recipe that changes nothing
 * writes nothing. An error that it throws reaches the caller of `update` unchanged, and nothing is written.
 */
import { type Draft, Immer, nothing } from 'immer';
import { decodeDocument, encodeDocument } from '../core/document.js';
import { StatemeshError } from '../core/errors.js';
import { ignoreRejection, isThenable } from './document-schema.js';

/**
 * A function of the present document, which is undefined if there is none. Change the draft, or return another document
 * instead, or `nothing` to delete it. Returning undefined keeps the draft; without a document it writes nothing.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a recipe without a return statement returns void.
export type Recipe<T> = (draft: Draft<T> | undefined) => T | Draft<T> | typeof nothing | undefined | void;

// Freezing walks the whole document, which is not used afterwards.
const immer = new Immer({ autoFreeze: false });

/**
 * The JSON text after a recipe: the same text if nothing changed, undefined if the document is to be deleted.
 *
 * @param payload The present text; a malformed one counts as absent
 * @param check Refuses the next text by throwing
 * @throws StatemeshError `documentInvalid`, `documentTooLarge`; the error that the recipe or the check throws
 */
export function applyRecipe<T>(
  payload: string | undefined,
  recipe: Recipe<T>,
  check: (payload: string) => void,
): string | undefined {
  let isDeletion = false;
  const present = payload === undefined ? undefined : decodeDocument(payload);
  const next: unknown = immer.produce(present as unknown, (draft: unknown) => {
    const returned: unknown = recipe(draft as Draft<T> | undefined);
    if (isThenable(returned)) throw asynchronous(returned);
    isDeletion = returned === nothing;
    return returned;
  });
  if (isDeletion) return undefined;
  if (next === present) return payload;
  const text = encodeDocument(next);
  if (text !== payload) check(text);
  return text;
}

function asynchronous(promise: PromiseLike<unknown>): StatemeshError {
  ignoreRejection(promise);
  return new StatemeshError(
    'documentInvalid',
    'The recipe of update() returned a promise, but it runs inside a transaction: get what it needs before the call.',
  );
}
