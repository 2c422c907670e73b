/**
 * The disks of simulated machines: real SQLite files, on tmpfs where there is one.
 *
 * A crash keeps what had been written to the files at that moment: they are copied, and the next process opens the
 * copy, so it goes through a real recovery. The old process runs no more code and keeps the old files.
 *
 * Disks also lie: a restored backup is older than later acknowledged writes, and a log may come back truncated.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pageBytes } from '../store/tables.js';
import { makeDiskRoot } from './disk-root.js';
import { tornLength } from './torn-wal.js';

/** The files of a machine as they were at some moment. */
export interface Backup {
  readonly directory: string;
  readonly atMs: number;
}

export class SimulatedDisks {
  readonly root = makeDiskRoot();
  readonly #generations = new Map<string, number>();
  #backups = 0;

  /** The data directory that a process on this machine opens now. */
  directoryOf(machine: string): string {
    const directory = join(this.root, machine, String(this.#generations.get(machine) ?? 0));
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** Keeps the files that a crashed process left, for the next process. */
  crash(machine: string): void {
    this.#renew(machine, this.directoryOf(machine));
  }

  /** Copies the files as they are at this moment, as a snapshot of the disk would. */
  backUp(machine: string, atMs: number): Backup {
    this.#backups += 1;
    const directory = join(this.root, 'backups', String(this.#backups));
    cpSync(this.directoryOf(machine), directory, { recursive: true });
    return { directory, atMs };
  }

  /** Replaces the files of a machine by a backup; no process may run on the machine. */
  restore(machine: string, { directory }: Backup): void {
    this.#renew(machine, directory);
  }

  /** Gives a machine a copy of another machine's files. */
  clone(from: string, to: string): void {
    this.#renew(to, this.directoryOf(from));
  }

  /**
   * Cuts the end off each write-ahead log: writes that the disk had promised to keep are gone. No process may run on
   * the machine.
   *
   * @param share The share of the log that stays, from 0 to 1
   * @returns Whether there was anything to cut
   */
  tear(machine: string, share: number): boolean {
    const directory = this.directoryOf(machine);
    let hasCut = false;
    for (const name of readdirSync(directory).filter((candidate) => candidate.endsWith('-wal'))) {
      const path = join(directory, name);
      const length = tornLength(readFileSync(path), readFileSync(path.slice(0, -'-wal'.length)), share);
      if (length === undefined) continue;
      truncateSync(path, length);
      hasCut = true;
    }
    return hasCut;
  }

  /**
   * Overwrites all files of a machine with noise, except the pages that identify the database, so that a process that
   * opens it finds the damage late. No process may run on the machine.
   */
  damage(machine: string): void {
    const directory = this.directoryOf(machine);
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(noise, name.endsWith('.db') ? 2 * pageBytes : 0));
    }
  }

  /** Puts a file that is not a database where there is no file. */
  spoil(machine: string, name: string): void {
    const path = join(this.directoryOf(machine), name);
    if (!existsSync(path)) writeFileSync(path, 'This is not a database.');
  }

  /** Moves the files of a machine away: the next process finds none. No process may run on the machine. */
  wipe(machine: string): void {
    this.#generations.set(machine, (this.#generations.get(machine) ?? 0) + 1);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  #renew(machine: string, source: string): void {
    this.wipe(machine);
    cpSync(source, this.directoryOf(machine), { recursive: true });
  }
}

/** No page of a database begins with this byte. */
const noise = 0xff;
