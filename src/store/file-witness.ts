/**
 * Whether a database's files are still where its node found them. When a file is deleted, moved or replaced, a process
 * keeps the file that it has open. So every write would be acknowledged, and lost with the process.
 *
 * Invariant: files are told apart by device and inode. None is opened, because closing any descriptor of a file drops
 * all POSIX locks that the process holds on it. A file that was overwritten or cut in place is noticed by its size, as
 * long as that differs.
 *
 * Reading the times of the log makes the next commit expensive: Linux then gives the log a finer time, which its fsync
 * has to write, too (multigrain timestamps, since 6.13; measured 0.13 ms of 0.5). So the log itself is checked when its
 * directory has changed, as it does when a file is deleted, moved or replaced, and at intervals for changes in place.
 */
import { type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Time } from '../ports/ports.js';

/** A log that vanishes so shortly before a commit might as well have vanished after it. */
const betweenLooksMs = 2;
/**
 * Longest time between checks of the log, for changes in place and for file systems whose directories do not tell when
 * they changed.
 */
const logUnseenMsMax = 100;
/** A second change may carry the same time as the first. */
const directoryTickMs = 50;

export class FileWitness {
  private readonly file: Stats;
  private wal: Stats | undefined;
  private size: number;
  /** The log shrinks by itself only after a large transaction. */
  private walSize = 0;
  private logSoundAtMs = Number.NEGATIVE_INFINITY;
  /** When both were last found sound after a commit. */
  private soundAtMs = Number.NEGATIVE_INFINITY;
  private readonly directoryPath: string;
  private directory: Stats | undefined;
  private directoryChangedAtMs = Number.NEGATIVE_INFINITY;

  /** @param path The open database; its log lies beside it, with the suffix `-wal` */
  constructor(
    private readonly path: string,
    private readonly time: Pick<Time, 'monotonicMs'>,
  ) {
    this.directoryPath = dirname(path);
    this.file = statSync(path);
    this.size = this.file.size;
    this.wal = statusOf(`${path}-wal`);
  }

  /** What is wrong with the database or its log; undefined while both are present. */
  look(): StatemeshError | undefined {
    return this.looking(() => this.lookAtFile() ?? this.lookAtLog());
  }

  /** The same check, but cheap: for each transaction. */
  lookBeforeCommit(): StatemeshError | undefined {
    if (this.hasJustLooked()) return undefined;
    return this.looking(() => this.lookAtFile() ?? this.lookAtLogWhenDue());
  }

  /**
   * The same check after a commit of ours. The commit may have copied the log into the database, which then only grows.
   * A commit is in the log first.
   */
  lookAfterCommit(): StatemeshError | undefined {
    if (this.hasJustLooked()) return this.looking(() => this.lookAtFile({ mayHaveGrown: true }));
    const lost = this.looking(() => this.lookAtFile({ mayHaveGrown: true }) ?? this.lookAtLogWhenDue());
    this.soundAtMs = lost === undefined ? this.time.monotonicMs() : Number.NEGATIVE_INFINITY;
    return lost;
  }

  private hasJustLooked(): boolean {
    return this.time.monotonicMs() - this.soundAtMs < betweenLooksMs;
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

  private lookAtLogWhenDue(): StatemeshError | undefined {
    const nowMs = this.time.monotonicMs();
    if (this.hasDirectoryChanged()) this.directoryChangedAtMs = nowMs;
    const isQuiet = nowMs - this.directoryChangedAtMs > directoryTickMs && nowMs - this.logSoundAtMs < logUnseenMsMax;
    // A log that was empty before tells nothing by being empty again.
    if (isQuiet && this.walSize > 0) return undefined;
    const lost = this.lookAtLog();
    this.logSoundAtMs = lost === undefined ? nowMs : Number.NEGATIVE_INFINITY;
    return lost;
  }

  private lookAtLog(): StatemeshError | undefined {
    const path = `${this.path}-wal`;
    const found = statusOf(path);
    this.wal ??= found;
    if (this.wal === undefined) return undefined;
    if (found === undefined) return lost(path, 'was deleted or moved');
    if (!isSame(found, this.wal)) return lost(path, 'was replaced by another file');
    const least = Math.min(this.walSize, limits.walBytesKept);
    if (found.size < least) return lost(path, `was overwritten: it has ${found.size} bytes in place of ${least}`);
    this.walSize = found.size;
    return undefined;
  }

  private hasDirectoryChanged(): boolean {
    const before = this.directory;
    const now = statusOf(this.directoryPath);
    this.directory = now;
    if (before === undefined || now === undefined) return true;
    return !isSame(before, now) || before.mtimeMs !== now.mtimeMs;
  }

  private looking(look: () => StatemeshError | undefined): StatemeshError | undefined {
    try {
      return look();
    } catch (error) {
      return lost(this.path, `cannot be checked (${systemCodeOf(error) ?? messageOf(error)})`);
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
    'writes are refused. Put it back; or save what the node still has with `statemesh backup FILE`, stop it, and restore that copy. Where the directory is gone, make it again first: commands reach the node through it.';
  return new StatemeshError('databaseLost', `${path} ${what} while the node runs: ${remedy}`);
}
