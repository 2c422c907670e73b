/** The configuration of `start`, combined from options, environment, file and defaults, in order of precedence. */
import { resolve } from 'node:path';
import { configurationFields, fieldsOfEnvironment, fieldValue } from '../configuration/fields.js';
import { StatemeshError } from '../control/protocol.js';
import type { ConfigurationInput } from '../index.js';
import { type ConfigurationFile, fileDataDirOf, variable } from './configuration-file.js';
import { startDefaults } from './field-options.js';

export interface GatheredConfiguration {
  /** The input for `createNode`; not checked as a whole. */
  readonly input: ConfigurationInput;
  /** The origin of each field that is not left to the default of the schema. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** STATEMESH_ variables that name no field: possibly misspelled. */
  readonly unknownVariables: readonly string[];
}

export type Origin = 'option' | 'environment' | 'file' | 'default';

/** @throws StatemeshError `configurationInvalid` naming the option or variable */
export function gatherConfiguration(
  options: Readonly<Record<string, unknown>>,
  file: ConfigurationFile | undefined,
): GatheredConfiguration {
  const layers: readonly (readonly [Origin, Readonly<Record<string, unknown>>])[] = [
    ['default', startDefaults],
    ['file', file === undefined ? {} : { ...file.fields, dataDir: fileDataDirOf(file) }],
    ['environment', { ...fieldsOfEnvironment(variable), ...inspectorOf({ inspect: variable('STATEMESH_INSPECT') }) }],
    ['option', { ...fieldsOfOptions(options), ...inspectorOf(options) }],
  ];
  const origins = new Map<string, Origin>();
  for (const [origin, fields] of layers) for (const name of Object.keys(fields)) origins.set(name, origin);
  // Not by assignment: a field called `__proto__` has to be refused like any other unknown field.
  const input = Object.fromEntries(
    layers.flatMap(([, fields]) => Object.entries(fields)),
  ) as unknown as ConfigurationInput;
  const known = new Set([
    ...['STATEMESH_CONFIG', 'STATEMESH_CONFIG_URL', 'STATEMESH_CONFIG_TOKEN', 'STATEMESH_INSPECT'],
    ...configurationFields().map(({ variable }) => variable),
  ]);
  return {
    input: input.dataDir === undefined ? input : { ...input, dataDir: resolve(input.dataDir) },
    origins,
    unknownVariables: Object.keys(process.env).filter((name) => name.startsWith('STATEMESH_') && !known.has(name)),
  };
}

function fieldsOfOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = configurationFields().flatMap((field) => {
    const given = options[field.name];
    if (given === undefined) return [];
    const value = typeof given === 'boolean' ? given : fieldValue(field, String(given), field.flag);
    return [[field.name, value] as const];
  });
  return Object.fromEntries(fields);
}

/** @throws StatemeshError `configurationInvalid` */
function inspectorOf(options: Readonly<Record<string, unknown>>): Pick<ConfigurationInput, 'inspector'> {
  const { inspect, inspectTrace, stately } = options;
  if (inspect === undefined && inspectTrace === undefined && stately === undefined) return {};
  const port =
    inspect === undefined
      ? undefined
      : inspect === true
        ? 0
        : /^\d{1,5}$/.test(String(inspect))
          ? Number(inspect)
          : Number.NaN;
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new StatemeshError('configurationInvalid', `Invalid configuration: --inspect "${inspect}": use a port.`);
  }
  return {
    inspector: {
      ...(port !== undefined && { port }),
      ...(inspectTrace !== undefined && { trace: resolve(String(inspectTrace)) }),
      ...(stately === true && { port: port ?? 0, stately }),
    },
  };
}
