/** A figure of the bench, and what it works with. */
import type { ConfigurationInput } from 'statemesh';
import type { Workers } from './workers.js';
import type { Workspace } from './workspace.js';

export interface Figure {
  /** The name for `--only`. */
  readonly name: string;
  readonly about: string;
  measure(bench: Bench): Promise<Result[]>;
}

/** One line of the table. */
export interface Result {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** What the bare parts reach, in the same unit; left out when nothing comparable exists. */
  readonly limit?: number;
  /** What the ratio of value to limit should be; left out when there is no promise. */
  readonly target?: Target;
  readonly rounds: number;
  readonly note: string;
}

export type Target = { readonly atLeast: number } | { readonly atMost: number };

export interface Bench {
  readonly quick: boolean;
  readonly workspace: Workspace;
  readonly workers: Workers;
  /** The rounds from the command line, otherwise the figure's own. */
  rounds(usual: { quick: number; full: number }): number;
  show(text: string): void;
  /** The directory of a database of the node `filledNodeId` with this many documents; no process has it open. */
  filledDatabase(documents: number): Promise<FilledDatabase>;
}

export interface FilledDatabase {
  readonly dataDir: string;
  readonly path: string;
}

export const filledNodeId = 'sender';

/** All nodes of the bench are in one cluster, and know only the peers that they are given. */
export const nodeDefaults = {
  clusterKey: 'the bench has no secrets',
  clusterSalt: 'statemesh-bench',
  discovery: false,
} satisfies Partial<ConfigurationInput>;

export function createBench(options: {
  readonly quick: boolean;
  readonly rounds: number | undefined;
  readonly workspace: Workspace;
  readonly workers: Workers;
  show(text: string): void;
}): Bench {
  const { quick, rounds, workspace, workers, show } = options;
  const filled = new Map<number, Promise<FilledDatabase>>();

  const fill = async (documents: number): Promise<FilledDatabase> => {
    show(`writing a database of ${documents} documents`);
    const dataDir = workspace.directory(`filled-${documents}`);
    const worker = workers.start('node');
    const { path } = await worker.call('start', { ...nodeDefaults, nodeId: filledNodeId, dataDir });
    await worker.call('fill', documents);
    await worker.close();
    return { dataDir, path };
  };

  return {
    quick,
    workspace,
    workers,
    show,
    rounds: (usual) => rounds ?? (quick ? usual.quick : usual.full),
    filledDatabase(documents) {
      const present = filled.get(documents) ?? fill(documents);
      filled.set(documents, present);
      return present;
    },
  };
}
