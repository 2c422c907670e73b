/**
 * Files that are checked by their names at an interval. So a write in place, a rename over the file and a swapped
 * symbolic link are all noticed.
 *
 * Invariant: changes in quick succession are reported once, when they are over, because a certificate and its key are
 * two files.
 */
import { type StatWatcher, unwatchFile, watchFile } from 'node:fs';
import { resolve } from 'node:path';
import type { Files } from '../ports/ports.js';

/** How often the files are looked at. */
const lookIntervalMs = 500;
/** Changes within this time count as one. */
const quietMs = 300;

export function systemFiles(): Files {
  return {
    watch(paths, changed) {
      let timer: NodeJS.Timeout | undefined;
      const noted = (): void => {
        clearTimeout(timer);
        timer = setTimeout(changed, quietMs);
        timer.unref();
      };
      const names = [...new Set(paths.map((path) => resolve(path)))];
      for (const name of names) {
        const watcher: StatWatcher = watchFile(name, { interval: lookIntervalMs, persistent: false }, noted);
        watcher.unref();
      }
      return () => {
        clearTimeout(timer);
        for (const name of names) unwatchFile(name, noted);
      };
    },
  };
}
