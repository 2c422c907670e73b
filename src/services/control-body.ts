/**
 * Reading the body of a control request, with bounds: whole as JSON, or line by line.
 *
 * Invariant: leaving off early does not close the request, whose connection still has to carry the answer.
 */
import type { Readable } from 'node:stream';
import { messageOf, StatemeshError } from '../core/errors.js';
import { parseJsonText } from '../core/json-text.js';

const newline = 0x0a;

/** The value of a JSON body, undefined when it is empty. @throws StatemeshError `requestInvalid` */
export async function readJson(body: Readable, bytesMax: number): Promise<{ readonly value: unknown } | 'tooLarge'> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(body)) {
    bytes += chunk.length;
    if (bytes > bytesMax) return 'tooLarge';
    chunks.push(chunk);
  }
  if (bytes === 0) return { value: undefined };
  const text = decode(Buffer.concat(chunks), 'The body');
  try {
    return { value: parseJsonText(text) };
  } catch (error) {
    throw invalid(`The body cannot be taken: ${messageOf(error)}.`);
  }
}

/**
 * The lines of a body without their ends. The last one needs none.
 * @throws StatemeshError `requestInvalid` for a line that is too long or not UTF-8; the lines before it have been given
 */
export async function* readLines(body: Readable, lineBytesMax: number): AsyncGenerator<string, void, void> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > lineBytesMax) throw invalid(`The line is longer than ${lineBytesMax} bytes`);
    parts.push(part);
  };
  const take = (): string => {
    const line = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    return decode(line, 'The line');
  };
  for await (const chunk of chunksOf(body)) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (bytes > 0) yield take();
}

function chunksOf(body: Readable): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

// Drops a byte order mark, which some editors put at the start of a file.
const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid(`${what} is not UTF-8`);
  }
}

function invalid(message: string): StatemeshError {
  return new StatemeshError('requestInvalid', message);
}
