/** The heap of this process. */
import { getHeapStatistics } from 'node:v8';

/** The size beyond which V8 ends the process: what `--max-old-space-size` says, or a share of the machine's memory. */
export function heapBytesMax(): number {
  return getHeapStatistics().heap_size_limit;
}
