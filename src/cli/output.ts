/**
 * Output for users and programs: tables and sentences for users, JSON for programs.
 *
 * Invariants: colors only where the terminal has them (NO_COLOR and TERM=dumb are respected). No foreign text
 * (documents, names, failures of peers) reaches a terminal with control characters in it.
 */
import { styleText } from 'node:util';
import { foreignText, plural } from '../control/protocol.js';

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a line, and waits for a slow reader, because there may be more lines than fit in memory. */
export async function written(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

export function printError(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints a hint on standard error, which is not an error. */
export function hintAt(hint: string, { json }: { readonly json?: boolean }): void {
  printError(json ? jsonOf({ hint }) : `hint:  ${hint}`);
}

/** One JSON text on one line. */
export function printJson(value: unknown): void {
  print(jsonOf(value));
}

/** JSON that is safe to print: control characters occur only in texts, where they can be escaped. */
export function jsonOf(value: unknown, space?: number): string {
  return JSON.stringify(value, undefined, space).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A foreign text on one line. */
export function clean(text: string): string {
  return foreignText(text, { lengthMax: foreignLengthMax });
}

/** The longest foreign text on one line, in characters. */
const foreignLengthMax = 2_000;

export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  // Checked here whether the stream takes colors: styleText of Node.js 20 does not check, and later versions would
  // check again.
  return stream.isTTY && stream.hasColors() ? styleText(style, text) : text;
}

/** Columns as wide as their widest cell; the caller's choice of columns aligns numbers, which are texts here. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const format = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [paint('bold', format(header)), ...rows.map(format)].join('\n');
}

/** Names and values, one pair per line. */
export function list(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`).join('\n');
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 document`, `2,000 documents`. */
export function counted(value: number, one: string, many?: string): string {
  return `${count(value)} ${plural(value, one, many)}`;
}

export function bytes(value: number): string {
  const units = [plural(value, 'byte'), 'KiB', 'MiB', 'GiB', 'TiB'];
  const exponent = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
  const digits = exponent === 0 ? 0 : 1;
  return `${(value / 1024 ** exponent).toFixed(digits)} ${units[exponent]}`;
}

/** `host:port`, an IPv6 host in brackets. */
export function addressText(host: string | undefined, port: number | undefined): string {
  return `${host?.includes(':') ? `[${host}]` : host}:${port}`;
}
