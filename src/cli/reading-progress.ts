/** How far a file has been read, as a bar on standard error, when that is a terminal. */
import cliProgress from 'cli-progress';
import { bytes } from './output.js';

export interface ReadingProgress {
  readonly read: (bytesRead: number) => void;
  readonly end: () => void;
}

export function createReadingProgress(total: number): ReadingProgress {
  if (!process.stderr.isTTY) return { read() {}, end() {} };
  const bar = new cliProgress.SingleBar(
    { format: 'Reading {bar} {read} of {size}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    cliProgress.Presets.shades_classic,
  );
  const size = bytes(total);
  bar.start(total, 0, { read: bytes(0), size });
  return {
    read: (bytesRead) => bar.update(bytesRead, { read: bytes(bytesRead) }),
    end: () => bar.stop(),
  };
}
