/**
 * Who writes a chain of entries: a node, in one incarnation, in one scope.
 *
 * The incarnation is drawn at the first local write after a database was opened. A restored backup, a lost tail or a
 * cloned directory so starts a new chain instead of forking an old one. The scope keeps what must not leave the cluster
 * in a chain of its own, so that leaving it out breaks no contiguity.
 */

import type { Hlc } from './hlc.js';
import { type CollectionName, compareCodeUnits, isNodeId, isSystemCollection, isToken, type NodeId } from './ids.js';

declare const brand: unique symbol;
/** Drawn at the first local write after a database was opened: who writes on is another author. */
export type Incarnation = string & { readonly [brand]: 'Incarnation' };
/** An author as one string, for maps: `nodeId/incarnation/scope`. */
export type AuthorKey = string & { readonly [brand]: 'AuthorKey' };
/** `cluster`: never crosses a cloud link. `shared`: goes everywhere. */
export type Scope = 'cluster' | 'shared';

export const allScopes: readonly Scope[] = ['cluster', 'shared'];

/** A writer of one chain of entries. */
export interface Author {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly scope: Scope;
}

export function authorKeyOf(author: Author): AuthorKey {
  return `${author.nodeId}/${author.incarnation}/${author.scope}` as AuthorKey;
}

/** The author behind a key, or undefined if the text is none. Neither names nor tokens contain a slash. */
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
 * The total order of writes: time stamp, then NodeId by code units, then incarnation, since two incarnations of one
 * NodeId (a clone, a restored backup) can write the same stamp and replicas must still agree.
 */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.hlc - b.hlc || compareCodeUnits(a.nodeId, b.nodeId) || compareCodeUnits(a.incarnation, b.incarnation);
}

/** Last write wins, deletes included: whether a write replaces the present one. */
export function wins(candidate: Stamp, present: Stamp | undefined): boolean {
  return present === undefined || compareStamps(candidate, present) > 0;
}
