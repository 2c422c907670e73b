/**
 * The store port: a document database with an oplog. It is asynchronous so that a server database can stand behind it.
 *
 * Durability law: a promise of `write` or `apply` resolves, and subscribers hear of a commit, only after it is on disk.
 * A batch is one transaction: documents, oplog and vector clock move together or not at all.
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

/** A local write that has been checked already. `update` runs inside the transaction, on what is there then. */
export type Write =
  | { readonly kind: 'put'; readonly collection: CollectionName; readonly key: DocumentKey; readonly payload: string }
  /**
   * At the lowest rank, below every other write and every deletion, here or anywhere: writes only what was never heard of, and in a
   * chain of its own whose stamps are at the beginning of time.
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
      /** From the present JSON text to the next; undefined means absent, before and after. May throw: nothing is written then. */
      readonly recipe: (payload: string | undefined) => string | undefined;
    };

/** What became of a write: its stamp and its place in the local order of arrival; undefined when nothing changed. */
export interface Written {
  readonly hlc: Hlc;
  readonly cursor: Cursor;
}

/** A document as it is stored. */
export interface StoredDocument {
  readonly key: DocumentKey;
  readonly payload: string;
}

/** One entry in the local order of arrival, whether it changed the document or lost to a later write. */
export interface StoredChange {
  /** Where it is in the order, from 1 on, without holes. */
  readonly place: number;
  /** The same for those who keep it. */
  readonly cursor: Cursor;
  readonly collection: CollectionName;
  readonly key: DocumentKey;
  readonly operation: Operation;
  readonly payload: string;
  readonly hlc: Hlc;
  readonly nodeId: NodeId;
  /** False when a later write had arrived before it, so that the document did not change. */
  readonly current: boolean;
}

/** What a transaction brought, for those who pass it on without reading it again. */
export interface Commit {
  readonly runs: readonly Run[];
  /** Whom it came from, or undefined for local writes. */
  readonly origin: Origin | undefined;
  readonly collections: ReadonlySet<CollectionName>;
  /** The cursor of the last entry. */
  readonly cursor: number;
}

/** What a reader has, and how much it takes. */
export interface ReadOptions {
  /** What the reader has. */
  readonly after: VectorClock;
  readonly scopes: readonly Scope[];
  readonly entriesMax: number;
  /** Counted in characters of payload; one entry above it still comes, alone. */
  readonly bytesMax: number;
  /** Authors to leave out: those known to have diverged. */
  readonly except: ReadonlySet<AuthorKey>;
}

/** What a reader lacks, or a part of it. */
export interface ReadResult {
  readonly runs: readonly Run[];
  /** Whether these runs are all that the reader lacked. */
  readonly complete: boolean;
  /** Authors whose position at the reader is not in our chain. */
  readonly diverged: readonly AuthorKey[];
}

/** What became of a batch. */
export interface ApplyResult {
  /** New entries written. Those known before are skipped. */
  readonly applied: number;
  /** Authors of whom entries are missing before what arrived. */
  readonly gaps: readonly AuthorKey[];
  /** Authors whose next entry is too far in the future; what was before it has been applied. */
  readonly parked: readonly AuthorKey[];
  /** Authors with another hash at the same place: nothing of the run was applied. */
  readonly diverged: readonly AuthorKey[];
}

/** What a database holds, as a number and a hash. */
export interface ContentDigest {
  readonly documents: number;
  /** SHA-256 over every document in order, tombstones included: equal on replicas that agree. */
  readonly digest: string;
}

/** How far a copying is. */
export interface BackupProgress {
  readonly pages: number;
  readonly pagesTotal: number;
}

/** Which copy goes where. */
export interface RestoreOptions {
  /** A file that `backUp` has made. */
  readonly backup: string;
  readonly dataDir: string;
  /** Whose it must be; default: whosever it is. */
  readonly nodeId?: string | undefined;
  readonly randomness: Randomness;
}

/** What has become of a database that was put back or set aside. */
export interface Restored {
  readonly nodeId: NodeId;
  /** Where the database is now. */
  readonly path: string;
  /** Where the one is now that was there before; undefined when there was none. */
  readonly setAside: string | undefined;
}

