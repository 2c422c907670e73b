/** `statemesh doctor`: checks an installation and its node, and says what to do. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { addFieldOptions } from './field-options.js';

const help = `
The command checks the installation, the configuration, the data directory, the disk and the clock. When the node runs, it
asks the node about its peers and its last failure. When the node does not run, it checks the ports and the database:
every page, the hash of every entry, and malformed documents.

It changes nothing, except with --repair: then it removes quarantined documents (unusable documents of statemesh itself)
from the database of a node that does not run, and lists them. The other nodes remove them when the node runs again.

The exit code is that of the first finding that failed; a warning leaves it at 0. A failure that is over is a warning for
two hours; \`statemesh status\` shows the last one and its age for as long as the node runs.

With --json, standard output has one line for each finding, {"check","state","message","advice"?,"code"?}, where state is
ok, warning or failed.

Examples:
  statemesh doctor
  statemesh doctor --config /etc/statemesh/shop-1.json --json
  statemesh stop && statemesh doctor --repair && statemesh start`;

export function defineDoctor(command: Command): void {
  const { ok, failed, badInput, taken, database } = exitCodes;
  command
    .option('--config <file>', 'the configuration file of the node [STATEMESH_CONFIG]')
    .option('--repair', 'remove the documents in quarantine; the node must not run')
    .option('--json', 'print JSON lines');
  addFieldOptions(command);
  command.addHelpText('after', help).addHelpText('after', exitCodeHelp([ok, failed, badInput, taken, database]));
  command.action(async (options: Record<string, unknown>) => {
    const { examineAll } = await import('./doctor-findings.js');
    process.exitCode = await examineAll(options);
  });
}
