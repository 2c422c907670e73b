/**
 * Measurements of a node while it works. The services report to the node's meter, which passes them on to its readings.
 * Without readings, measuring costs next to nothing.
 */
import type { Frame } from '../wire/messages.js';

/** The direction of traffic, as this node sees it. */
export type Way = 'sent' | 'received';

/** Receives the measurements. Durations are in seconds. */
export interface Readings {
  bytes(way: Way, bytes: number): void;
  frame(way: Way, type: Frame['type']): void;
  /** Time from sending a batch to its acknowledgement, when the other side has it on disk. */
  batchAcknowledged(seconds: number): void;
  /** Time from a local write's request to its commit on disk. */
  written(seconds: number): void;
  /** A transaction with this many entries, of this node or of others, and how long it took. */
  committed(entries: number, from: 'local' | 'remote', seconds: number): void;
}

/** The meter of one node. */
export class Meter {
  /** Undefined: nothing is measured. */
  readings: Readings | undefined;
}
