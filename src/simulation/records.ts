/** The inspector's records of a world: of the actors of all its processes, and of what was done to it. */
import type { InspectionEvent } from 'xstate';
import { Feed } from '../inspector/feed.js';
import type { InspectorRecord } from '../inspector/records.js';
import type { NodeProcess } from './node.js';
import type { Observer } from './observer.js';

export interface RecordsOptions {
  nowMs(): number;
  /** The directory of the simulated disks: a path that the system chooses. */
  readonly diskRoot: string;
  sink(record: InspectorRecord): void;
}

export class Records implements Observer {
  readonly #options: RecordsOptions;
  /** The feeds of living processes. */
  readonly #feeds = new Map<NodeProcess, Feed>();
  #processes = 0;
  #meddlings = 0;

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  inspected(process: NodeProcess, event: InspectionEvent): void {
    const feed = this.#feeds.get(process) ?? this.#begin(process);
    feed.inspect(event);
  }

  ended(process: NodeProcess): void {
    this.#feeds.get(process)?.tell({ type: 'statemesh.process', what: 'ended' });
    this.#feeds.delete(process);
  }

  meddled(what: string, partition?: readonly (readonly string[])[]): void {
    this.#meddlings += 1;
    this.#options.sink({
      id: this.#meddlings,
      node: '',
      atMs: this.#options.nowMs(),
      type: 'statemesh.world',
      what,
      ...(partition !== undefined && { partition }),
    });
  }

  /** The same seed gives the same records, wherever its disks are. */
  #tell(record: InspectorRecord): void {
    const { diskRoot, sink } = this.#options;
    const text = JSON.stringify(record);
    sink(text.includes(diskRoot) ? (JSON.parse(text.replaceAll(diskRoot, '')) as InspectorRecord) : record);
  }

  #begin(process: NodeProcess): Feed {
    this.#processes += 1;
    const feed = new Feed({
      node: process.name,
      // Counted, not drawn, so that the same seed gives the same records.
      origin: `${process.name}:${this.#processes}`,
      now: () => this.#options.nowMs(),
      sink: (record) => this.#tell(record),
    });
    this.#feeds.set(process, feed);
    feed.tell({ type: 'statemesh.process', what: 'began' });
    return feed;
  }
}
