/**
 * Recorded traces of a node or a simulation, opened like a live node.
 *
 * Invariants: a file that is not a trace is refused with the number of its first wrong line. A last line that a crash
 * cut off is ignored.
 */
import { createReadStream } from 'node:fs';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { byteLines } from '../core/byte-lines.js';
import { decodeJson } from '../core/document.js';
import { isStatemeshError, messageOf, StatemeshError } from '../core/errors.js';
import { kinds, type OptionsShape, readOptions, wholeNumber } from '../core/options.js';
import { History } from './history.js';
import { statelyUrl } from './inspector.js';
import type { InspectorServer } from './inspector-server.js';

/** A recording, read into memory. */
export interface Trace {
  readonly history: History;
  /** The number of records. */
  readonly records: number;
}

/** What a browser can be expected to hold. */
const recordsMax = 5_000_000;
/** More than any record has. */
const lineBytesMax = 64 * 1024 * 1024;
const charactersMax = 2 * 1024 * 1024 * 1024;

/**
 * @param onProgress Called from time to time with the number of bytes read so far
 * @throws StatemeshError `traceInvalid`
 */
export async function readTrace(path: string, onProgress: (bytes: number) => void = () => {}): Promise<Trace> {
  const { recordSchema } = await import('./collect.js');
  const isRecord = (value: unknown): boolean => recordSchema.safeParse(value).success;
  const history = new History({ recordsMax, charactersMax });
  const input = createReadStream(path);
  let number = 0;
  let wrong: number | undefined;
  try {
    for await (const line of byteLines(input as AsyncIterable<Buffer>, lineBytesMax)) {
      // A wrong line that is not the last one.
      if (wrong !== undefined) throw invalid(path, `line ${wrong} is not a record.`);
      number += 1;
      if (number % progressEvery === 0) onProgress(input.bytesRead);
      const kind = kindOf(line, isRecord);
      if (kind === 'record') history.addLine(line);
      else if (kind === 'wrong') wrong = number;
      if (history.start > 0) throw invalid(path, `it has more than ${recordsMax} records: record less at a time.`);
    }
  } catch (error) {
    if (isStatemeshError(error) && error.code === 'traceInvalid') throw error;
    throw invalid(path, `${messageOf(error)}.`, error);
  } finally {
    input.destroy();
  }
  const { end: records } = history;
  if (records === 0) throw invalid(path, 'it has no records.');
  return { history, records };
}

const progressEvery = 10_000;

function kindOf(line: string, isRecord: (value: unknown) => boolean): 'record' | 'other' | 'wrong' {
  if (line.trim() === '') return 'other';
  const value = decodeJson(line);
  // Traces of simulations hold more lines than the inspector shows.
  if (typeof value === 'object' && value !== null && 'kind' in value && 'atMs' in value) return 'other';
  return isRecord(value) ? 'record' : 'wrong';
}

function invalid(path: string, why: string, cause?: unknown): StatemeshError {
  return new StatemeshError('traceInvalid', `${path} cannot be shown: ${why}`, { cause });
}

/** How a recording is shown. */
export interface ServeTraceOptions {
  /** On loopback; 0 lets the system choose a port. */
  readonly port: number;
  readonly title: string;
  readonly stately?: boolean | undefined;
}

const serveTraceShape: OptionsShape<ServeTraceOptions> = {
  complaint: 'Invalid options of serveTrace',
  code: 'configurationInvalid',
  fields: { port: wholeNumber(0, 65_535), title: kinds.text, stately: kinds.boolean },
  required: ['port', 'title'],
};

/** @throws StatemeshError `configurationInvalid`, `portInUse`, `addressUnavailable`, `inspectorUnavailable` */
export async function serveTrace({ history }: Trace, options: ServeTraceOptions): Promise<InspectorServer> {
  const { port, title, stately } = readOptions(options, serveTraceShape);
  const { serveInspector } = await import('./inspector-server.js');
  const randomness = systemRandomness();
  return serveInspector({
    history,
    port,
    title,
    isLive: false,
    time: systemTime(),
    token: `${randomness.token()}${randomness.token()}`,
    stately: stately === true ? statelyUrl : undefined,
  });
}
