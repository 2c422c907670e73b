/**
 * Texts as the shell hands them over: arguments and standard input, which are bytes.
 *
 * Invariant: bytes that are not UTF-8 are refused. Node.js would put U+FFFD in their place, and so make one text of different ones.
 */
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { badInput } from './failures.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** All of standard input. @throws StatemeshError `requestInvalid` naming the line that is not UTF-8 */
export async function standardInput(): Promise<string> {
  const bytes = await buffer(process.stdin);
  const text = decode(bytes);
  if (text !== undefined) return text;
  const line = linesOf(bytes).findIndex((part) => decode(part) === undefined) + 1;
  throw badInput(`Line ${line} of standard input is not UTF-8: convert it, for example with iconv.`);
}

/** @throws StatemeshError `requestInvalid` for arguments that are not UTF-8, as far as the system tells what they were */
export function assertExactArguments(argv: readonly string[]): void {
  // Only a text with this character can stand for other bytes.
  if (!argv.some((argument) => argument.includes('\uFFFD'))) return;
  const given = commandLine();
  if (given === undefined || decode(given) !== undefined) return;
  throw badInput(
    'An argument is not UTF-8: run the command in a terminal with a UTF-8 locale, or give the text in a file.',
  );
}

/** The bytes of all arguments, where there is a /proc. */
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
