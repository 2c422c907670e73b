/**
 * Reads the body of a control request within bounds: whole as JSON, or line by line.
 *
 * Invariant: stopping early does not close the request, because its connection still has to carry the answer.
 */
import type { Readable } from 'node:stream';
import { byteLines, decodeUtf8 } from '../core/byte-lines.js';
import { messageOf, StatemeshError } from '../core/errors.js';
import { parseJsonText } from '../core/json-text.js';

/**
 * The value of a JSON body, undefined when the body is empty.
 *
 * @throws StatemeshError `requestInvalid`
 */
export async function readJson(body: Readable, bytesMax: number): Promise<{ readonly value: unknown } | 'tooLarge'> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(body)) {
    bytes += chunk.length;
    if (bytes > bytesMax) return 'tooLarge';
    chunks.push(chunk);
  }
  if (bytes === 0) return { value: undefined };
  const text = decodeUtf8(Buffer.concat(chunks), 'The body');
  try {
    return { value: parseJsonText(text) };
  } catch (error) {
    throw invalid(`The body cannot be taken: ${messageOf(error)}.`);
  }
}

/**
 * The lines of a body.
 *
 * @throws as {@link byteLines}
 */
export function readLines(body: Readable, lineBytesMax: number): AsyncGenerator<string, void, void> {
  return byteLines(chunksOf(body), lineBytesMax);
}

function chunksOf(body: Readable): AsyncIterable<Buffer> {
  return body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function invalid(message: string): StatemeshError {
  return new StatemeshError('requestInvalid', message);
}
