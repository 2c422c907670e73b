/** `statemesh start`: runs a node in the foreground. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { addFieldOptions } from './field-options.js';
import type { StartOptions } from './start-node.js';

const help = `
Every option has an environment variable, shown in brackets. The cluster key comes only from STATEMESH_CLUSTER_KEY or the
configuration file, because every user can read a command line.

The configuration is watched: a change of the file, or on the server, takes effect without a restart; an invalid change is refused and
reported. Options and variables take precedence over it, so a server may provide the common fields for many nodes, and each node sets its
NodeId and the key. A pipe, as in --config <(...), is read once. SIGHUP makes the node read its configuration at once; in a
terminal, it ends the node.

With --json, standard output has one JSON object per line: {"event":"running","nodeId","host","port",
"dataDir","processId"}, then {"event":"stopped"}; or {"event":"failed","code","message"}. Logs go to standard error, as JSON
unless that is a terminal.

Examples:
  statemesh init && statemesh start
  statemesh start --config /etc/statemesh/shop-1.json --port 9000
  STATEMESH_CONFIG_TOKEN=... statemesh start --config-url https://config.example.com/shop-1.json
  STATEMESH_CLUSTER_KEY=... statemesh start --node-id shop-1 --cluster-salt shops-of-rome --json`;

export function defineStart(command: Command): void {
  command
    .option('--config <file>', 'the configuration file; default: ./statemesh.json, if it exists [STATEMESH_CONFIG]')
    .option(
      '--config-url <url>',
      'get the configuration from this web server, with STATEMESH_CONFIG_TOKEN [STATEMESH_CONFIG_URL]',
    )
    .option('--daemon-ready', 'tell systemd when the node serves and when it stops (Type=notify, NotifyAccess=all)')
    .option('--audit-log <file>', 'append the audit log, as JSON lines, to this file instead of standard error')
    .option(
      '--inspect-url',
      'print the full address of the inspector with --json and into a file, too: it admits everyone who has it',
    )
    .option('--json', 'print events as JSON lines');
  addFieldOptions(command);
  const { ok, failed, badInput, taken, database, interrupted, terminated } = exitCodes;
  const codes = [ok, failed, badInput, taken, database, interrupted, terminated];
  const ownCodes = {
    [ok]: 'stopped gracefully',
    [interrupted]: 'ended at once by a second Ctrl-C',
    [terminated]: 'ended at once by a second SIGTERM',
  };
  command.addHelpText('after', help).addHelpText('after', exitCodeHelp(codes, ownCodes));
  command.action(async (options: StartOptions) => {
    // The node continues when its output has no reader, or the disk of its output is full.
    process.stdout.removeAllListeners('error').on('error', () => {});
    const { start } = await import('./start-node.js');
    process.exitCode = await start(options);
    // Everything is closed by now. Open handles of a library must not keep the process of a stopped node alive.
    process.exit();
  });
}
