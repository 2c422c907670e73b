/** `statemesh config`: shows, checks and changes the configuration, and prints its schema. */
import type { Command } from 'commander';
import type { ConfigOptions } from './config-actions.js';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { assignmentHelp } from './field-assignments.js';

const configOption = [
  '--config <file>',
  'the configuration file; default: ./statemesh.json [STATEMESH_CONFIG]',
] as const;

const actions = () => import('./config-actions.js');

export function defineConfig(command: Command): void {
  const { ok, failed, badInput: wrong } = exitCodes;
  const sub = (name: string, description: string): Command =>
    command
      .command(name)
      .description(description)
      .copyInheritedSettings(command)
      .addHelpText('after', exitCodeHelp([ok, failed, wrong]));
  sub('show', 'show each value that a node would use, and where it comes from; secrets are not shown')
    .option(...configOption)
    .option('--json', 'print {"field":{"value","origin"}}')
    .action(async (options: ConfigOptions) => (await actions()).show(options));
  sub('get', 'print one value that a node would use: text as it is, other values as JSON')
    .argument('<field>', 'port, heartbeatIntervalMs or heartbeat-interval-ms, ...')
    .option(...configOption)
    .option('--json', 'print {"value","origin"}')
    .action(async (field: string, options: ConfigOptions) => (await actions()).get(field, options));
  sub(
    'check',
    'check whether a node would start with the file, and name every wrong field; the environment supplies fields that the file leaves open',
  )
    .argument('[file]', 'the configuration file; default: as for the other commands')
    .option(...configOption)
    .option('--json', 'print {"nodeId"}')
    .action(async (file: string | undefined, options: ConfigOptions) =>
      (await actions()).check({ ...options, ...(file && { config: file }) }),
    );
  sub('set', 'change fields in the file; a running node applies them')
    .argument('[assignments...]', 'FIELD=VALUE')
    .option('--stdin', 'read fields as a JSON object from standard input')
    .option(...configOption)
    .option('--json', 'print {"config","changed":[field]}')
    .addHelpText('after', assignmentHelp)
    .addHelpText('after', '\nExample:\n  statemesh config set port=9001 eligible=false')
    .action(async (args: string[], options: ConfigOptions) => (await actions()).set(args, options));
  sub('schema', 'print the JSON Schema of the configuration, for editors').action(async () =>
    (await actions()).schema(),
  );
}
