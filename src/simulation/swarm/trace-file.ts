/**
 * The trace of a run as a file of JSON lines: what happened in the words of the protocol, for readers and their tools,
 * and between them the records of the inspector, for `statemesh inspect`.
 *
 * Invariants: each line is written before the run continues, so the trace of a run that hangs or dies ends where the
 * run did. A failure of the file never disturbs the run: it is reported at the end.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { StatemeshError } from '../../core/errors.js';
import type { InspectorRecord } from '../../inspector/records.js';
import type { TraceLine } from '../trace.js';

export interface TraceFile {
  write(this: void, line: TraceLine | InspectorRecord): void;
  /** @throws StatemeshError `requestInvalid` when a line could not be written */
  close(): void;
}

/**
 * Replaces the file.
 *
 * @throws StatemeshError `requestInvalid` when it cannot be written
 */
export function openTraceFile(path: string): TraceFile {
  const guarded = <T>(act: () => T): T => {
    try {
      return act();
    } catch (cause) {
      const message = `The trace cannot be written to ${path} (${(cause as { code?: string }).code}): choose another file.`;
      throw new StatemeshError('requestInvalid', message, { cause });
    }
  };
  const descriptor = guarded(() => openSync(path, 'w'));
  let problem: unknown;
  return {
    write(line) {
      if (problem !== undefined) return;
      try {
        guarded(() => writeSync(descriptor, `${JSON.stringify(line)}\n`));
      } catch (error) {
        problem = error;
      }
    },
    close() {
      closeSync(descriptor);
      if (problem !== undefined) throw problem;
    },
  };
}
