/**
 * A configuration in a JSON file, watched.
 *
 * The file is checked by its name (`stat`, twice a second), not by notifications of the system. So every kind of change
 * is noticed, on every file system: a write in place, a rename over it, a deletion and new creation, and a symbolic
 * link of which any part is swapped, as Kubernetes does.
 *
 * Invariants: of two readings, the one that began later counts, because the other may have seen an earlier file. A file
 * that cannot be read may be half written, so it is tried again for a moment before the failure is reported; the last
 * good configuration stays. No message quotes the file, which may contain the cluster key.
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

/** How often the file is looked at. */
const lookIntervalMs = 500;
/** How often, and how soon, an unreadable file is read again. */
const attemptsMax = 5;
const retryFirstMs = 50;

/** A configuration from a watched file. */
export interface FileConfiguration extends PeerNodeConfigurationProvider {
  /**
   * Reads the file at once, even if it has not changed. Resolves when it was read, when the attempt was given up, or
   * when the last listener has unsubscribed.
   */
  reload(): Promise<void>;
}

/**
 * Makes a provider over a file.
 *
 * @param path Of the file. A relative path is relative to the working directory. Paths in the file stay as they are
 *
 * @example
 * const node = createNode(fileConfiguration('/etc/statemesh/shop-1.json'));
 */
export function fileConfiguration(path: string): FileConfiguration {
  const file = resolve(path);
  const time = systemTime();
  let timer: Timer | undefined;
  /** Number of readings that have begun. */
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
  /** @returns Whether no later reading has outdated this one */
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
    // Opening a pipe without a writer would otherwise block a thread of the process.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      // One byte more than allowed shows that the file is too large, even for a pipe or a device whose `stat` tells no
      // size.
      const buffer = Buffer.alloc(limits.configurationBytesMax + 1);
      let length = 0;
      // Some file systems return fewer bytes at a time than requested.
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
