/**
 * The fields of the configuration that can be written as a text, taken from its JSON Schema. The schema may come from
 * the library that defines it, or from a file, which needs no library.
 */
import type { ConfigurationInput } from './input.js';

/** Too complex for a variable or an option: allowed in files and programs only. */
const structuredFields: ReadonlySet<string> = new Set([
  '$schema',
  'initialRemotePeers',
  'acceptedClusterKeys',
  'inspector',
]);

/** The prefix of all variables, unless a program sets another one. */
export const variablePrefix = 'STATEMESH_';

type FieldKind = 'text' | 'integer' | 'boolean' | 'peers' | 'variables' | 'texts';

/** How lists are written as one text. */
const listKinds: ReadonlyMap<string, FieldKind> = new Map([
  ['knownPeers', 'peers'],
  ['secretVariables', 'variables'],
]);

export interface Field {
  readonly name: keyof ConfigurationInput;
  readonly kind: FieldKind;
  /** STATEMESH_DATA_DIR */
  readonly variable: string;
  /** --data-dir */
  readonly flag: string;
  readonly description: string;
  readonly defaultValue: unknown;
  readonly choices: readonly string[] | undefined;
}

/** The part of a JSON Schema that is used here. */
interface PropertySchema {
  readonly type?: unknown;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly enum?: readonly unknown[] | undefined;
}

/** All fields of the schema's properties that can be written as a text. */
export function fieldsOf(properties: Readonly<Record<string, unknown>>): readonly Field[] {
  return Object.entries(properties)
    .filter(([name]) => !structuredFields.has(name))
    .map(([name, schema]) => fieldOf(name, schema as PropertySchema));
}

function fieldOf(name: string, schema: PropertySchema): Field {
  const { type, description = '', default: defaultValue, enum: choices } = schema;
  return {
    name: name as keyof ConfigurationInput,
    kind:
      type === 'integer'
        ? 'integer'
        : type === 'boolean'
          ? 'boolean'
          : type === 'array'
            ? (listKinds.get(name) ?? 'texts')
            : 'text',
    variable: `${variablePrefix}${words(name).join('_').toUpperCase()}`,
    flag: `--${words(name).join('-')}`,
    description,
    defaultValue,
    choices: choices as string[] | undefined,
  };
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
