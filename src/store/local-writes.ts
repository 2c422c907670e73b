/**
 * Turns local writes into entries: stamps, chains and hashes.
 *
 * All of a request is prepared before any of it is written, so a recipe that throws leaves no trace in the transaction
 * that it shares with other requests. A recipe may run more than once, because its transaction may be retried.
 */
import { type Author, type AuthorKey, authorKeyOf, type Incarnation, type Scope, scopeOf } from '../core/author.js';
import { type Entry, hashEntry, type Position } from '../core/entry.js';
import { assert } from '../core/errors.js';
import { type Hlc, nextHlc } from '../core/hlc.js';
import type { NodeId } from '../core/ids.js';
import type { Randomness, Time } from '../ports/ports.js';
import type { Write, Written } from '../ports/store.js';
import type { Documents } from './current-documents.js';
import type { StoreState } from './store-state.js';
import type { Transaction } from './transaction.js';

/** What will be written for each write of a request; undefined where nothing changes. */
export type Prepared = readonly (PreparedEntry | undefined)[];

interface PreparedEntry {
  readonly author: OwnAuthor;
  readonly entry: Entry;
}

interface OwnAuthor {
  readonly author: Author;
  readonly key: AuthorKey;
}

export class LocalWrites {
  private own: Readonly<Record<Scope, OwnAuthor>> | undefined;

  constructor(
    private readonly options: {
      readonly nodeId: NodeId;
      readonly time: Time;
      readonly randomness: Randomness;
      readonly state: StoreState;
      readonly documents: Documents;
    },
  ) {}

  /** Whether an author is this opening of the database: then no other process can have written its entries. */
  isOwn(author: Author): boolean {
    return (
      this.own !== undefined &&
      author.incarnation === this.own.shared.author.incarnation &&
      author.nodeId === this.options.nodeId
    );
  }

  /**
   * Runs recipes, draws stamps, and hashes. Writes nothing.
   *
   * @throws the error that a recipe throws
   */
  prepare(writes: readonly Write[], transaction: Transaction): Prepared {
    const own = this.ownAuthors();
    const wallMs = this.options.time.now();
    const present = new PresentDocuments(this.options.documents, transaction, writes.length > 1);
    const positions = new Map<AuthorKey, Position>();
    let initial: Readonly<Record<Scope, OwnAuthor>> | undefined;
    let hlc = transaction.lastHlc;
    return writes.map((write) => {
      const payload = present.after(write);
      if (payload === nothing) return undefined;
      const scope = scopeOf(write.collection);
      if (write.kind === 'initial') initial ??= this.drawAuthors();
      const author = (write.kind === 'initial' && initial !== undefined ? initial : own)[scope];
      const after = positions.get(author.key) ?? transaction.positionOf(author.key);
      if (write.kind !== 'initial') hlc = nextHlc(hlc, wallMs);
      const { collection, key } = write;
      const operation = payload === undefined ? 'delete' : 'put';
      const stamp = write.kind === 'initial' ? ((after.hlc + 1) as Hlc) : hlc;
      const entry = chained(
        { hlc: stamp, collection, key, operation, payload: payload ?? '', hash: '' },
        author,
        after,
      );
      positions.set(author.key, entry);
      present.set(write, payload);
      return { author, entry };
    });
  }

  append(prepared: Prepared, transaction: Transaction): (Written | undefined)[] {
    return prepared.map((item) => {
      if (item === undefined) return undefined;
      const { entry, author } = item;
      const place = transaction.append(transaction.chainOf(author.author, author.key), entry);
      return { hlc: entry.hlc, cursor: this.options.state.cursorAt(place, entry.hash) };
    });
  }

  /**
   * Drawn at the first write after opening: a restored or cloned file starts new chains instead of forking old ones.
   */
  private ownAuthors(): Readonly<Record<Scope, OwnAuthor>> {
    this.own ??= this.drawAuthors();
    return this.own;
  }

  private drawAuthors(): Readonly<Record<Scope, OwnAuthor>> {
    for (let attempt = 0; attempt < drawsMax; attempt += 1) {
      const incarnation = this.options.randomness.token() as Incarnation;
      const cluster = ownAuthor({ nodeId: this.options.nodeId, incarnation, scope: 'cluster' });
      const shared = ownAuthor({ nodeId: this.options.nodeId, incarnation, scope: 'shared' });
      const { authors } = this.options.state;
      if (!authors.has(cluster.key) && !authors.has(shared.key)) return { cluster, shared };
    }
    assert(false, `The randomness port gave ${drawsMax} tokens that were all used before.`);
  }
}

/** More than one draw is needed only if the generator repeats itself. */
const drawsMax = 16;

/** Sets the hash of a new entry in place, without a copy, because every write passes here. */
function chained(entry: Entry, author: OwnAuthor, after: Position): Entry {
  return Object.assign(entry, { hash: hashEntry(entry, author.key, after.hash) });
}

function ownAuthor(author: Author): OwnAuthor {
  return { author, key: authorKeyOf(author) };
}

/** Marks a write that changes nothing; `undefined` is a deletion. */
const nothing = Symbol('nothing');

/**
 * The documents as one request sees them: those of the transaction, overlaid with the request's own earlier writes.
 */
class PresentDocuments {
  private readonly changed: Map<string, string | undefined> | undefined;

  constructor(
    private readonly documents: Documents,
    private readonly transaction: Transaction,
    /** A request of one write cannot see itself. */
    remember: boolean,
  ) {
    if (remember) this.changed = new Map();
  }

  after(write: Write): string | undefined | typeof nothing {
    if (write.kind === 'put') return write.payload;
    if (write.kind === 'initial') return this.isKnown(write) ? nothing : write.payload;
    const present = this.get(write);
    if (write.kind === 'delete') return present === undefined ? nothing : undefined;
    const next = write.recipe(present);
    return next === present ? nothing : next;
  }

  set(write: Write, payload: string | undefined): void {
    this.changed?.set(nameOf(write), payload);
  }

  private isKnown(write: Write): boolean {
    if (this.changed?.has(nameOf(write))) return true;
    const collection = this.transaction.collectionOf(write.collection);
    return collection !== undefined && this.documents.isKnown(collection.id, write.key);
  }

  private get(write: Write): string | undefined {
    const name = nameOf(write);
    if (this.changed?.has(name)) return this.changed.get(name);
    const collection = this.transaction.collectionOf(write.collection);
    return collection && this.documents.get(collection.id, write.key);
  }
}

function nameOf({ collection, key }: Write): string {
  return `${collection}\0${key}`;
}
