/**
 * Texts from the shell: arguments and standard input, which are bytes.
 *
 * Invariants: bytes that are not UTF-8 are refused. Node.js would replace them with U+FFFD, and so turn different
 * inputs into one text. No more is read than a node accepts in one request.
 */
import { fstatSync, readFileSync } from 'node:fs';
import {
  controlLimits,
  type ErrorCode,
  JsonTextError,
  messageOf,
  parseJsonText,
  StatemeshError,
  systemCodeOf,
} from '../control/protocol.js';
import { badInput } from './failures.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * All of standard input.
 *
 * @throws StatemeshError `requestInvalid`: too long, unreadable, or the line that is not UTF-8
 */
export async function standardInput(): Promise<string> {
  const bytes = await wholeInput();
  const text = decode(bytes);
  if (text !== undefined) return text;
  const line = linesOf(bytes).findIndex((part) => decode(part) === undefined) + 1;
  throw badInput(`Line ${line} of standard input is not UTF-8: convert it, for example with iconv.`);
}

/**
 * Standard input as a stream.
 *
 * @throws StatemeshError `requestInvalid` for a directory, which Node.js reads as an empty input
 */
export function inputStream(): NodeJS.ReadStream {
  if (isDirectory()) throw badInput('Standard input is a directory: name a file.');
  return process.stdin;
}

/** @throws StatemeshError `requestInvalid` */
export function inputUnreadable(error: unknown, file = 'Standard input'): StatemeshError {
  return badInput(`${file} cannot be read (${systemCodeOf(error) ?? 'unknown reason'}).`);
}

async function wholeInput(): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of inputStream() as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > controlLimits.bodyBytesMax) {
        throw badInput(`Standard input has more than ${controlLimits.bodyBytesMax} bytes: is it the right one?`);
      }
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof StatemeshError ? error : inputUnreadable(error);
  }
  return Buffer.concat(pieces);
}

function isDirectory(): boolean {
  try {
    return fstatSync(0).isDirectory();
  } catch {
    // A closed standard input is empty.
    return false;
  }
}

/** How to keep a shell from splitting a text. */
export const quotingAdvice = 'In a shell, put single quotes around JSON, as in \'{"a":1}\'.';

/**
 * JSON in an argument.
 *
 * @throws StatemeshError `code`: what is wrong with it. If it is not JSON, also how to quote it, because a shell has
 * often removed the quotes
 */
export function jsonArgument(json: string, what: string, code: ErrorCode): unknown {
  try {
    return parseJsonText(json);
  } catch (error) {
    const isChangedByShell = !(error instanceof JsonTextError) || error.path === undefined;
    throw badInput(`${what} cannot be taken: ${messageOf(error)}.${isChangedByShell ? ` ${quotingAdvice}` : ''}`, code);
  }
}

/**
 * @throws StatemeshError `requestInvalid` for arguments that are not UTF-8, as far as the system shows the original
 * bytes
 */
export function assertExactArguments(argv: readonly string[]): void {
  // Only a text with this character can stand for other bytes.
  if (!argv.some((argument) => argument.includes('\uFFFD'))) return;
  const given = commandLine();
  if (given === undefined || decode(given) !== undefined) return;
  throw badInput(
    'An argument is not UTF-8: run the command in a terminal with a UTF-8 locale, or give the text in a file.',
  );
}

/** The bytes of all arguments, on systems with /proc. */
function commandLine(): Uint8Array | undefined {
  try {
    return readFileSync('/proc/self/cmdline');
  } catch {
    return undefined;
  }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function linesOf(bytes: Buffer): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf('\n'); end !== -1; end = bytes.indexOf('\n', start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return [...lines, bytes.subarray(start)];
}
