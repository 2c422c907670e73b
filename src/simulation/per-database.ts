/** A value per database: a machine has one database for each identity that it has ever had. */
import type { NodeId } from '../core/ids.js';
import type { NodeProcess } from './node.js';

export class PerDatabase<T> {
  readonly #byProcess = new Map<NodeProcess, Map<NodeId, T>>();

  get(process: NodeProcess, nodeId: NodeId): T | undefined {
    return this.#byProcess.get(process)?.get(nodeId);
  }

  set(process: NodeProcess, nodeId: NodeId, value: T): void {
    const ofProcess = this.#byProcess.get(process) ?? new Map<NodeId, T>();
    ofProcess.set(nodeId, value);
    this.#byProcess.set(process, ofProcess);
  }

  delete(process: NodeProcess, nodeId: NodeId): boolean {
    return this.#byProcess.get(process)?.delete(nodeId) === true;
  }

  deleteAll(process: NodeProcess): void {
    this.#byProcess.delete(process);
  }

  nodeIdsOf(process: NodeProcess): readonly NodeId[] {
    return [...(this.#byProcess.get(process)?.keys() ?? [])];
  }
}
