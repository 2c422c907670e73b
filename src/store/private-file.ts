/** Files that only their owner can read, from the moment they exist. */
import { closeSync, fchmodSync, fstatSync, openSync, readSync, type Stats, writeSync } from 'node:fs';

const portionBytes = 1024 * 1024;
const ownerOnly = 0o600;

/**
 * Creates an empty file of mode 0600 for code that opens it by name later, such as SQLite, which gives its journals the
 * same mode. Fails if anything exists under the name, because it may be another user's link.
 *
 * @returns The status of the file, which identifies it
 */
export function createPrivately(path: string): Stats {
  const descriptor = openPrivately(path);
  try {
    return fstatSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Copies the bytes of a file, but not its mode, as `copyFile` would. */
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
  // A umask may have removed permissions.
  fchmodSync(descriptor, ownerOnly);
  return descriptor;
}
