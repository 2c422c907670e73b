/** `statemesh backup` and `statemesh restore`: make a copy of the database of a running node, and put it back. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import cliProgress from 'cli-progress';
import type { Command } from 'commander';
import { dataDirOf, fileDataDirOf, type PlaceOptions, readConfigurationFile, variable } from './configuration-file.js';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { badInput } from './failures.js';
import { placeFor } from './file-place.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { nodeIdOf, refuseRunning } from './node-at-rest.js';
import { bytes, print, printJson } from './output.js';

interface BackupOptions extends TalkOptions {
  readonly force?: boolean;
}

interface RestoreOptions extends PlaceOptions {
  readonly fromPeers?: boolean;
  readonly nodeId?: string;
  readonly json?: boolean;
}

export function defineBackup(command: Command): void {
  command
    .argument('<file>', 'the copy, for example /backups/shop-1.db')
    .option('--force', 'replace the file if there is one')
    .addHelpText(
      'after',
      '\nThe node continues to serve. The copy appears under its name when it is complete. A missing directory is created.',
    );
  defineTalking(command, {
    json: 'print {"file","bytes"} at the end',
    examples: ['statemesh backup /backups/shop-1.db', 'statemesh backup --force /backups/latest.db --json'],
  }).action(async (name: string, options: BackupOptions) => {
    const file = placeFor(name, options);
    const progress = createProgress();
    try {
      for await (const line of nodeAt(options).stream('backup', { body: { file } })) progress.update(line as Progress);
    } finally {
      progress.end();
    }
    const { size } = statSync(file);
    if (options.json) printJson({ file, bytes: size });
    else print(`The database is copied to ${file} (${bytes(size)}).`);
  });
}

const restoreHelp = `
The node must not run. Every page of the copy is checked first. The old database of the node stays in the data directory, as
NODEID.db.before-restore. When the node runs again, it gets from its peers what they have: later documents than those in
the copy or, with --from-peers, all documents. A second node with the same NodeId must not run elsewhere.

Examples:
  statemesh restore /backups/shop-1.db --data-dir ./data
  statemesh restore --from-peers && statemesh start`;

export function defineRestore(command: Command): void {
  const { ok, failed, badInput: bad, taken, database } = exitCodes;
  command
    .argument('[file]', 'the file that `statemesh backup` made')
    .option(
      '--from-peers',
      'without a copy: the node starts with an empty database, and fetches everything from its peers',
    )
    .option('--data-dir <path>', 'the data directory of the node [STATEMESH_DATA_DIR]')
    .option('--config <file>', 'the configuration file of the node [STATEMESH_CONFIG]')
    .option('--node-id <id>', 'the node whose database it is; refuse the copy of another node')
    .option('--json', 'print {"nodeId","path","setAside"}')
    .addHelpText('after', restoreHelp)
    .addHelpText('after', exitCodeHelp([ok, failed, bad, taken, database]))
    .action(async (file: string | undefined, options: RestoreOptions) => {
      if ((file === undefined) !== (options.fromPeers === true)) {
        throw badInput(
          file === undefined
            ? 'Name the copy to put back, or use --from-peers.'
            : 'Use either the copy to put back or --from-peers, not both.',
        );
      }
      const dataDir = dataDirOf(options);
      await refuseRunning(dataDir);
      const { restoreDatabase, setDatabaseAside } = await import('../index.js');
      const restored =
        file === undefined
          ? setDatabaseAside({ dataDir, nodeId: nodeIdOf(options) })
          : restoreDatabase({ backup: resolve(file), dataDir, nodeId: options.nodeId });
      if (options.json) {
        printJson(restored);
        return;
      }
      if (file !== undefined) print(`The database of ${restored.nodeId} is restored: ${restored.path}.`);
      else print(`Start ${restored.nodeId}: it fetches everything from its peers.`);
      const configured = configuredNodeIdIn(dataDir, options);
      if (configured !== undefined && configured !== restored.nodeId) print(otherNode(configured, restored.nodeId));
      if (restored.setAside !== undefined) print(`The old database is set aside: ${restored.setAside}.`);
    });
}

/**
 * The node that the configuration starts in the directory, as far as it can be read: a restore does not depend on it.
 */
function configuredNodeIdIn(dataDir: string, options: RestoreOptions): string | undefined {
  try {
    const file = readConfigurationFile(options);
    if (file === undefined || fileDataDirOf(file) !== dataDir) return undefined;
    const nodeId = variable('STATEMESH_NODE_ID') ?? file.fields.nodeId;
    return typeof nodeId === 'string' ? nodeId : undefined;
  } catch {
    return undefined;
  }
}

function otherNode(configured: string, restored: string): string {
  return `It is not the database of ${configured}, which the configuration starts: \`statemesh start --node-id ${restored}\` starts with it.`;
}

type Progress = { readonly pages?: number; readonly pagesTotal?: number };

function createProgress(): { update(progress: Progress): void; end(): void } {
  if (!process.stderr.isTTY) return { update() {}, end() {} };
  const bar = new cliProgress.SingleBar(
    { format: 'Copying {bar} {percentage} %', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    cliProgress.Presets.shades_classic,
  );
  bar.start(1, 0);
  return {
    update({ pages, pagesTotal }) {
      if (pages === undefined || pagesTotal === undefined) return;
      bar.setTotal(pagesTotal);
      bar.update(pages);
    },
    end: () => bar.stop(),
  };
}
