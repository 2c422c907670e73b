/** The directory of one run: on a real disk, and removed afterwards. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Workspace {
  readonly path: string;
  /** Its file system as readable text: `ext4 on /`. */
  readonly fileSystem: string;
  /** A new directory with a telling name. */
  directory(name: string): string;
  remove(): void;
}

/** @throws Error when every candidate directory is in memory */
export function createWorkspace(): Workspace {
  const parent = [tmpdir(), process.cwd(), buildDirectory].find((candidate) => !isInMemory(candidate));
  if (parent === undefined) {
    throw new Error(`${tmpdir()} is in memory, so no disk would be measured: set TMPDIR to a directory on a disk.`);
  }
  const path = realpathSync(mkdtempSync(join(parent, 'statemesh-bench-')));
  let count = 0;
  return {
    path,
    fileSystem: fileSystemOf(path),
    directory(name) {
      count += 1;
      const directory = join(path, `${count}-${name}`);
      mkdirSync(directory);
      return directory;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

const buildDirectory = fileURLToPath(new URL('..', import.meta.url));

/** TMPFS_MAGIC and RAMFS_MAGIC of Linux's magic.h. */
const fileSystemsInMemory: ReadonlySet<number> = new Set([0x01_02_19_94, 0x85_84_58_f6]);

function isInMemory(path: string): boolean {
  return process.platform === 'linux' && fileSystemsInMemory.has(statfsSync(path).type);
}

function fileSystemOf(path: string): string {
  if (process.platform !== 'linux') return `file system type 0x${statfsSync(path).type.toString(16)}`;
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, mountPoint = '', type = '']) => ({ mountPoint, type }))
    .filter(({ mountPoint }) => mountPoint !== '' && isWithin(path, mountPoint));
  // The longest mount point wins; of equal ones the last, which lies on top.
  const mount = mounts.reduce((best, next) => (next.mountPoint.length >= best.mountPoint.length ? next : best), {
    mountPoint: '',
    type: 'unknown file system',
  });
  return `${mount.type} on ${mount.mountPoint}`;
}

function isWithin(path: string, mountPoint: string): boolean {
  return path === mountPoint || path.startsWith(mountPoint.endsWith(sep) ? mountPoint : mountPoint + sep);
}
