/**
 * The store over one SQLite file: the port's operations, assembled from the parts in this folder.
 *
 * Invariants:
 * - All SQL is synchronous, so code between two awaits sees one state of the database.
 * - Every operation gets an answer. After `close` has begun, new operations are refused with `storeClosed`; operations
 *   that wait for a turn of the event loop are refused when they resume.
 * - Subscribers hear of commits in order, after the callers got their answers.
 */
import { resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { authorKeyOf, type Scope } from '../core/author.js';
import type { Run } from '../core/entry.js';
import { isStatemeshError, StatemeshError } from '../core/errors.js';
import { parseField } from '../core/field-path.js';
import type { CollectionName, Cursor, DocumentKey, NodeId } from '../core/ids.js';
import type { Query, Where } from '../core/query.js';
import { type Origin, predecessorOrigin } from '../core/replication.js';
import { positionOf, type VectorClock } from '../core/vector-clock.js';
import type { Meter } from '../ports/meter.js';
import type { Randomness, Time } from '../ports/ports.js';
import type {
  ApplyResult,
  BackupProgress,
  Commit,
  ContentDigest,
  ReadOptions,
  ReadResult,
  Store,
  StoredChange,
  StoredDocument,
  StoreStatistics,
  Write,
  Written,
} from '../ports/store.js';
import { copyDatabase } from './backup.js';
import { Documents } from './current-documents.js';
import { checkLock, closeDatabaseFile, fileBytesOf, openDatabaseFile } from './database-file.js';
import { refuseLocked } from './database-lock.js';
import { FieldIndexes } from './field-indexes.js';
import { FileWitness } from './file-witness.js';
import { GroupCommit } from './group-commit.js';
import { Health } from './health.js';
import { LocalWrites } from './local-writes.js';
import { Oplog } from './oplog.js';
import { Queries } from './queries.js';
import { RawFile } from './raw-file.js';
import { judgeRuns } from './remote-runs.js';
import { databaseError, isSqliteError } from './sqlite-errors.js';
import { loadState, type StoreState } from './store-state.js';
import { Transactor } from './transaction.js';
import { tryDisk } from './trial.js';

export interface SqliteStoreOptions {
  /** The file; it and its directory are created if missing. */
  readonly path: string;
  /** The identity to which the file is, or will be, bound. */
  readonly nodeId: NodeId;
  readonly time: Time;
  readonly randomness: Randomness;
  /** Pages of 8 KiB in the WAL after which it is copied into the database. Default: 1,000. */
  readonly walAutocheckpointPages?: number;
  /** How many pages of 8 KiB the database may have; a write beyond reports `diskFull`. Default: no bound. */
  readonly pagesMax?: number;
  /** False in simulated worlds, whose disks no other process sees. */
  readonly isLocked?: boolean;
  readonly meter?: Meter;
  /**
   * Called at each commit, when it is on disk and before any other code hears of it: for simulated worlds in which
   * processes die at that moment.
   */
  readonly onCommitted?: (commit: Commit) => void;
  /**
   * Called before the disk is read or written; if it throws, the operation fails as on a disk error: for simulated
   * worlds in which disks fail.
   */
  readonly onDisk?: (access: 'read' | 'write') => void;
  /** Receives errors of subscribers, which must not reach the store. */
  readonly onSubscriberError?: (error: unknown) => void;
}

/**
 * Opens the database of one node, creating it if necessary.
 *
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt`, `databaseUnavailable`, `diskFull`
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const path = resolve(options.path);
  const walAutocheckpointPages = options.walAutocheckpointPages ?? walAutocheckpointPagesDefault;
  const database = openDatabaseFile({ ...options, path, walAutocheckpointPages });
  try {
    return new SqliteStore(database, { ...options, path });
  } catch (error) {
    closeDatabaseFile(database, path);
    throw databaseError(error, path);
  }
}

const walAutocheckpointPagesDefault = 1_000;

/**
 * The port, with further operations of this store only: for simulated worlds in which processes are killed and disks
 * fill up.
 */
export class SqliteStore implements Store {
  readonly nodeId: NodeId;
  readonly health: Health;
  private readonly raw: RawFile;
  private readonly time: Time;
  private readonly state: StoreState;
  private readonly transactor: Transactor;
  private readonly documents: Documents;
  private readonly oplog: Oplog;
  private readonly indexes: FieldIndexes;
  private readonly queries: Queries;
  private readonly localWrites: LocalWrites;
  private readonly groupCommit: GroupCommit;
  private readonly subscribers = new Set<(commit: Commit) => void>();
  private readonly copyings = new Set<Promise<void>>();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly database: Database,
    private readonly options: SqliteStoreOptions,
  ) {
    this.nodeId = options.nodeId;
    this.time = options.time;
    this.state = loadState(database);
    this.raw = new RawFile(options.path);
    this.health = this.createHealth();
    this.transactor = new Transactor(database, this.state, { ...options, health: this.health });
    this.documents = new Documents(database, this.state);
    this.oplog = new Oplog(database, this.state);
    this.indexes = new FieldIndexes(database, this.state, this.transactor);
    this.queries = new Queries(database, this.state);
    this.localWrites = new LocalWrites({ ...options, state: this.state, documents: this.documents });
    this.groupCommit = new GroupCommit({
      time: options.time,
      meter: options.meter,
      transactor: this.transactor,
      localWrites: this.localWrites,
      publish: (commit) => this.publish(commit),
      failure: (error) => this.told(error),
    });
  }

  clock(): VectorClock {
    return this.state.clock;
  }

  digest(scopes: readonly Scope[]): string {
    return this.state.digest(scopes);
  }

  cursor(): number {
    this.checkOpen();
    return this.state.cursor;
  }

  position(): Cursor {
    this.checkOpen();
    return this.state.cursorAt(this.state.cursor, this.state.mark);
  }

  placeOf(cursor: Cursor): number {
    this.checkOpen();
    return this.oplog.placeOf(cursor);
  }

  subscribe(listener: (commit: Commit) => void): () => void {
    // Wrapped, so that one function subscribed twice is called twice and unsubscribes once.
    const subscriber = (commit: Commit) => listener(commit);
    this.subscribers.add(subscriber);
    return () => this.subscribers.delete(subscriber);
  }

  write(writes: readonly Write[]): Promise<(Written | undefined)[]> {
    if (this.closing !== undefined) return Promise.reject(storeClosed(this.options.path));
    return this.groupCommit.write(writes);
  }

  idle(): Promise<void> {
    return this.groupCommit.idle();
  }

  async get(collection: CollectionName, key: DocumentKey): Promise<StoredDocument | undefined> {
    return this.reading(() => {
      const id = this.state.collections.get(collection)?.id;
      const payload = id === undefined ? undefined : this.documents.get(id, key);
      return payload === undefined ? undefined : { key, payload };
    });
  }

  async find(collection: CollectionName, query: Query): Promise<StoredDocument[]> {
    return this.inSteps(() => this.queries.finding(collection, query));
  }

  async *pages(collection: CollectionName, query: Query): AsyncGenerator<StoredDocument[], void, void> {
    const selected = await this.inSteps(() => this.queries.selecting(collection, query));
    for (let from = 0; from < selected.length; ) {
      if (from > 0) await this.turn();
      const { documents, next } = await this.reading(() => this.queries.page(selected, from));
      from = next;
      if (documents.length > 0) yield documents;
    }
  }

  async count(collection: CollectionName, where: Where = {}): Promise<number> {
    return this.reading(() => this.queries.count(collection, where));
  }

  async collections(): Promise<CollectionName[]> {
    return this.reading(() => this.documents.liveCollections().map(({ name }) => name));
  }

  async createIndex(collection: CollectionName, field: string): Promise<void> {
    const checked = parseField(field);
    await this.turn();
    return this.mapped(() => this.indexes.create(collection, checked, () => this.turn()));
  }

  async changes(options: { since: number; limit: number; collection?: CollectionName }): Promise<StoredChange[]> {
    const { since, limit, collection } = options;
    if (collection === undefined) return this.reading(() => this.oplog.changes(since, limit));
    const id = await this.reading(() => this.state.collections.get(collection)?.id);
    // A collection may be rare in a long oplog, so the search goes stretch by stretch, up to the first one with a
    // result.
    for (let from = since; id !== undefined && from < this.state.cursor; from += changesStretch) {
      if (from > since) await this.turn();
      const range = { since: from, until: from + changesStretch, limit };
      const changes = await this.reading(() => this.oplog.changesOf(id, range));
      if (changes.length > 0) return changes;
    }
    return [];
  }

  async read(options: ReadOptions): Promise<ReadResult> {
    return this.reading(() => this.oplog.read(options));
  }

  apply(runs: readonly Run[], origin: Origin): Promise<ApplyResult> {
    // Not an async function: its caller must get the answer before subscribers do.
    return new Promise((answer, reject) => {
      this.turn()
        .then(() => {
          const { result, commit } = this.applyNow(runs, origin);
          answer(result);
          if (commit !== undefined) this.publish(commit);
        })
        .catch((error: unknown) => reject(this.told(error)));
    });
  }

  async contentDigest(scopes: readonly Scope[]): Promise<ContentDigest> {
    for (let attempt = 1; ; attempt += 1) {
      const before = this.state.cursor;
      const steps = this.documents.digesting(scopes);
      // In a database that never rests, the last attempt runs without a pause: a mixture of states would not be a
      // digest.
      const digest = await this.stepwise(steps, { pause: attempt < digestAttemptsMax });
      if (before === this.state.cursor) return digest;
    }
  }

  async lacking(clock: VectorClock, scopes: readonly Scope[], max: number): Promise<number> {
    return this.reading(() => this.oplog.countLacking(clock, scopes, max));
  }

  async statistics(): Promise<StoreStatistics> {
    const counted = await this.stepwise(this.documents.counting(), { pause: true });
    return this.reading(() => {
      const { path } = this.options;
      const walBytes = fileBytesOf(`${path}-wal`);
      return {
        path,
        fileBytes: fileBytesOf(path) + walBytes,
        walBytes,
        ...counted,
        entries: this.oplog.countEntries(),
        authors: this.state.authors.size,
        commits: this.state.commits,
      };
    });
  }

  async backUp(path: string, onProgress: (progress: BackupProgress) => void = () => {}): Promise<void> {
    this.checkOpen();
    const target = resolve(path);
    // The copy must not replace a database that serves, this one or another.
    refuseLocked(target);
    const copying = copyDatabase(this.database, target, (progress) => {
      this.checkOpen();
      onProgress(progress);
    });
    this.copyings.add(copying);
    try {
      await copying;
    } finally {
      this.copyings.delete(copying);
    }
  }

  close(): Promise<void> {
    // Copies end at their next portion.
    this.closing ??= Promise.all([this.groupCommit.idle(), Promise.allSettled(this.copyings)]).then(() => {
      try {
        this.closeFile();
      } catch (error) {
        throw databaseError(error, this.options.path);
      }
    });
    return this.closing;
  }

  /** Closes the file at once, even if operations still wait: leaves what a killed process leaves. */
  abandon(): void {
    this.closing ??= Promise.resolve();
    this.closeFile();
  }

  private closeFile(): void {
    try {
      closeDatabaseFile(this.database, this.options.path);
    } finally {
      this.raw.close();
    }
  }

  /**
   * Sets how many pages of 8 KiB the database may have from now on, but at least as many as it has. Default: no bound.
   */
  limitPages(pagesMax: number = pagesMaxOfSqlite): void {
    this.database.pragma(`max_page_count = ${pagesMax}`);
  }

  private createHealth(): Health {
    const witness = new FileWitness(this.options.path, this.time);
    return new Health({
      time: this.time,
      look: () => witness.look(),
      lookBeforeCommit: () => witness.lookBeforeCommit(),
      checkLock: () => checkLock(this.options.path),
      lookAfterCommit: () => witness.lookAfterCommit(),
      tryDisk: () => {
        this.options.onDisk?.('read');
        this.options.onDisk?.('write');
        tryDisk(this.database, this.options.path);
      },
      failure: (error) => this.told(error),
    });
  }

  private applyNow(runs: readonly Run[], origin: Origin): { result: ApplyResult; commit: Commit | undefined } {
    const { runs: accepted, ...rest } = judgeRuns(runs, {
      // Entries that the previous database has accepted need not be judged again.
      wallMs: origin === predecessorOrigin ? Number.POSITIVE_INFINITY : this.time.now(),
      positionOf: (author) => positionOf(this.state.clock, author),
      hashAt: (author, hlc) => this.oplog.hashAt(author, hlc),
      isComplete: (run) => this.localWrites.isOwn(run.author),
    });
    const applied = accepted.reduce((sum, run) => sum + run.entries.length, 0);
    if (applied === 0) return { result: { applied, ...rest }, commit: undefined };
    const commit = this.transactor.writeEntries(origin, (transaction) => {
      for (const run of accepted) {
        const chain = transaction.chainOf(run.author, authorKeyOf(run.author));
        for (const entry of run.entries) transaction.append(chain, entry);
      }
    });
    return { result: { applied, ...rest }, commit };
  }

  /** Runs a microtask later, so that the callers that just got their answers continue first. */
  private publish(commit: Commit): void {
    queueMicrotask(() => {
      for (const subscriber of [...this.subscribers]) {
        try {
          subscriber(commit);
        } catch (error) {
          this.options.onSubscriberError?.(error);
        }
      }
    });
  }

  /**
   * Reads at once, but never within a transaction: a recipe that reads from the store must not see changes that may be
   * rolled back.
   */
  private async reading<T>(read: () => T): Promise<T> {
    if (this.state.inTransaction) await this.time.turn();
    this.checkOpen();
    return this.mapped(() => {
      this.options.onDisk?.('read');
      return read();
    });
  }

  private async stepwise<T>(steps: Generator<undefined, T>, { pause }: { pause: boolean }): Promise<T> {
    for (;;) {
      if (pause) await this.turn();
      const step = await this.reading(() => steps.next());
      if (step.done === true) return step.value;
    }
  }

  /** Runs the first step at once: most queries need only one. */
  private async inSteps<T>(begin: () => Generator<undefined, T>): Promise<T> {
    let steps: Generator<undefined, T> | undefined;
    try {
      for (let isFirst = true; ; isFirst = false) {
        if (!isFirst) await this.turn();
        const step = await this.reading(() => {
          steps ??= begin();
          return steps.next();
        });
        if (step.done === true) return step.value;
      }
    } finally {
      // The scan ends, so that writes note nothing more for it.
      steps?.return(undefined as never);
    }
  }

  private async turn(): Promise<void> {
    this.checkOpen();
    await this.time.turn();
    this.checkOpen();
  }

  private async mapped<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isSqliteError(error)) this.health.readFailed(error);
      throw this.told(error);
    }
  }

  /** The error that callers get. An unreadable disk is not damage, though SQLite says so. */
  private told(error: unknown): unknown {
    const told = databaseError(error, this.options.path);
    if (!isStatemeshError(told) || told.code !== 'databaseCorrupt') return told;
    const trouble = this.raw.trouble();
    return trouble === undefined ? told : databaseError(trouble, this.options.path);
  }

  private checkOpen(): void {
    if (this.closing !== undefined) throw storeClosed(this.options.path);
  }
}

/** Entries of the oplog searched at once, which takes some milliseconds. */
const changesStretch = 10_000;
const digestAttemptsMax = 4;
/** From the SQLite documentation, "Limits In SQLite". */
const pagesMaxOfSqlite = 4_294_967_294;

function storeClosed(path: string): StatemeshError {
  return new StatemeshError('storeClosed', `${path} was closed; open it again.`);
}
