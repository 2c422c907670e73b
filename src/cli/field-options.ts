/** The options of `start` and `doctor`: one for each field of the configuration, with its description. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { secretFields } from '../configuration/secret-fields.js';
import { type Field, fieldsOf } from '../configuration/text-fields.js';

/** A node that is started from the command line can be controlled from the command line. */
export const startDefaults: Readonly<Record<string, unknown>> = { control: true };

/** Adds an option for each field that is not a secret. */
export function addFieldOptions(command: Command): void {
  for (const field of writtenFields().filter(({ name }) => !secretFields.has(name))) {
    for (const option of optionsOf(field)) command.addOption(option);
  }
  for (const option of inspectorOptions) command.addOption(option);
}

/**
 * The fields as the build wrote them beside the program: a command describes its options without loading the library of
 * the schema.
 */
export function writtenFields(): readonly Field[] {
  const path = new URL('../configuration.schema.json', import.meta.url);
  return fieldsOf(JSON.parse(readFileSync(path, 'utf8')).properties);
}

/** `inspector` has fields of its own. */
const inspectorOptions: readonly Option[] = [
  new Option('--inspect [port]', 'Watch the statecharts of the node in a browser on this machine. [STATEMESH_INSPECT]'),
  new Option('--inspect-trace <file>', 'Record what the inspector sees; show it with `statemesh inspect`.'),
  new Option('--stately', "Let the inspector's page relay to Stately's public inspector, if you ask it to."),
];

/** What `--no-...` does, for the fields that are true by default. */
const opposites: Readonly<Partial<Record<Field['name'], string>>> = {
  discovery: 'Do not announce this node, and find no other nodes by UDP beacons.',
  eligible: 'Never let this node be elected leader. The leader connects the cluster to the cloud.',
  control: 'Open no control socket: the command line cannot talk to this node.',
};

function optionsOf({ name, kind, flag, description, defaultValue: ofSchema, choices, variable }: Field): Option[] {
  const defaultValue = startDefaults[name] ?? ofSchema;
  const isNone = Array.isArray(defaultValue) && defaultValue.length === 0;
  const defaultText = defaultValue === undefined ? '' : ` Default: ${isNone ? 'none' : JSON.stringify(defaultValue)}.`;
  const help = `${description}${defaultText} [${variable}]`.trim();
  if (kind === 'boolean') {
    const positive = new Option(flag, help).hideHelp(defaultValue === true);
    const opposite = opposites[name] ?? `Switch ${flag} off.`;
    const negative = new Option(`--no-${flag.slice(2)}`, `${opposite} [${variable}=false]`);
    return [positive, negative.hideHelp(defaultValue !== true)];
  }
  const shape = {
    integer: 'number',
    peers: 'nodeId=host:port,...',
    text: choices?.join('|') ?? 'text',
    variables: 'NAME=origin,...',
    texts: 'text,...',
  }[kind];
  return [new Option(`${flag} <${shape}>`, help)];
}
