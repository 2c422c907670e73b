/**
 * Whether a database's files are still where its node found them. A process keeps what it has open when somebody deletes, moves or
 * replaces it, so every write would be acknowledged and lost with the process.
 *
 * Invariant: files are told apart by device and inode; none is opened, since closing any descriptor of a file drops all POSIX locks
 * that the process holds on it. A file that was overwritten or cut in place is noticed by its size, as long as that differs.
 */
import { type Stats, statSync } from 'node:fs';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { walBytesKept } from './schema.js';

export class FileWitness {
  private readonly file: Stats;
  private wal: Stats | undefined;
  private size: number;
  /** The log shrinks by itself only where a large transaction is over. */
  private walSize = 0;

  /** @param path The database, which is open; its log is beside it, with `-wal` in its name */
  constructor(private readonly path: string) {
    this.file = statSync(path);
    this.size = this.file.size;
    this.wal = statusOf(`${path}-wal`);
  }

  /** What is wrong with the database or its log; undefined while both are there. Cheap: for each transaction. */
  look(): StatemeshError | undefined {
    return this.looking(() => this.lookAtFile() ?? this.lookAtLog());
  }

  /**
   * The same, after a commit of ours: that may have copied the log into the database, which only grows by it. A commit
   * is in the log first.
   */
  lookAfterCommit(): StatemeshError | undefined {
    return this.looking(() => this.lookAtFile({ mayHaveGrown: true }) ?? this.lookAtLog());
  }

  private lookAtFile({ mayHaveGrown = false } = {}): StatemeshError | undefined {
    const { path, file } = this;
    const found = statusOf(path);
    if (found === undefined) return lost(path, 'was deleted or moved');
    if (!isSame(found, file)) return lost(path, 'was replaced by another file');
    if (mayHaveGrown && found.size > this.size) this.size = found.size;
    if (found.size === this.size) return undefined;
    return lost(path, `was overwritten: it has ${found.size} bytes in place of ${this.size}`);
  }

  private lookAtLog(): StatemeshError | undefined {
    const path = `${this.path}-wal`;
    const found = statusOf(path);
    this.wal ??= found;
    if (this.wal === undefined) return undefined;
    if (found === undefined) return lost(path, 'was deleted or moved');
    if (!isSame(found, this.wal)) return lost(path, 'was replaced by another file');
    const least = Math.min(this.walSize, walBytesKept);
    if (found.size < least) return lost(path, `was overwritten: it has ${found.size} bytes in place of ${least}`);
    this.walSize = found.size;
    return undefined;
  }

  private looking(look: () => StatemeshError | undefined): StatemeshError | undefined {
    try {
      return look();
    } catch (error) {
      return lost(this.path, `cannot be looked at (${systemCodeOf(error) ?? messageOf(error)})`);
    }
  }
}

function statusOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

function isSame(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

function lost(path: string, what: string): StatemeshError {
  const remedy =
    'writes are refused. Put it back; or save what the node still has with `statemesh backup FILE`, stop it, and restore that copy.';
  return new StatemeshError('databaseLost', `${path} ${what} while the node runs: ${remedy}`);
}
