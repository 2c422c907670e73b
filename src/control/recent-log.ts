/**
 * The last lines of a node's log, kept in memory. Everyone who may use the control socket can read them, wherever the
 * node's standard error goes.
 *
 * Invariants: the number of lines and of their characters is bounded by `limits`; the oldest go first. A reader that
 * falls behind learns how many lines it has missed, and delays no other reader.
 */
import { foreignText } from '../core/foreign-text.js';
import { limits } from '../core/limits.js';

/** The part of a pino logger that is used. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Set to `logLevel` when that is reconfigured, if the logger has a level. */
  level?: string;
}

const levels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export interface LogLine {
  /** Wall clock, ms since 1970. */
  readonly atMs: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

/** Stands for lines that were dropped before they could be read. */
export interface MissedLines {
  readonly missed: number;
}

export interface ReadLogOptions {
  /** How many of the existing lines to read; default: all that are kept. */
  readonly last?: number | undefined;
  /** Continues with every new line, until the signal is aborted or the log ends. */
  readonly follow?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** Passes log lines on, and keeps those that the level lets through. */
export class RecentLog implements Logger {
  readonly #target: Logger | undefined;
  readonly #now: () => number;
  readonly #isRead: boolean;
  /** Used when the target has no level of its own. */
  #level = 'info';
  #lines: LogLine[] = [];
  #characters = 0;
  /** Lines that were dropped before the first one that is kept. */
  #dropped = 0;
  #isEnded = false;
  readonly #waiting = new Set<() => void>();

  /**
   * @param now Wall clock, ms since 1970
   * @param isRead Whether people read what the target is given, as on a terminal
   */
  constructor(target: Logger | undefined, now: () => number, { isRead = false }: { readonly isRead?: boolean } = {}) {
    this.#target = target;
    this.#now = now;
    this.#isRead = isRead;
  }

  get level(): string {
    return this.#asked((target) => target.level) ?? this.#level;
  }

  set level(level: string) {
    this.#level = level;
    this.#asked((target) => {
      if (target.level !== undefined) target.level = level;
    });
  }

  debug(fields: object, message: string): void {
    this.#asked((target) => target.debug(fields, message));
    this.#keep('debug', message);
  }

  info(fields: object, message: string): void {
    this.#asked((target) => target.info(fields, message));
    this.#keep('info', message);
  }

  /** A line for programs, about an event that has another line for people. */
  infoBeside(fields: object, message: string): void {
    if (!this.#isRead) this.#asked((target) => target.info(fields, message));
  }

  warn(fields: object, message: string): void {
    this.#asked((target) => target.warn(fields, message));
    this.#keep('warn', message);
  }

  error(fields: object, message: string): void {
    this.#asked((target) => target.error(fields, message));
    this.#keep('error', message);
  }

  /** Ends the log: a following reader ends after the last line. */
  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** The lines in order. */
  async *read({ last, follow = false, signal }: ReadLogOptions): AsyncGenerator<LogLine | MissedLines, void, void> {
    const kept = Math.min(last ?? this.#lines.length, this.#lines.length);
    let place = this.#dropped + this.#lines.length - kept;
    const end = place + kept;
    while (!signal.aborted) {
      if (place < this.#dropped) {
        const missed = this.#dropped - place;
        place = this.#dropped;
        yield { missed };
        // More lines may have been dropped before the reader came back.
        continue;
      }
      const line = this.#lines[place - this.#dropped];
      if (line !== undefined && (follow || place < end)) {
        place += 1;
        yield line;
      } else if (follow && !this.#isEnded) {
        await this.#next(signal);
      } else return;
    }
  }

  /** The answer of the target, if it has one. A logger that throws loses its line, and does not harm the node. */
  #asked<T>(ask: (target: Logger) => T): T | undefined {
    try {
      return this.#target && ask(this.#target);
    } catch {
      return undefined;
    }
  }

  #keep(level: LogLine['level'], message: string): void {
    if (levels.indexOf(level) < levels.indexOf(this.level)) return;
    const line = { atMs: this.#now(), level, message: foreignText(message, { lengthMax: limits.logLineLengthMax }) };
    this.#lines.push(line);
    this.#characters += line.message.length;
    while (this.#lines.length > limits.logLinesMax || this.#characters > limits.logCharactersMax) {
      this.#characters -= this.#lines.shift()?.message.length ?? 0;
      this.#dropped += 1;
    }
    this.#wake();
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}
