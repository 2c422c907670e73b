/** Where a command may write a file. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemCodeOf } from '../control/protocol.js';
import { badInput } from './failures.js';

/**
 * The whole path to write to. For a link it is the path of the target, so that the link stays. A device, a pipe or a
 * directory is never replaced.
 *
 * @param force Whether an ordinary file may be replaced; default: false
 * @throws StatemeshError `requestInvalid` when something exists there that may not be replaced
 */
export function placeFor(name: string, { force = false }: { readonly force?: boolean | undefined }): string {
  const path = resolve(name);
  const there = statusOf(path);
  if (there === undefined) return path;
  if (!there.isFile()) throw badInput(`${path} is not an ordinary file: name another one.`);
  if (!force) throw badInput(`${path} exists already: --force replaces it.`);
  return realpathSync(path);
}

function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    const code = systemCodeOf(error);
    // A path below a file does not exist; not every version of Node.js reports that as ENOENT.
    if (code === 'ENOTDIR') return undefined;
    throw badInput(`${path} cannot be written (${code}).`);
  }
}
