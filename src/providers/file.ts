/**
 * A configuration in a JSON file, watched.
 *
 * The file is looked at by its name, again and again (`stat`, twice a second), not by the system's notifications: so it does not
 * matter how it comes to be another one, whether it is written in place, renamed over, deleted and made again, or reached by a symbolic
 * link of which any part is swapped, as Kubernetes does; nor on what file system it lies.
 *
 * Invariants: of two readings the one that began later counts, since the other may have seen an earlier file; what cannot be read
 * is tried again for a moment, since it may be half written, and is told as trouble then; the last good configuration stays. No
 * message quotes the file, which may hold the cluster key.
 */
import { constants, type StatWatcher, unwatchFile, watchFile } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { systemTime } from '../adapters/time.js';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { parseConfigurationText } from '../configuration/text.js';
import { StatemeshError, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Timer } from '../ports/ports.js';
import { Source } from './source.js';

const lookIntervalMs = 500;
/** How often, and how soon, what cannot be read is read again. */
const attemptsMax = 5;
const retryFirstMs = 50;

/** A configuration from a file that is watched. */
export interface FileConfiguration extends PeerNodeConfigurationProvider {
  /** Looks at once, not only when the file has changed; resolves when it was read, or given up, or nobody listens any more. */
  reload(): Promise<void>;
}

/**
 * @param path Of the file; relative paths are relative to the working directory, and those in it are left as they are
 *
 * @example
 * const node = createNode({ provider: fileConfiguration('/etc/statemesh/shop-1.json') });
 */
export function fileConfiguration(path: string): FileConfiguration {
  const file = resolve(path);
  const time = systemTime();
  let timer: Timer | undefined;
  /** Readings are counted as they begin. */
  let begun = 0;
  let taken = 0;
  let latestLook = 0;
  let isWatched = false;
  let waiting: (() => void)[] = [];

  const endLook = (): void => {
    const ended = waiting;
    waiting = [];
    for (const resolveLook of ended) resolveLook();
  };
  /** @returns whether a reading is not outdated by one that began after it */
  const take = (own: number): boolean => {
    if (own < taken) return false;
    taken = own;
    return true;
  };
  const look = (attempt = 1): void => {
    timer?.cancel();
    begun += 1;
    const own = begun;
    latestLook = own;
    read(file).then(
      (configuration) => {
        if (isWatched && take(own)) source.offer(configuration);
        if (own === latestLook) endLook();
      },
      (error: unknown) => {
        if (own !== latestLook) return;
        if (isWatched && attempt < attemptsMax) {
          timer = time.after(retryFirstMs * 2 ** (attempt - 1), () => look(attempt + 1));
          return;
        }
        if (isWatched) source.fail(error);
        endLook();
      },
    );
  };
  const source = new Source(() => {
    const changed = (): void => look();
    const watcher: StatWatcher = watchFile(file, { interval: lookIntervalMs, persistent: false }, changed);
    watcher.unref();
    isWatched = true;
    return () => {
      isWatched = false;
      timer?.cancel();
      unwatchFile(file, changed);
      endLook();
    };
  });
  return {
    async getConfiguration() {
      begun += 1;
      const own = begun;
      const configuration = await read(file);
      return take(own) ? source.gave(configuration) : configuration;
    },
    onConfigurationChanged: source.onConfigurationChanged,
    onTrouble: source.onTrouble,
    reload: () =>
      new Promise((resolveLook) => {
        waiting.push(resolveLook);
        look();
      }),
  };
}

/** @throws StatemeshError `configurationUnreadable` */
async function read(path: string): Promise<PeerNodeConfiguration> {
  return parseConfigurationText(await textOf(path), `The configuration file ${path}`);
}

async function textOf(path: string): Promise<string> {
  try {
    // A pipe that nobody writes to would keep a thread of the process for as long.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      // One byte more than allowed tells that there are more, whatever `stat` says of a pipe or a device.
      const buffer = Buffer.alloc(limits.configurationBytesMax + 1);
      let length = 0;
      // Some file systems give less at a time than they are asked for.
      for (let bytesRead = -1; bytesRead !== 0 && length < buffer.length; length += bytesRead) {
        ({ bytesRead } = await file.read(buffer, length, buffer.length - length));
      }
      if (length > limits.configurationBytesMax) {
        throw unreadable(`${path} has more than ${limits.configurationBytesMax} bytes: is it the right file?`);
      }
      return buffer.toString('utf8', 0, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as { name?: unknown }).name === 'StatemeshError') throw error;
    const reason = systemCodeOf(error) ?? 'unknown reason';
    throw unreadable(
      `The configuration file ${path} cannot be read (${reason}): check its path and permissions.`,
      error,
    );
  }
}

function unreadable(message: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationUnreadable', message, { cause });
}
