/**
 * The directory of a world's simulated disks. Its name contains the process and the thread, so that the disks of a
 * thread that was terminated during a run can be found and removed. They occupy memory that is not freed otherwise.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';

const sharedMemory = '/dev/shm';

function place(): string {
  return existsSync(sharedMemory) ? sharedMemory : tmpdir();
}

function prefixOf(thread: number): string {
  return `statemesh-world-${process.pid}-${thread}-`;
}

/** A new directory for one world of this thread. */
export function makeDiskRoot(): string {
  return mkdtempSync(join(place(), prefixOf(threadId)));
}

/** Removes the disks of all worlds of a thread of this process that has ended. */
export function removeDisksOf(thread: number): void {
  for (const name of readdirSync(place())) {
    if (name.startsWith(prefixOf(thread))) rmSync(join(place(), name), { recursive: true, force: true });
  }
}
