/**
 * Writes records to a file, one line of JSON each, and rotates the file when it is large.
 *
 * Invariants: each file states the full state at its beginning, so it opens by itself like a live node. There are at
 * most `filesMax` files. Only the owner may read them. A disk error ends the recording, never the node. Lines are
 * gathered for a moment and then written synchronously, so nothing remains unwritten when a process ends.
 */
import { closeSync, constants, fchmodSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { systemCodeOf } from '../core/errors.js';
import type { Time, Timer } from '../ports/ports.js';
import { Fold, recordsOf } from './fold.js';
import type { InspectorRecord } from './records.js';

export interface RecorderOptions {
  /** The file that is being written; older ones are `path.1`, `path.2`, … */
  readonly path: string;
  readonly charactersMax?: number;
  readonly filesMax?: number;
  readonly time: Time;
  /** Called at most once. */
  onError(error: unknown): void;
}

const { O_CREAT, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;
const defaultCharactersMax = 64 * 1024 * 1024;
const defaultFilesMax = 4;
const gatherMs = 50;
const gatheredCharactersMax = 64 * 1024;

export class Recorder {
  readonly #options: Required<RecorderOptions>;
  readonly #fold = new Fold();
  #descriptor: number | undefined;
  #gathered: string[] = [];
  #gatheredCharacters = 0;
  #characters = 0;
  #timer: Timer | undefined;

  constructor(options: RecorderOptions) {
    this.#options = { charactersMax: defaultCharactersMax, filesMax: defaultFilesMax, ...options };
    this.#guarded(() => this.#open());
  }

  add(line: string, record: InspectorRecord): void {
    if (this.#descriptor === undefined) return;
    if (this.#characters > this.#options.charactersMax) this.#guarded(() => this.#rotate());
    this.#gather(line);
    this.#fold.add(record);
  }

  /** Writes what was gathered and closes the file. */
  close(): void {
    this.#guarded(() => this.#flush());
    this.#release();
  }

  #gather(line: string): void {
    this.#gathered.push(line, '\n');
    this.#gatheredCharacters += line.length + 1;
    this.#characters += line.length + 1;
    if (this.#gatheredCharacters > gatheredCharactersMax) this.#guarded(() => this.#flush());
    else this.#timer ??= this.#options.time.after(gatherMs, () => this.#guarded(() => this.#flush()));
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const text = this.#gathered.join('');
    this.#gathered = [];
    this.#gatheredCharacters = 0;
    if (this.#descriptor === undefined || text === '') return;
    const bytes = Buffer.from(text);
    // A write may take only a part of the bytes.
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#descriptor, bytes, written);
  }

  #rotate(): void {
    const { path, filesMax } = this.#options;
    this.#flush();
    this.#release();
    rmSync(`${path}.${filesMax - 1}`, { force: true });
    for (let age = filesMax - 2; age >= 0; age--) renameIfThere(nameOf(path, age), nameOf(path, age + 1));
    this.#open();
    for (const record of recordsOf(this.#fold)) this.#gather(JSON.stringify(record));
  }

  #open(): void {
    this.#characters = 0;
    // Opening a pipe that has no reader would block the whole node.
    this.#descriptor = openSync(this.#options.path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0o600);
    // A file that existed keeps its mode; it is empty now.
    if (fstatSync(this.#descriptor).isFile()) fchmodSync(this.#descriptor, 0o600);
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#gathered = [];
      this.#release();
      this.#options.onError(error);
    }
  }
}

function nameOf(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}
