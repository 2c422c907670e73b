/**
 * Names as branded types, so that two kinds of names cannot be mixed up. Each `parse` function is the only way to make
 * one from outside text; it bounds the length and the alphabet.
 */
import { StatemeshError, shortText } from './errors.js';
import { limits } from './limits.js';

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/**
 * Names a node in its cluster. Ordered by code units. The alphabet is narrow because the NodeId is also a file name.
 */
export type NodeId = Branded<string, 'NodeId'>;
/** Names a collection: 1 to 128 characters, no control characters. */
export type CollectionName = Branded<string, 'CollectionName'>;
/** Names a document in its collection: 1 to 512 characters, no control characters. */
export type DocumentKey = Branded<string, 'DocumentKey'>;
/**
 * A random id that a process draws when it starts. Tells a restarted node from its previous run, and a clone from its
 * original.
 */
export type Boot = Branded<string, 'Boot'>;

/** A place in the order of arrival of one database file; opaque. See `core/cursor`. */
export type Cursor = Branded<string, 'Cursor'>;

/** Collections with this prefix are written by statemesh only and never leave the cluster. */
export const systemPrefix = '_system_';

const nodeIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** The alphabet of ids that statemesh draws itself (base64url). */
const tokenPattern = /^[A-Za-z0-9_-]+$/;
/** Names have no control characters, because NUL separates the fields of a hash. */
const controlCharacters = /\p{Cc}/u;

/** @throws StatemeshError `nodeIdInvalid` */
export function parseNodeId(value: string): NodeId {
  if (!isNodeId(value)) {
    throw new StatemeshError(
      'nodeIdInvalid',
      `"${shortText(value)}" is not a NodeId: use 1 to ${limits.nodeIdLengthMax} of A-Z a-z 0-9 . _ - and start with a letter or digit.`,
    );
  }
  return value;
}

export function isNodeId(value: string): value is NodeId {
  // The pattern alone would convert a list of strings to one string and accept it.
  return typeof value === 'string' && value.length <= limits.nodeIdLengthMax && nodeIdPattern.test(value);
}

/** @throws StatemeshError `collectionNameInvalid` */
export function parseCollectionName(value: string): CollectionName {
  if (!isCollectionName(value)) {
    throw new StatemeshError(
      'collectionNameInvalid',
      `"${shortText(value)}" is not a collection name: use 1 to ${limits.collectionNameLengthMax} characters, none of them control characters.`,
    );
  }
  return value;
}

export function isCollectionName(value: unknown): value is CollectionName {
  return isName(value, limits.collectionNameLengthMax);
}

export function isSystemCollection(name: CollectionName): boolean {
  return name.startsWith(systemPrefix);
}

/** @throws StatemeshError `keyInvalid` */
export function parseDocumentKey(value: string): DocumentKey {
  if (!isDocumentKey(value)) {
    if (typeof value !== 'string') throw new StatemeshError('keyInvalid', keyMissing);
    throw new StatemeshError(
      'keyInvalid',
      `"${shortText(value)}" is not a document key: use 1 to ${limits.keyLengthMax} characters, none of them control characters.`,
    );
  }
  return value;
}

const keyMissing =
  "The key is missing: it is a text, and comes before the document. For example: put('espresso', { price: 1.2 }).";

export function isDocumentKey(value: unknown): value is DocumentKey {
  return isName(value, limits.keyLengthMax);
}

export function isToken(value: string): boolean {
  return value.length <= limits.tokenIdLengthMax && tokenPattern.test(value);
}

export function isBoot(value: string): value is Boot {
  return isToken(value);
}

/** Order by code units, never by locale: every node must agree on it. */
export function compareCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isName(value: unknown, lengthMax: number): boolean {
  // A lone surrogate does not survive UTF-8, so two nodes would hash different bytes.
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= lengthMax &&
    !controlCharacters.test(value) &&
    value.isWellFormed()
  );
}
