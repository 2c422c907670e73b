/**
 * The configuration of `start`, field by field: every field of the schema has an environment variable and, unless it is
 * secret, an option, both named after it (`dataDir`: STATEMESH_DATA_DIR, --data-dir).
 *
 * Invariants: options before the environment before the file before defaults; a wrong value is reported under the name by
 * which it came; the value of a secret field is never shown.
 */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { type ConfigurationInput, configurationSchema, StatemeshError } from '../index.js';
import { type ConfigurationFile, fileDataDirOf, variable } from './configuration-file.js';

/** Never on a command line, where every user of the machine can read it. */
const secretFields = new Set(['clusterKey']);

/** Too much for a command line: in the file only. */
const fileFields = new Set(['initialRemotePeers']);

/** Whoever starts a node by the command line means to talk to it by the command line. */
const startDefaults: Readonly<Record<string, unknown>> = { control: true };

type FieldKind = 'text' | 'integer' | 'boolean' | 'peers';

interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  /** STATEMESH_DATA_DIR */
  readonly variable: string;
  /** --data-dir */
  readonly flag: string;
  readonly description: string;
  readonly defaultValue: unknown;
  readonly choices: readonly string[] | undefined;
}

export const configurationFields: readonly Field[] = Object.entries(
  z.toJSONSchema(configurationSchema, { io: 'input' }).properties ?? {},
)
  .filter(([name]) => !fileFields.has(name))
  .map(([name, schema]) => {
    const { type, description = '', default: defaultValue, enum: choices } = schema as z.core.JSONSchema.JSONSchema;
    return {
      name,
      kind: type === 'integer' ? 'integer' : type === 'boolean' ? 'boolean' : type === 'array' ? 'peers' : 'text',
      variable: `STATEMESH_${words(name).join('_').toUpperCase()}`,
      flag: `--${words(name).join('-')}`,
      description,
      defaultValue: startDefaults[name] ?? defaultValue,
      choices: choices as string[] | undefined,
    };
  });

/** Adds an option for each field that is no secret. */
export function addFieldOptions(command: Command): void {
  for (const field of configurationFields.filter(({ name }) => !secretFields.has(name))) {
    for (const option of optionsOf(field)) command.addOption(option);
  }
}

export interface GatheredConfiguration {
  /** What `createNode` takes; not checked as a whole. */
  readonly input: ConfigurationInput;
  /** STATEMESH_ variables that name no field: misspelt, perhaps. */
  readonly unknownVariables: readonly string[];
}

/** @throws StatemeshError `configurationInvalid` naming the option or variable */
export function gatherConfiguration(
  options: Readonly<Record<string, unknown>>,
  file: ConfigurationFile | undefined,
): GatheredConfiguration {
  const layers: Record<string, unknown>[] = [startDefaults];
  if (file !== undefined) layers.push(file.fields, { dataDir: fileDataDirOf(file) });
  for (const field of configurationFields) {
    const text = variable(field.variable);
    if (text !== undefined) layers.push({ [field.name]: fieldValue(field, text, field.variable) });
  }
  for (const field of configurationFields) {
    const given = options[field.name];
    if (given === undefined) continue;
    layers.push({ [field.name]: typeof given === 'boolean' ? given : fieldValue(field, String(given), field.flag) });
  }
  const input = Object.assign({}, ...layers) as ConfigurationInput;
  const known = new Set(['STATEMESH_CONFIG', ...configurationFields.map(({ variable }) => variable)]);
  return {
    input: input.dataDir === undefined ? input : { ...input, dataDir: resolve(input.dataDir) },
    unknownVariables: Object.keys(process.env).filter((name) => name.startsWith('STATEMESH_') && !known.has(name)),
  };
}

function optionsOf({ kind, flag, description, defaultValue, choices, variable }: Field): Option[] {
  const defaultText = defaultValue === undefined ? '' : ` Default: ${JSON.stringify(defaultValue)}.`;
  const help = `${description}${defaultText} [${variable}]`.trim();
  if (kind === 'boolean') {
    const positive = new Option(flag, help).hideHelp(defaultValue === true);
    return [positive, new Option(`--no-${flag.slice(2)}`, `Not so: ${help}`).hideHelp(defaultValue !== true)];
  }
  const shape = { integer: 'number', peers: 'nodeId=host:port,...', text: choices?.join('|') ?? 'text' }[kind];
  return [new Option(`${flag} <${shape}>`, help)];
}

function fieldValue(field: Field, text: string, origin: string): unknown {
  const value = convert(field, text, origin);
  const result = configurationSchema.shape[field.name as keyof ConfigurationInput].safeParse(value);
  if (result.success) return value;
  throw wrong(field, text, origin, result.error.issues.map(({ message }) => message).join('; '));
}

function convert(field: Field, text: string, origin: string): unknown {
  switch (field.kind) {
    case 'integer':
      if (!/^[+-]?\d{1,15}$/.test(text.trim())) throw wrong(field, text, origin, 'use a whole number');
      return Number(text);
    case 'boolean':
      if (/^(true|1)$/i.test(text)) return true;
      if (/^(false|0)$/i.test(text)) return false;
      throw wrong(field, text, origin, 'use true or false');
    case 'peers':
      return text.split(',').map((peer) => {
        const [nodeId, address, ...rest] = peer.trim().split('=');
        if (address === undefined || rest.length > 0) throw wrong(field, text, origin, 'use nodeId=host:port,...');
        return { nodeId, address };
      });
    case 'text':
      return text;
  }
}

function wrong({ name }: Field, text: string, origin: string, reason: string): StatemeshError {
  const shown = secretFields.has(name) ? '' : ` "${text.slice(0, 80)}"`;
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${origin}${shown}: ${reason}.`);
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
