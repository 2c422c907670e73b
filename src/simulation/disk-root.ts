/**
 * Where the simulated disks of a world are: a directory that carries the process and the thread in its name, so that what a
 * thread has left that was ended in the midst of a run can be found. It is memory that nobody else would free.
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
