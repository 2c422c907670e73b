/**
 * The store port: a document database with an oplog. It is asynchronous so that a server database can implement it.
 *
 * Durability: the promise of a `write` or `apply` resolves, and subscribers hear of a commit, only after it is on disk.
 * A batch is one transaction: documents, oplog and vector clock change together or not at all.
 */
import type { AuthorKey, Scope } from '../core/author.js';
import type { Operation, Run } from '../core/entry.js';
import type { Failure } from '../core/errors.js';
import type { Hlc } from '../core/hlc.js';
import type { CollectionName, Cursor, DocumentKey, NodeId } from '../core/ids.js';
import type { Query, Where } from '../core/query.js';
import type { Origin } from '../core/replication.js';
import type { VectorClock } from '../core/vector-clock.js';
import type { Randomness } from './ports.js';

/** A checked local write. `update` runs inside the transaction, on the document as it is then. */
export type Write =
  | { readonly kind: 'put'; readonly collection: CollectionName; readonly key: DocumentKey; readonly payload: string }
  /**
   * Ranks below every other write and every deletion, here or on any node. It is written only if the document was never
   * heard of, in a chain of its own whose stamps lie at the beginning of time.
   */
  | {
      readonly kind: 'initial';
      readonly collection: CollectionName;
      readonly key: DocumentKey;
      readonly payload: string;
    }
  | { readonly kind: 'delete'; readonly collection: CollectionName; readonly key: DocumentKey }
  | {
      readonly kind: 'update';
      readonly collection: CollectionName;
      readonly key: DocumentKey;
      /**
       * Maps the present JSON text to the next one; undefined means absent, before and after. May throw: then nothing
       * is written.
       */
      readonly recipe: (payload: string | undefined) => string | undefined;
    };

/** The result of a write: its stamp and its place in the local order of arrival; undefined if nothing changed. */
export interface Written {
  readonly hlc: Hlc;
  readonly cursor: Cursor;
}

/** A document as stored. */
export interface StoredDocument {
  readonly key: DocumentKey;
  readonly payload: string;
}

/** One entry in the local order of arrival, whether it changed the document or lost to a later write. */
export interface StoredChange {
  /** The place in the order, from 1, without holes. */
  readonly place: number;
  /** The same place in a form that a program can keep. */
  readonly cursor: Cursor;
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly operation: Operation;
  readonly payload: string;
  readonly hlc: Hlc;
  readonly nodeId: NodeId;
  /** False if a later write had arrived before this one, so that the document did not change. */
  readonly current: boolean;
}

/** The content of a transaction, for subscribers that pass it on without reading it again. */
export interface Commit {
  readonly runs: readonly Run[];
  /** Where it came from; undefined for local writes. */
  readonly origin: Origin | undefined;
  readonly collections: ReadonlySet<CollectionName>;
  /** The place of the last entry. */
  readonly cursor: number;
}

/** What a reader already has, and how much it accepts. */
export interface ReadOptions {
  /** What the reader already has. */
  readonly after: VectorClock;
  readonly scopes: readonly Scope[];
  readonly entriesMax: number;
  /** Counted in characters of payload. A single larger entry still comes, alone. */
  readonly bytesMax: number;
  /** Authors to leave out: those known to have diverged. */
  readonly except: ReadonlySet<AuthorKey>;
}

/** The entries that a reader lacks, or a part of them. */
export interface ReadResult {
  readonly runs: readonly Run[];
  /** Whether these runs are all that the reader lacks. */
  readonly complete: boolean;
  /** Authors whose position at the reader is not in our chain. */
  readonly diverged: readonly AuthorKey[];
}

/** The result of applying a batch. */
export interface ApplyResult {
  /** New entries written. Entries known before are skipped. */
  readonly applied: number;
  /** Authors with entries missing before those that arrived. */
  readonly gaps: readonly AuthorKey[];
  /** Authors whose next entry is too far in the future; the entries before it were applied. */
  readonly parked: readonly AuthorKey[];
  /** Authors with another hash at the same place; nothing of the run was applied. */
  readonly diverged: readonly AuthorKey[];
}

/** The content of a database as a number and a hash. */
export interface ContentDigest {
  readonly documents: number;
  /** SHA-256 over every document in order, tombstones included: equal on replicas that agree. */
  readonly digest: string;
}

/** Progress of a backup. */
export interface BackupProgress {
  readonly pages: number;
  readonly pagesTotal: number;
}

/** Which backup to restore, and where. */
export interface RestoreOptions {
  /** A file that `backUp` has written. */
  readonly backup: string;
  readonly dataDir: string;
  /** The NodeId that the backup must have. Default: any. */
  readonly nodeId?: string | undefined;
  readonly randomness: Randomness;
}

/** What became of a database that was restored or set aside. */
export interface Restored {
  readonly nodeId: NodeId;
  /** Where the database is now. */
  readonly path: string;
  /** Where the previous database is now; undefined if there was none. */
  readonly setAside: string | undefined;
}

