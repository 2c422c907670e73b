/** Where a command writes a file as a whole: under another name first, then in its place. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { badInput } from './failures.js';

/**
 * The path to write to. A link stays, and the file behind it is replaced; what is no ordinary file, such as a device, a pipe or a directory, is
 * never replaced.
 *
 * @throws StatemeshError `requestInvalid`
 */
export function placeFor(name: string, { force = false }: { readonly force?: boolean | undefined }): string {
  const path = resolve(name);
  const there = statusOf(path);
  if (there === undefined) return path;
  if (!there.isFile()) throw badInput(`${path} is no ordinary file: name another one.`);
  if (!force) throw badInput(`${path} is there already: --force replaces it.`);
  return realpathSync(path);
}

function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw badInput(`${path} cannot be written (${(error as { code?: string }).code}).`);
  }
}