/** How much there is in a database. */
export interface StoreStatistics {
  readonly path: string;
  /** With the log. */
  readonly fileBytes: number;
  /** Of the log, which is copied into the database now and then. */
  readonly walBytes: number;
  readonly documents: number;
  readonly tombstones: number;
  readonly entries: number;
  readonly authors: number;
  readonly commits: number;
}

/** Whether a database can take writes: for those who say so elsewhere, and do not lead meanwhile. */
export interface StoreHealth {
  /** What keeps it from taking writes, or from being read; undefined while nothing does. */
  failure(): Failure | undefined;
  /** Looks whether the files are where they were and, where something failed before, whether it still does. Returns what `failure` does. */
  check(): Failure | undefined;
  /** The same, and reads and writes a little in any case. */
  probe(): Failure | undefined;
  /** Heard when `failure` has come to say something else. Returns how to unsubscribe. */
  subscribe(listener: () => void): () => void;
}

/** The database of one node. Another one may stand behind this port; no SQL is above it. */
export interface Store {
  readonly nodeId: NodeId;
  readonly health: StoreHealth;

  /** Our position in each author's chain. A live view: read it at once, copy it to keep it. */
  clock(): VectorClock;
  /** Digest of the authors of these scopes, cached until the clock moves. */
  digest(scopes: readonly Scope[]): string;
  /** The place of the last entry committed; 0 in an empty store. @throws StatemeshError `storeClosed` */
  cursor(): number;
  /** The same for those who keep it. @throws StatemeshError `storeClosed` */
  position(): Cursor;
  /** The place that a cursor names. @throws StatemeshError `queryInvalid`, `cursorExpired`, `storeClosed` */
  placeOf(cursor: Cursor): number;
  /** Heard after each commit, in order, after the callers were answered. Returns how to unsubscribe. */
  subscribe(listener: (commit: Commit) => void): () => void;

  /**
   * Writes all or none of `writes`, with the others of this turn in one transaction.
   * @throws StatemeshError `diskFull`, `databaseUnavailable`, `databaseCorrupt`, `databaseLost`, `storeClosed`,
   * `writeQueueFull`, or what a recipe throws
   */
  write(writes: readonly Write[]): Promise<(Written | undefined)[]>;
  /** Resolves when no write is waiting. */
  idle(): Promise<void>;
  get(collection: CollectionName, key: DocumentKey): Promise<StoredDocument | undefined>;
  /** All that match, in the order asked for. @throws StatemeshError `queryInvalid`, `queryTooLarge` over `limits.findBytesMax` */
  find(collection: CollectionName, query: Query): Promise<StoredDocument[]>;
  /**
   * The same page by page, however much it is; all pages are of one state of the database.
   * @throws StatemeshError `queryInvalid`, `storeClosed`, from the first page on
   */
  pages(collection: CollectionName, query: Query): AsyncIterable<StoredDocument[]>;
  count(collection: CollectionName, where?: Where): Promise<number>;
  createIndex(collection: CollectionName, field: string): Promise<void>;
  collections(): Promise<CollectionName[]>;
  /** Entries behind a place, in order of arrival: at most `limit`, and about `limits.pageBytesMax`. Empty only at the end. */
  changes(options: {
    readonly since: number;
    readonly limit: number;
    readonly collection?: CollectionName;
  }): Promise<StoredChange[]>;

  /** What a reader lacks, in chain order per author. */
  read(options: ReadOptions): Promise<ReadResult>;
  /** How many entries a reader with this clock lacks, counted up to `max`. */
  lacking(clock: VectorClock, scopes: readonly Scope[], max: number): Promise<number>;
  /** Applies what a peer sent: idempotent, in any order of authors. */
  apply(runs: readonly Run[], origin: Origin): Promise<ApplyResult>;

  contentDigest(scopes: readonly Scope[]): Promise<ContentDigest>;
  statistics(): Promise<StoreStatistics>;
  /**
   * Copies the database, as it is at the end of the copying, into a file of its own, while it serves. A file of that name is replaced.
   * @param onProgress What it throws ends the copying
   * @throws StatemeshError `diskFull`, `databaseUnavailable`, `storeClosed`
   */
  backUp(path: string, onProgress?: (progress: BackupProgress) => void): Promise<void>;
  /** Finishes the writes at hand, refuses new ones with `storeClosed`, and closes. */
  close(): Promise<void>;
}