/** The amount of data in a database. */
export interface StoreStatistics {
  readonly path: string;
  /** Including the log. */
  readonly fileBytes: number;
  /** Size of the log, which is copied into the database from time to time. */
  readonly walBytes: number;
  readonly documents: number;
  readonly tombstones: number;
  readonly entries: number;
  readonly authors: number;
  readonly commits: number;
}

/** Whether a database can take writes. A node reports this to others, and does not lead while it cannot. */
export interface StoreHealth {
  /** What prevents writing or reading; undefined while nothing does. */
  failure(): Failure | undefined;
  /**
   * Checks whether the files are where they were and, after a failure, whether it persists. Returns the same as
   * `failure`.
   */
  check(): Failure | undefined;
  /** Like `check`, but also reads and writes a little in every case. */
  probe(): Failure | undefined;
  /** Calls the listener when the result of `failure` has changed. Returns a function that unsubscribes. */
  subscribe(listener: () => void): () => void;
}

/** What works with the documents of a database: what is written, read and watched under names and keys. */
export interface DocumentStore {
  /**
   * The place of the last committed entry; 0 in an empty store.
   *
   * @throws StatemeshError `storeClosed`
   */
  cursor(): number;
  /**
   * The place that a cursor names.
   *
   * @throws StatemeshError `queryInvalid`, `cursorExpired`, `storeClosed`
   */
  placeOf(cursor: Cursor): number;
  /**
   * Calls the listener after each commit, in order, after the callers got their answers. Returns a function that
   * unsubscribes.
   */
  subscribe(listener: (commit: Commit) => void): () => void;
  /**
   * Writes all of `writes` or none, in one transaction with the other writes of this turn.
   *
   * @throws StatemeshError `diskFull`, `databaseUnavailable`, `databaseCorrupt`, `databaseLost`, `storeClosed`,
   * `writeQueueFull`, or the error that a recipe throws
   */
  write(writes: readonly Write[]): Promise<(Written | undefined)[]>;
  get(collection: CollectionName, key: DocumentKey): Promise<StoredDocument | undefined>;
  /**
   * All matching documents, in the requested order.
   *
   * @throws StatemeshError `queryInvalid`, `queryTooLarge` over `limits.findBytesMax`
   */
  find(collection: CollectionName, query: Query): Promise<StoredDocument[]>;
  /**
   * Like `find`, but page by page for a result of any size. All pages show one state of the database.
   *
   * @throws StatemeshError `queryInvalid`, `storeClosed`, from the first page on
   */
  pages(collection: CollectionName, query: Query): AsyncIterable<StoredDocument[]>;
  count(collection: CollectionName, where?: Where): Promise<number>;
  createIndex(collection: CollectionName, field: string): Promise<void>;
  collections(): Promise<CollectionName[]>;
  /**
   * Entries after a place, in order of arrival: at most `limit`, and about `limits.pageBytesMax`. Empty only at the
   * end.
   */
  changes(options: {
    readonly since: number;
    readonly limit: number;
    readonly collection?: CollectionName;
  }): Promise<StoredChange[]>;
  contentDigest(scopes: readonly Scope[]): Promise<ContentDigest>;
}

/** The database of one node. Another database can implement this port; no SQL appears above it. */
export interface Store extends DocumentStore {
  readonly nodeId: NodeId;
  readonly health: StoreHealth;

  /** Our position in each author's chain. A live view: read it at once, or copy it to keep it. */
  clock(): VectorClock;
  /** Digest of the authors of these scopes, cached until the clock changes. */
  digest(scopes: readonly Scope[]): string;
  /**
   * The same place in a form that a program can keep.
   *
   * @throws StatemeshError `storeClosed`
   */
  position(): Cursor;
  /** Resolves when no write is waiting. */
  idle(): Promise<void>;

  /** The entries that a reader lacks, in chain order per author. */
  read(options: ReadOptions): Promise<ReadResult>;
  /** How many entries a reader with this clock lacks, counted up to `max`. */
  lacking(clock: VectorClock, scopes: readonly Scope[], max: number): Promise<number>;
  /** Applies entries from a peer: idempotent, in any order of authors. */
  apply(runs: readonly Run[], origin: Origin): Promise<ApplyResult>;
  statistics(): Promise<StoreStatistics>;
  /**
   * Copies the database, as it is when the copy ends, into a file of its own, while the store keeps serving. Replaces a
   * file of that name.
   *
   * @param onProgress If it throws, the copy ends
   * @throws StatemeshError `diskFull`, `databaseUnavailable`, `storeClosed`
   */
  backUp(path: string, onProgress?: (progress: BackupProgress) => void): Promise<void>;
  /** Finishes the pending writes, refuses new ones with `storeClosed`, and closes. */
  close(): Promise<void>;
}
