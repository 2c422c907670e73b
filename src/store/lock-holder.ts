/** Which process has a file open or locked, as far as the system tells. Linux tells it in /proc. */
import { readdirSync, readFileSync, statSync } from 'node:fs';

/**
 * `1: POSIX ADVISORY WRITE 22303 fe:00:2236692 1073741826 1073742335`: the process, then device and inode of the file.
 */
const lockPattern = /^\d+: POSIX +ADVISORY +\w+ +(\d+) +[0-9a-f]+:[0-9a-f]+:(\d+) /;

/** The id of the process; undefined if it is unknown. */
export function lockHolderOf(path: string): number | undefined {
  try {
    const { ino } = statSync(path);
    const holders = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .flatMap((line) => {
        const [, processId, inode] = lockPattern.exec(line) ?? [];
        return Number(inode) === ino && Number(processId) > 0 ? [Number(processId)] : [];
      });
    // Files of several devices may have the same inode number; then the holder is unknown.
    const [holder, ...others] = new Set(holders);
    return others.length === 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Whether any thread of this process has the file open; false if that is unknown. */
export function isOpenInProcess(path: string): boolean {
  const descriptors = '/proc/self/fd';
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return false;
  try {
    return readdirSync(descriptors).some((name) => {
      const open = statSync(`${descriptors}/${name}`, { throwIfNoEntry: false });
      return open?.ino === file.ino && open.dev === file.dev;
    });
  } catch {
    return false;
  }
}
