/**
 * Checks local writes against a collection's schema (Standard Schema v1: zod, valibot, arktype and others).
 *
 * Invariants:
 * - A schema checks and changes nothing: the document is stored as it was given. Storing the schema's output would
 *   strip fields that a newer program on another node has added.
 * - It sees the JSON form of the document, which is what readers get: a field that is -0 is already 0.
 * - It never sees remote entries. Otherwise replicas with different schemas would differ forever.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { formatJsonPath } from '../core/document.js';
import { messageOf, StatemeshError } from '../core/errors.js';
import type { CollectionName } from '../core/ids.js';

/** How many issues an error message names; its `cause` has all of them. */
const issuesNamedMax = 10;

export interface Check {
  readonly schema: StandardSchemaV1;
  readonly collection: CollectionName;
  /** The exact JSON text about to be written. */
  readonly payload: string;
}

/**
 * Resolves when the document satisfies the schema. Returns undefined, not a promise, if the schema answers at once, so
 * that writes keep the order of their calls.
 *
 * @throws StatemeshError `documentRejected`; its `cause` is the list of issues
 */
export function checkDocument(check: Check): Promise<void> | undefined {
  const result = validate(check);
  if (!isThenable(result)) {
    refuseIssues(check, result);
    return undefined;
  }
  return Promise.resolve(result).then(
    (settled) => refuseIssues(check, settled),
    (error: unknown) => {
      throw schemaFailed(check, error);
    },
  );
}

/**
 * The same check where waiting is impossible: inside a transaction.
 *
 * @throws StatemeshError `documentRejected`, also for a schema that answers later
 */
export function checkDocumentNow(check: Check): void {
  const result = validate(check);
  if (isThenable(result)) {
    ignoreRejection(result);
    throw new StatemeshError(
      'documentRejected',
      `The schema of "${check.collection}" is asynchronous, and update() runs inside a transaction: use put(), or a synchronous schema.`,
    );
  }
  refuseIssues(check, result);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

/** Keeps the rejection of an abandoned promise from ending the process. */
export function ignoreRejection(promise: PromiseLike<unknown>): void {
  promise.then(undefined, () => {});
}

type Result = StandardSchemaV1.Result<unknown>;

function validate(check: Check): Result | Promise<Result> {
  try {
    return check.schema['~standard'].validate(JSON.parse(check.payload));
  } catch (error) {
    throw schemaFailed(check, error);
  }
}

function refuseIssues({ collection }: Check, { issues }: Result): void {
  if (issues === undefined) return;
  const named = issues.slice(0, issuesNamedMax).map(({ path, message }) => `${formatIssuePath(path)}: ${message}`);
  const more = issues.length > issuesNamedMax ? ` and ${issues.length - issuesNamedMax} more` : '';
  throw new StatemeshError(
    'documentRejected',
    `The document does not satisfy the schema of "${collection}": ${named.join('; ')}${more}.`,
    { cause: issues },
  );
}

function formatIssuePath(path: StandardSchemaV1.Issue['path']): string {
  return formatJsonPath((path ?? []).map((step) => (typeof step === 'object' ? step.key : step)));
}

function schemaFailed({ collection }: Check, error: unknown): StatemeshError {
  return new StatemeshError('documentRejected', `The schema of "${collection}" has thrown: ${messageOf(error)}`, {
    cause: error,
  });
}
