/** `statemesh start`: a node in the foreground. */
import type { Command } from 'commander';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { addFieldOptions } from './field-options.js';
import type { StartOptions } from './start-node.js';

const help = `
Every option has an environment variable, shown in brackets. The cluster key has none but STATEMESH_CLUSTER_KEY and the
configuration file: a command line can be read by every user.

The configuration is watched: what changes in the file, or on the server, takes effect without a restart, and what is wrong
is refused and told. Options and variables stay in force over it, so a server may give a part to many nodes, and leave to each its
NodeId and the key. A pipe, as in --config <(...), is read once. SIGHUP looks at once, unless there is a terminal, whose end it means.

With --json, standard output has one JSON object a line: {"event":"running","nodeId","host","port",
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
    .option('--audit-log <file>', 'append the audit log, as JSON lines, to this file and not to standard error')
    .option(
      '--inspect-url',
      'tell the whole address of the inspector with --json and in a file, too: it lets in whoever has it',
    )
    .option('--json', 'print events as JSON lines');
  addFieldOptions(command);
  const { ok, failed, badInput, taken, database, interrupted, terminated } = exitCodes;
  const codes = [ok, failed, badInput, taken, database, interrupted, terminated];
  command.addHelpText('after', help).addHelpText('after', exitCodeHelp(codes));
  command.action(async (options: StartOptions) => {
    // A node serves on where nobody hears of it, or the disk of its output is full.
    process.stdout.removeAllListeners('error').on('error', () => {});
    const { start } = await import('./start-node.js');
    process.exitCode = await start(options);
    // Everything is closed by now. What a library may have left open must not keep a stopped node in the process table.
    process.exit();
  });
}
