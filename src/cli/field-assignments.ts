/**
 * `FIELD=VALUE` on a command line, and fields as a JSON object on standard input: the input of `reconfigure` and
 * `config set`.
 *
 * Invariant: a secret comes only from standard input, because every user can read a command line.
 */

import { secretFields } from '../configuration/secret-fields.js';
import { parseConfigurationText } from '../configuration/text.js';
import { nearestName } from '../control/protocol.js';
import { standardInput } from './exact-input.js';
import { badInput } from './failures.js';

/** Undefined stands for the default of a field. */
export type Assignments = Readonly<Record<string, unknown>>;

export const assignmentHelp = `
FIELD is a field of the configuration (port, heartbeatIntervalMs or heartbeat-interval-ms, ...; see \`statemesh config schema\`);
FIELD= without a value restores the default. Pass secrets and lists of peers with --stdin, as a JSON object on standard
input; there null restores the default.`;

type Field = ReturnType<FieldKinds['configurationFields']>[number];
type FieldKinds = Pick<typeof import('../configuration/fields.js'), 'configurationFields' | 'fieldValue'>;

/** @throws StatemeshError `requestInvalid`, `configurationInvalid`, `configurationUnreadable` */
export async function readAssignments(args: readonly string[], stdin: boolean): Promise<Assignments> {
  if (stdin && process.stdin.isTTY) {
    throw badInput('--stdin reads from a file or a pipe, because a terminal would show the secrets.');
  }
  const given = stdin ? parseConfigurationText(await standardInput(), 'Standard input') : {};
  const fromInput = Object.entries(given).map(([name, value]) => [name, value === null ? undefined : value]);
  const kinds = await import('../configuration/fields.js');
  const assignments = {
    ...Object.fromEntries(fromInput),
    ...Object.fromEntries(args.map((argument, index) => assignment(argument, { kinds, next: args[index + 1] }))),
  };
  if (Object.keys(assignments).length === 0)
    throw badInput('There is nothing to change: give FIELD=VALUE, or --stdin.');
  return assignments;
}

/** The field with a name in command-line spelling. @throws StatemeshError `requestInvalid` */
export function fieldNamed(name: string, { configurationFields }: Pick<FieldKinds, 'configurationFields'>): Field {
  const fields = configurationFields();
  const field = fields.find(({ name: own, flag }) => own === name || flag === `--${name}`);
  if (field !== undefined) return field;
  const meant = nearestName(
    name,
    fields.map(({ name: own }) => own),
  );
  const advice = meant === undefined ? 'see `statemesh config schema`' : `did you mean ${meant}?`;
  throw badInput(`There is no field "${name}": ${advice}${meant === undefined ? '.' : ''}`);
}

function assignment(
  argument: string,
  { kinds, next }: { kinds: FieldKinds; next: string | undefined },
): [name: string, value: unknown] {
  const [name = '', ...rest] = argument.split('=');
  const isSecret = [...secretFields].some((secret) => secret.toLowerCase() === name.replace(/-/g, '').toLowerCase());
  if (isSecret) throw badInput(`${name} does not belong on a command line, which others can read: use --stdin.`);
  const field = fieldNamed(name, kinds);
  if (rest.length === 0) {
    const value = next === undefined || next.includes('=') ? 'VALUE' : next;
    throw badInput(`"${argument}" has no value: write field and value with an = between them, ${field.name}=${value}.`);
  }
  const value = rest.join('=');
  return [field.name, value === '' ? undefined : kinds.fieldValue(field, value, field.name)];
}
