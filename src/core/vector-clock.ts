/** How far a node has come in the chain of each author, and what follows from comparing two such clocks. */
import { hash } from 'node:crypto';
import { type AuthorKey, allScopes, type Scope } from './author.js';
import { chainStart, isSamePosition, type Position } from './entry.js';
import { compareCodeUnits } from './ids.js';

/** The last contiguous position applied, per author. A missing author is at `chainStart`. */
export type VectorClock = ReadonlyMap<AuthorKey, Position>;

export function positionOf(clock: VectorClock, author: AuthorKey): Position {
  return clock.get(author) ?? chainStart;
}

/** The part of a clock that may be told to the other side when only these scopes are exchanged. */
export function clockOfScopes(clock: VectorClock, scopes: readonly Scope[]): VectorClock {
  if (allScopes.every((scope) => scopes.includes(scope))) return clock;
  return new Map([...clock].filter(([author]) => isOfScopes(author, scopes)));
}

function isOfScopes(author: AuthorKey, scopes: readonly Scope[]): boolean {
  return scopes.some((scope) => author.endsWith(`/${scope}`));
}

/**
 * The part of another node's clock to keep in memory. That clock may name any number of authors. Authors that we know
 * are kept; an equal position is our own object, so it takes no memory twice. Of the other authors, `othersMax` are
 * kept. Entries of the rest may be sent once to a node that already has them.
 *
 * @param ours Our clock, of all scopes
 * @param scopes The scopes exchanged with the other side
 */
export function clockToRemember(
  theirs: Iterable<readonly [AuthorKey, Position]>,
  { ours, scopes, othersMax }: { ours: VectorClock; scopes: readonly Scope[]; othersMax: number },
): VectorClock {
  const known = new Map<AuthorKey, Position>();
  const remembered = new Map<AuthorKey, Position>();
  for (const [author, position] of theirs) {
    if (!isOfScopes(author, scopes)) continue;
    if (ours.has(author)) known.set(author, position);
    else if (remembered.size < othersMax) remembered.set(author, position);
  }
  for (const [author, position] of ours) {
    const other = known.get(author);
    if (other === undefined) continue;
    remembered.set(author, isSamePosition(other, position) ? position : other);
  }
  return remembered;
}

/** The authors with two different hashes at the same stamp: their chain was forked or altered. */
export function authorsDiverged(ours: VectorClock, theirs: VectorClock): AuthorKey[] {
  const diverged: AuthorKey[] = [];
  for (const [author, position] of ours) {
    const other = theirs.get(author);
    if (other !== undefined && other.hlc === position.hlc && other.hash !== position.hash) diverged.push(author);
  }
  return diverged;
}

/** Equal digests mean equal clocks, hence equal documents. SHA-256 over the sorted entries, base64url. */
export function digestClock(clock: VectorClock): string {
  const lines = [...clock].map(([author, position]) => `${author} ${position.hlc} ${position.hash}`);
  return hash('sha256', lines.sort(compareCodeUnits).join('\n'), 'base64url');
}
