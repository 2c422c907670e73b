/** `statemesh doctor`: checks an installation and its node, and says what to do. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { addFieldOptions } from './field-options.js';

const help = `
It checks the installation, the configuration, the data directory, the disk, the database (every page and the hash of every entry), ports and the clock,
and, when the node runs, its peers. It changes nothing, except with --repair: then it removes quarantined documents (unusable documents of statemesh itself)
from the database of a node that does not run, and lists them; the other nodes remove them when the node runs again. The exit code is that of the worst finding; warnings leave it at 0.
A failure that is over is reported for two hours; \`statemesh status\` shows the last one and its age for as long as the node runs.

With --json, standard output has one line per finding, {"check","state","message","advice"?,"code"?}, where state is ok, warning or failed.

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
