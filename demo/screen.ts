/**
 * The output of the demo: the steps of the story with their timings, and below them a few lines that are redrawn.
 *
 * Invariants: escape codes go only to a terminal, colors only where they are wanted (NO_COLOR). The redrawn lines are
 * always the last ones, and none of them stays when the screen is closed.
 */
import { stripVTControlCharacters } from 'node:util';

/** The result of a step. */
export interface Outcome {
  /** What is now true, in one line. */
  readonly title: string;
  readonly details?: readonly string[];
}

export interface Screen {
  heading(title: string, lines: readonly string[]): void;
  /** A step has begun. */
  begin(title: string): void;
  done(outcome: Outcome, seconds: number): void;
  failed(title: string, reason: string): void;
  say(...lines: string[]): void;
  /** Replaces the redrawn lines; does nothing when the output cannot be redrawn. */
  show(lines: readonly string[]): void;
  /** The story is over. */
  total(passed: number, failed: number): void;
}

const titleWidth = 60;
const indent = '        ';
const barWidth = 28;

/** `ok <step> (1.23 s)`, for scripts and continuous integration. */
export function createCheckScreen(stream: NodeJS.WriteStream): Screen {
  const write = (line: string): void => void stream.write(`${line}\n`);
  return {
    heading: () => {},
    begin: () => {},
    done: ({ title }, seconds) => write(`ok ${title} (${seconds.toFixed(2)} s)`),
    failed: (title, reason) => write(`FAILED ${title}: ${reason}`),
    say: () => {},
    show: () => {},
    total: (passed, failed) => write(`${passed} passed, ${failed} failed`),
  };
}

/** The story, for a terminal. */
export function createStoryScreen(stream: NodeJS.WriteStream): Screen {
  const style = styleFor(stream);
  const moving = new MovingLines(stream);
  let step = 0;
  let running: readonly string[] = [];
  const write = (...lines: string[]): void => moving.above(lines.map((line) => (line === '' ? '' : `  ${line}`)));
  const numeral = () => String(step).padStart(2);
  const rest = (): void => {
    running = [];
    moving.show(running);
  };
  return {
    heading(title, lines) {
      write('', style.bold(title), ...lines.map(style.dim), '');
    },
    begin(title) {
      step += 1;
      running = [`  ${style.dim('…')} ${numeral()}  ${title}`];
      moving.show(running);
    },
    done({ title, details = [] }, seconds) {
      const [first = '', ...more] = wrap(title, titleWidth);
      const head = `${style.green('✔')} ${numeral()}  ${style.bold(first.padEnd(titleWidth))}`;
      rest();
      write(`${head}${style.dim(`${seconds.toFixed(2)} s`.padStart(9))}`);
      write(
        ...more.map((line) => `      ${style.bold(line)}`),
        ...details.map((line) => `      ${style.dim(line)}`),
        '',
      );
    },
    failed(title, reason) {
      rest();
      write(
        `${style.red('✘')} ${numeral()}  ${style.bold(title)}`,
        ...reason.split('\n').map((line) => `      ${line}`),
      );
    },
    say: (...lines) => write(...lines),
    show: (lines) => moving.show([...running, ...lines.map((line) => `${running.length > 0 ? indent : '  '}${line}`)]),
    total: rest,
  };
}

/** A row of a progress display: `node-b  ███████░░░░░  54 %   73,011`. */
export function bar(label: string, value: number, total: number, note = ''): string {
  const fraction = total === 0 ? 0 : Math.min(1, value / total);
  const full = Math.floor(fraction * barWidth);
  const percent = `${Math.floor(fraction * 100)} %`.padStart(5);
  return `${label}  ${'█'.repeat(full)}${'░'.repeat(barWidth - full)} ${percent} ${number(value).padStart(8)}  ${note}`;
}

/** With thousands separators. */
export function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Rows in aligned columns, each as wide as its widest cell; numbers are right-aligned. */
export function table(rows: readonly (readonly (string | number)[])[]): string[] {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? number(cell) : cell)));
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...texts.map((row) => row[column]?.length ?? 0)),
  );
  const isRight = Array.from({ length: columns }, (_, column) => rows.some((row) => typeof row[column] === 'number'));
  return texts.map((row) =>
    row
      .map((text, column) => (isRight[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('   ')
      .trimEnd(),
  );
}

/** The last lines of a terminal, which are redrawn. */
class MovingLines {
  readonly #stream: NodeJS.WriteStream;
  readonly #canMove: boolean;
  #shown: readonly string[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#canMove = stream.isTTY === true && process.env.TERM !== 'dumb';
  }

  /** Writes permanent lines above the redrawn ones. */
  above(lines: readonly string[]): void {
    this.#stream.write(`${this.#erasing()}${lines.map((line) => `${line}\n`).join('')}${this.#drawing()}`);
  }

  show(lines: readonly string[]): void {
    if (!this.#canMove) return;
    const fitting = lines.map((line) => this.#fitting(line));
    if (fitting.join('\n') === this.#shown.join('\n')) return;
    const erasing = this.#erasing();
    this.#shown = fitting;
    this.#stream.write(`${erasing}${this.#drawing()}`);
  }

  #erasing(): string {
    return this.#shown.length === 0 ? '' : `\r\u001b[${this.#shown.length}A\u001b[0J`;
  }

  #drawing(): string {
    return this.#shown.map((line) => `${line}\n`).join('');
  }

  /** A line that wrapped would be counted wrong. */
  #fitting(line: string): string {
    const columns = Math.max(20, this.#stream.columns ?? 80) - 1;
    const plain = stripVTControlCharacters(line);
    return plain.length <= columns ? line : plain.slice(0, columns);
  }
}

function styleFor(stream: NodeJS.WriteStream) {
  // `hasColors` knows NO_COLOR, FORCE_COLOR and TERM.
  const isColored = stream.isTTY === true && stream.hasColors();
  const paint = (on: number, off: number) => (text: string) =>
    isColored ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return { bold: paint(1, 22), dim: paint(2, 22), green: paint(32, 39), red: paint(31, 39) };
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
