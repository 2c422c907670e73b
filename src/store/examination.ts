/**
 * Examines a whole database while no process has it open: every page, and every entry of every chain, so that neither a
 * flipped bit nor an altered payload goes unnoticed.
 */
import { type AuthorKey, allScopes, authorKeyOf } from '../core/author.js';
import { decodeDocument } from '../core/document.js';
import { hashEntry, type Position, type Run } from '../core/entry.js';
import { type Hlc, hlcZero, wallMsOf } from '../core/hlc.js';
import { type CollectionName, type DocumentKey, isSystemCollection, type NodeId } from '../core/ids.js';
import { type MalformedDocuments, MalformedTally } from '../core/malformed.js';
import type { Randomness, Time } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import { closeDatabaseFile, openDatabaseFile } from './database-file.js';
import { databaseError } from './sqlite-errors.js';
import { openSqliteStore } from './sqlite-store.js';

/** Which database to examine. */
export interface ExaminationOptions {
  readonly path: string;
  readonly nodeId: NodeId;
  readonly time: Time;
  readonly randomness: Randomness;
  /** Called from time to time with the number of entries examined so far. */
  readonly onProgress?: (entries: number) => void;
}

/** The findings in a database. */
export interface Examination {
  readonly entries: number;
  readonly authors: number;
  /** The latest time stamp in it, ms since 1970; undefined in an empty database. */
  readonly latestMs: number | undefined;
  /** The first few damages; empty if the database is sound. */
  readonly damages: readonly string[];
  /** Documents of users that cannot be read, because another node wrote them malformed. */
  readonly malformed: MalformedDocuments;
}

/** After this many damages, an examination ends. */
const damagesMax = 5;
const entriesPerRead = 5_000;
const bytesPerRead = 16 * 1024 * 1024;

/**
 * Examines a database.
 *
 * @throws StatemeshError `databaseInUse`, `databaseForeign`, `databaseCorrupt` if it cannot even be opened,
 * `databaseUnavailable`
 */
export async function examineDatabase(options: ExaminationOptions): Promise<Examination> {
  const damages = damagedPages(options);
  const store = await openSqliteStore(options);
  try {
    const after = new Map<AuthorKey, Position>();
    let entries = 0;
    let latest: Hlc = hlcZero;
    const suspects = new Suspects();
    for (;;) {
      const { runs, complete } = await store.read({
        after,
        scopes: allScopes,
        except: new Set<AuthorKey>(),
        entriesMax: entriesPerRead,
        bytesMax: bytesPerRead,
      });
      for (const run of runs) {
        const end = run.entries.at(-1);
        if (end === undefined) continue;
        entries += run.entries.length;
        if (end.hlc > latest) latest = end.hlc;
        damages.push(...damageIn(run));
        suspects.add(run);
        after.set(authorKeyOf(run.author), end);
      }
      options.onProgress?.(entries);
      if (complete || runs.length === 0 || damages.length >= damagesMax) break;
    }
    const latestMs = latest === hlcZero ? undefined : wallMsOf(latest);
    const malformed = await suspects.stillMalformed(store);
    return { entries, authors: after.size, latestMs, damages: damages.slice(0, damagesMax), malformed };
  } catch (error) {
    throw databaseError(error, options.path);
  } finally {
    await store.close();
  }
}

/** Documents of users with an entry that cannot be read. Keeps only their keys: the texts may not fit in memory. */
class Suspects {
  readonly #keys = new Map<CollectionName, Set<DocumentKey>>();

  add({ entries }: Run): void {
    for (const { collection, key, operation, payload } of entries) {
      if (operation !== 'put' || isSystemCollection(collection) || decodeDocument(payload) !== undefined) continue;
      const keys = this.#keys.get(collection) ?? new Set();
      this.#keys.set(collection, keys.add(key));
    }
  }

  /** Those that no later write has replaced or deleted. */
  async stillMalformed(store: Store): Promise<MalformedDocuments> {
    const malformed = new MalformedTally();
    for (const [collection, keys] of this.#keys) {
      for (const key of keys) {
        const stored = await store.get(collection, key);
        if (stored !== undefined && decodeDocument(stored.payload) === undefined) malformed.add(collection, key);
      }
    }
    return malformed;
  }
}

function damagedPages(options: ExaminationOptions): string[] {
  const { path } = options;
  const database = openDatabaseFile({ ...options, walAutocheckpointPages: 1_000 });
  try {
    const rows = database.pragma(`integrity_check(${damagesMax})`) as { integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  } catch (error) {
    throw databaseError(error, path);
  } finally {
    closeDatabaseFile(database, path);
  }
}

/** The first entry of a run whose hash does not match its content. */
function damageIn({ author, after, entries }: Run): string[] {
  const authorKey = authorKeyOf(author);
  let previousHash = after.hash;
  for (const entry of entries) {
    if (hashEntry(entry, authorKey, previousHash) !== entry.hash) {
      return [`the entry of ${authorKey} for ${entry.collection} ${entry.key} is not what its author wrote`];
    }
    previousHash = entry.hash;
  }
  return [];
}
