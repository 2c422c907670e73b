/** Files that nobody else may read, from the moment at which they are there. */
import { closeSync, fchmodSync, openSync, readSync, writeSync } from 'node:fs';

const portionBytes = 1024 * 1024;
const ownerOnly = 0o600;

/**
 * Makes an empty file of mode 0600 where there is none: for those who open it by name later, as SQLite does, which gives its journals the
 * same mode. What stands there already, a link of somebody else perhaps, is an error.
 */
export function createPrivately(path: string): void {
  closeSync(openPrivately(path));
}

/** Copies the bytes of a file, and not its mode, as `copyFile` would. */
export function copyPrivately(from: string, to: string): void {
  const source = openSync(from, 'r');
  try {
    const target = openPrivately(to);
    try {
      const buffer = Buffer.alloc(portionBytes);
      for (let length = readSync(source, buffer); length > 0; length = readSync(source, buffer)) {
        for (let written = 0; written < length; ) written += writeSync(target, buffer, written, length - written);
      }
    } finally {
      closeSync(target);
    }
  } finally {
    closeSync(source);
  }
}

function openPrivately(path: string): number {
  const descriptor = openSync(path, 'wx', ownerOnly);
  // A umask may have taken from it.
  fchmodSync(descriptor, ownerOnly);
  return descriptor;
}
