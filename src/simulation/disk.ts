/**
 * The disk of a simulated node: real SQLite files, on tmpfs where there is one.
 *
 * A crash leaves what had been written to the files at that moment: they are copied aside, and the next process opens the
 * copy, so it goes through a real recovery. The old process, which runs no code any more, keeps the old files.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const sharedMemory = '/dev/shm';

export class SimulatedDisks {
  readonly #root = mkdtempSync(join(existsSync(sharedMemory) ? sharedMemory : tmpdir(), 'statemesh-world-'));
  readonly #generations = new Map<string, number>();

  /** The data directory that a process of this node opens now. */
  directoryOf(nodeId: string): string {
    const directory = join(this.#root, nodeId, String(this.#generations.get(nodeId) ?? 0));
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** Keeps what a process that crashed has left for the next one. */
  crash(nodeId: string): void {
    const left = this.directoryOf(nodeId);
    this.#generations.set(nodeId, (this.#generations.get(nodeId) ?? 0) + 1);
    cpSync(left, this.directoryOf(nodeId), { recursive: true });
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
