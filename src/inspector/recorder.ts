/**
 * Writes records to a file, a line of JSON each, and begins another one when it has become large.
 *
 * Invariants: each file by itself tells how everything stood at its beginning, and so opens like a live node; there are at most
 * `filesMax` of them; only the owner may read them; a disk that does not take them ends the recording, never the node.
 */
import { createWriteStream, openSync, renameSync, rmSync, type WriteStream } from 'node:fs';
import { Fold, recordsOf } from './fold.js';
import type { InspectorRecord } from './records.js';

export interface RecorderOptions {
  /** Of the file that is being written; older ones are `path.1`, `path.2`, … */
  readonly path: string;
  readonly charactersMax?: number;
  readonly filesMax?: number;
  onError(error: unknown): void;
}

const defaultCharactersMax = 64 * 1024 * 1024;
const defaultFilesMax = 4;
/** What a slow disk may owe us in memory. */
const bufferedBytesMax = 32 * 1024 * 1024;

export class Recorder {
  readonly #options: Required<RecorderOptions>;
  readonly #fold = new Fold();
  #stream: WriteStream | undefined;
  #characters = 0;

  constructor(options: RecorderOptions) {
    this.#options = { charactersMax: defaultCharactersMax, filesMax: defaultFilesMax, ...options };
    this.#open();
  }

  add(line: string, record: InspectorRecord): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (stream.writableLength > bufferedBytesMax) {
      this.#fail(new Error(`The disk takes the trace ${this.#options.path} more slowly than things happen.`));
      return;
    }
    if (this.#characters > this.#options.charactersMax) this.#rotate();
    this.#write(line);
    this.#fold.add(record);
  }

  /** Resolves when everything is written. */
  close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    return new Promise((resolve) => (stream === undefined || stream.destroyed ? resolve() : stream.end(resolve)));
  }

  #write(line: string): void {
    this.#characters += line.length + 1;
    this.#stream?.write(`${line}\n`);
  }

  #rotate(): void {
    const { path, filesMax } = this.#options;
    this.#stream?.end();
    try {
      rmSync(`${path}.${filesMax - 1}`, { force: true });
      for (let age = filesMax - 2; age >= 0; age--) renameIfThere(nameOf(path, age), nameOf(path, age + 1));
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#open();
    for (const record of recordsOf(this.#fold)) this.#write(JSON.stringify(record));
  }

  #open(): void {
    this.#characters = 0;
    const { path } = this.#options;
    try {
      // Opened at once: from then on it may be renamed while lines are still on their way into it.
      this.#stream = createWriteStream(path, { fd: openSync(path, 'w', 0o600) });
      this.#stream.on('error', (error) => this.#fail(error));
    } catch (error) {
      this.#stream = undefined;
      this.#options.onError(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#stream === undefined) return;
    this.#stream.destroy();
    this.#stream = undefined;
    this.#options.onError(error);
  }
}

function nameOf(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
