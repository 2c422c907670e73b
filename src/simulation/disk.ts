/**
 * The disk of a simulated node: real SQLite files, on tmpfs where there is one.
 *
 * A crash leaves what had been written to the files at that moment: they are copied aside, and the next process opens the
 * copy, so it goes through a real recovery. The old process, which runs no code any more, keeps the old files.
 */
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeDiskRoot } from './disk-root.js';

export class SimulatedDisks {
  readonly #root = makeDiskRoot();
  readonly #generations = new Map<string, number>();

  /** The data directory that a process on this machine opens now. */
  directoryOf(machine: string): string {
    const directory = join(this.#root, machine, String(this.#generations.get(machine) ?? 0));
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** Keeps what a process that crashed has left for the next one. */
  crash(machine: string): void {
    const left = this.directoryOf(machine);
    this.#generations.set(machine, (this.#generations.get(machine) ?? 0) + 1);
    cpSync(left, this.directoryOf(machine), { recursive: true });
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
