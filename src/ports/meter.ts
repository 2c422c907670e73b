/**
 * What is measured of a node while it works. The services tell it to the node's meter, which passes it on to whoever counts, and costs next to
 * nothing while nobody does.
 */
import type { Frame } from '../wire/messages.js';

/** Which way something goes, as this node sees it. */
export type Way = 'sent' | 'received';

/** Who counts. Durations are in seconds. */
export interface Readings {
  bytes(way: Way, bytes: number): void;
  frame(way: Way, type: Frame['type']): void;
  /** From the sending of a batch to its acknowledgement: the other side has it on its disk. */
  batchAcknowledged(seconds: number): void;
  /** A local write, from the moment it was asked for to the one at which it is on the disk. */
  written(seconds: number): void;
  /** A transaction that brought so many entries, of this node or of others. */
  committed(entries: number, from: 'local' | 'remote', seconds: number): void;
}

/** One of a node. */
export class Meter {
  /** Undefined: nobody counts. */
  readings: Readings | undefined;
}
