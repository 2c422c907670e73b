/**
 * Lines of UTF-8 from bytes that arrive in pieces. The length of a line is bounded, so input without a line end cannot
 * fill the memory.
 */
import { StatemeshError } from './errors.js';

const newline = 0x0a;

/**
 * The lines without their line ends. The last line needs no end.
 *
 * @throws StatemeshError `requestInvalid` for a line that is too long or not UTF-8; the lines before it have been
 * yielded
 */
export async function* byteLines(
  chunks: AsyncIterable<Buffer>,
  lineBytesMax: number,
): AsyncGenerator<string, void, void> {
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
    return decodeUtf8(line, 'The line');
  };
  for await (const chunk of chunks) {
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

// Drops a byte order mark, which some editors put at the start of a file.
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes bytes strictly.
 *
 * @param what Names the bytes in the error message
 * @throws StatemeshError `requestInvalid`
 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid(`${what} is not UTF-8`);
  }
}

function invalid(message: string): StatemeshError {
  return new StatemeshError('requestInvalid', message);
}
