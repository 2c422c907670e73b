/** Waits for conditions, and meanwhile shows how many cities each node has. */
import type { Cluster } from './cluster.js';
import type { ClusterNode } from './cluster-node.js';
import { bar, type Screen } from './screen.js';

/** A condition that is not met by then has failed. */
const deadlineMs = 60_000;
/** Counting costs a node some milliseconds. */
const pollIntervalMs = 100;

export class Progress {
  readonly #counts = new Map<ClusterNode, number>();
  readonly #notes = new Map<ClusterNode, string>();

  constructor(
    readonly cluster: Cluster,
    readonly screen: Screen,
    readonly total: number,
  ) {}

  /** The number of cities that a node had at the last look. */
  countOf(node: ClusterNode): number {
    return this.#counts.get(node) ?? 0;
  }

  /** Shows a note beside the bar of a node. */
  note(node: ClusterNode, note: string): void {
    this.#notes.set(node, note);
    this.#draw();
  }

  /**
   * Polls the condition, and shows bars.
   *
   * @throws Error that names the condition that was not met in time
   */
  async until(what: string, isTrue: () => boolean): Promise<void> {
    await until(this.cluster.signal, what, async () => {
      await Promise.all(this.cluster.nodes.filter(({ isRunning }) => isRunning).map((node) => this.look(node)));
      this.#draw();
      return isTrue();
    });
  }

  /** Counts the cities of a node. */
  async look(node: ClusterNode): Promise<number> {
    const { count } = await node.call<{ count: number }>('count', { collection: 'cities' });
    this.#counts.set(node, count);
    return count;
  }

  #draw(): void {
    this.screen.show(
      this.cluster.nodes.map((node) => bar(node.name, this.countOf(node), this.total, this.#notes.get(node))),
    );
  }
}

/** @throws Error that names the condition that was not met in time */
export async function until(signal: AbortSignal, what: string, look: () => Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await look())) {
    signal.throwIfAborted();
    if (performance.now() - startedMs > deadlineMs) throw new Error(`not within ${deadlineMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
  }
}
