/**
 * The configuration field by field. Every field of the schema has an environment variable and, unless it is secret, a
 * command-line option, both named after it (`dataDir`: STATEMESH_DATA_DIR, --data-dir).
 *
 * Invariants: a wrong value is reported under the name by which it was given. The value of a secret field is never
 * shown.
 */
import { z } from 'zod';
import { StatemeshError, shortText } from '../core/errors.js';
import { problemOf } from './problems.js';
import { type ConfigurationInput, configurationSchema } from './schema.js';
import { secretFields } from './secret-fields.js';
import { type Field, fieldsOf, variablePrefix } from './text-fields.js';

/** JSON Schema (draft 2020-12) of a configuration, for editors. */
export function configurationJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(configurationSchema, { io: 'input' });
  const properties = {
    $schema: { type: 'string', description: 'Where editors find this schema.' },
    ...schema.properties,
  };
  return { $schema, title: 'The configuration of a statemesh node', ...schema, properties };
}

let fields: readonly Field[] | undefined;

/** All fields that can be written as a text. Built on first use, because most programs never need them. */
export function configurationFields(): readonly Field[] {
  fields ??= fieldsOf(z.toJSONSchema(configurationSchema, { io: 'input' }).properties ?? {});
  return fields;
}

/**
 * The value of a field from its text.
 *
 * @param origin Names the source of the text, for the error
 * @throws StatemeshError `configurationInvalid` naming `origin`
 */
export function fieldValue(field: Field, text: string, origin: string): unknown {
  const value = convert(field, text, origin);
  const schema = configurationSchema.shape[field.name];
  const result = schema.safeParse(value);
  if (result.success) return value;
  throw wrong(field, text, origin, result.error.issues.map((issue) => problemOf(issue, undefined, schema)).join('; '));
}

/**
 * The fields that the environment sets. An empty variable counts as not set, because many tools unset one that way.
 *
 * @throws StatemeshError `configurationInvalid` naming the variable
 */
export function fieldsOfEnvironment(
  get: (variable: string) => string | undefined,
  prefix: string = variablePrefix,
): Partial<ConfigurationInput> {
  const fields = configurationFields().flatMap((field) => {
    const variable = `${prefix}${field.variable.slice(variablePrefix.length)}`;
    const text = get(variable) || undefined;
    return text === undefined ? [] : [[field.name, fieldValue(field, text, variable)] as const];
  });
  return Object.fromEntries(fields);
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
      return pairsOf(text).map(([nodeId, address]) => {
        if (address === undefined) throw wrong(field, text, origin, 'write NODEID=HOST:PORT, separated by commas');
        return { nodeId, address };
      });
    case 'variables':
      return pairsOf(text).map(([variable, authority]) => {
        if (authority === undefined)
          throw wrong(
            field,
            text,
            origin,
            'write NAME=ORIGIN, as in SHOP_SECRET=https://identity.example.com, separated by commas',
          );
        return { name: variable, origin: authority };
      });
    case 'texts':
      return text.split(',').map((each) => each.trim());
    case 'text':
      return text;
  }
}

/** Parses `a=b,c=d`. The second part is undefined unless there is exactly one `=`. */
function pairsOf(text: string): (readonly [string, string | undefined])[] {
  return text.split(',').map((pair) => {
    const [first = '', second, ...rest] = pair.trim().split('=');
    return [first, rest.length > 0 ? undefined : second] as const;
  });
}

function wrong({ name }: Field, text: string, origin: string, reason: string): StatemeshError {
  const shown = secretFields.has(name) ? '' : ` "${shortText(text)}"`;
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${origin}${shown}: ${reason}.`);
}
