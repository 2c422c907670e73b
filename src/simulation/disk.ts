/**
 * The disks of simulated machines: real SQLite files, on tmpfs where there is one.
 *
 * A crash leaves what had been written to the files at that moment: they are copied aside, and the next process opens the
 * copy, so it goes through a real recovery. The old process, which runs no code any more, keeps the old files.
 *
 * Disks also lie: a backup that is put back is older than what was acknowledged since, and a log may come back cut.
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

  /** Keeps what a process that crashed has left for the next one. */
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

  /** Puts a backup in place of what a machine has; no process may run on it. */
  restore(machine: string, { directory }: Backup): void {
    this.#renew(machine, directory);
  }

  /** Gives a machine a copy of what another one has. */
  clone(from: string, to: string): void {
    this.#renew(to, this.directoryOf(from));
  }

  /**
   * Cuts the end off each write-ahead log: writes that the disk had promised to keep are gone. No process may run on it.
   * @param share How much of it stays, from 0 to 1
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
   * Writes noise over all that a machine has, but for the pages that say whose it is, so that what opens it finds out late. No
   * process may run on it.
   */
  damage(machine: string): void {
    const directory = this.directoryOf(machine);
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(noise, name.endsWith('.db') ? 2 * pageBytes : 0));
    }
  }

  /** Puts a file that is no database where there is none. */
  spoil(machine: string, name: string): void {
    const path = join(this.directoryOf(machine), name);
    if (!existsSync(path)) writeFileSync(path, 'This is no database.');
  }

  /** Moves the files of a machine out of the way: the next process finds none. No process may run on it. */
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

/** No byte that begins a page of a database. */
const noise = 0xff;
