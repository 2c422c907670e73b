/**
 * The author of a chain of entries: a node, in one incarnation, in one scope.
 *
 * A store draws its incarnation at the first local write after it opens. So a restored backup, a lost tail or a cloned
 * directory starts a new chain instead of forking the old one. The scope keeps entries that must not leave the cluster
 * in a chain of their own, so leaving that chain out of an exchange creates no gap.
 */

import type { Hlc } from './hlc.js';
import { type CollectionName, compareCodeUnits, isNodeId, isSystemCollection, isToken, type NodeId } from './ids.js';

declare const brand: unique symbol;
/**
 * Drawn at the first local write after a database is opened. Later writes belong to another author than earlier ones.
 */
export type Incarnation = string & { readonly [brand]: 'Incarnation' };
/** An author as one string, for use as a map key: `nodeId/incarnation/scope`. */
export type AuthorKey = string & { readonly [brand]: 'AuthorKey' };
/** `cluster`: never crosses a cloud link. `shared`: goes everywhere. */
export type Scope = 'cluster' | 'shared';

export const allScopes: readonly Scope[] = ['cluster', 'shared'];

/** The writer of one chain of entries. */
export interface Author {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly scope: Scope;
}

export function authorKeyOf(author: Author): AuthorKey {
  return `${author.nodeId}/${author.incarnation}/${author.scope}` as AuthorKey;
}

/** The author behind a key, or undefined if the text is not a key. Names and tokens never contain a slash. */
export function parseAuthorKey(key: string): Author | undefined {
  const [nodeId, incarnation, scope, ...rest] = key.split('/');
  if (nodeId === undefined || incarnation === undefined || rest.length > 0) return undefined;
  if (!isNodeId(nodeId) || !isToken(incarnation) || (scope !== 'cluster' && scope !== 'shared')) return undefined;
  return { nodeId, incarnation: incarnation as Incarnation, scope };
}

export function scopeOf(collection: CollectionName): Scope {
  return isSystemCollection(collection) ? 'cluster' : 'shared';
}

/** Where a write stands in the total order of all writes. */
export interface Stamp {
  readonly hlc: Hlc;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
}

/**
 * The total order of writes: time stamp, then NodeId by code units, then incarnation. Two incarnations of one NodeId (a
 * clone, a restored backup) can write the same stamp, and replicas must still agree on the order.
 */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.hlc - b.hlc || compareCodeUnits(a.nodeId, b.nodeId) || compareCodeUnits(a.incarnation, b.incarnation);
}

/** Whether a write replaces the present one. The last write wins, deletes included. */
export function wins(candidate: Stamp, present: Stamp | undefined): boolean {
  return present === undefined || compareStamps(candidate, present) > 0;
}
