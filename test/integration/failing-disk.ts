/**
 * A failing disk under a running process: a library that `cc` builds from failing-disk.c, preloaded into the process of
 * a node.
 */
import { execFile } from 'node:child_process';
import { mkdir, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type StartedNode, startNode, temporaryDirectory } from './cli-fixture.js';

const source = join(process.cwd(), 'test/integration/failing-disk.c');
let library: Promise<string> | undefined;

/** Error numbers of Linux for opening files to write, reading, writing and syncing. */
const failures = {
  ENOSPC: [28, 0, 28, 0],
  EIO: [5, 5, 5, 5],
  EROFS: [30, 0, 30, 30],
  'EIO of fsync': [0, 0, 0, 5],
} as const;

/** How a disk fails. */
export type FailureOfDisk = keyof typeof failures;
/** All ways in which disks fail here. */
export const failuresOfDisk = Object.keys(failures) as FailureOfDisk[];

/** A node whose disk can be made to fail. */
export interface NodeOnFailingDisk extends StartedNode {
  fail(failure: FailureOfDisk): Promise<void>;
  mend(): Promise<void>;
}

export async function startOnFailingDisk(fields: Readonly<Record<string, unknown>>): Promise<NodeOnFailingDisk> {
  library ??= compiled();
  const directory = await realpath(await temporaryDirectory());
  await mkdir(join(directory, 'data'), { mode: 0o700 });
  const control = await open(join(directory, 'control'), 'w+');
  const set = async (numbers: readonly number[]) => void (await control.write(Uint8Array.from(numbers), 0, 4, 0));
  await set([0, 0, 0, 0]);
  const env = {
    LD_PRELOAD: await library,
    FAILING_DISK: join(directory, 'data'),
    FAILING_DISK_CONTROL: join(directory, 'control'),
  };
  const node = await startNode(fields, { directory, env });
  return { ...node, fail: (failure) => set(failures[failure]), mend: () => set([0, 0, 0, 0]) };
}

async function compiled(): Promise<string> {
  const path = join(await temporaryDirectory({ keep: true }), 'failing-disk.so');
  await promisify(execFile)('cc', ['-shared', '-fPIC', '-O1', '-o', path, source, '-ldl']);
  return path;
}
