/**
 * `statemesh config`: works on the configuration without a running node. `set` changes the whole file or nothing; a
 * node that was started with it applies the change.
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { configurationFields, fieldsOfEnvironment } from '../configuration/fields.js';
import { secretFields } from '../configuration/secret-fields.js';
import { callControl } from '../control/client.js';
import { controlSocketPath, systemCodeOf } from '../control/protocol.js';
import {
  type Configuration,
  configurationJsonSchema,
  type NodeStatus,
  parseConfiguration,
  StatemeshError,
} from '../index.js';
import { gatherConfiguration } from './configuration-fields.js';
import {
  type ConfigurationFile,
  configPath,
  fileDataDirOf,
  placeOf,
  readConfigurationFile,
  variable,
} from './configuration-file.js';
import { assertNamed } from './configuration-source.js';
import { badInput } from './failures.js';
import { fieldNamed, readAssignments } from './field-assignments.js';
import { hintAt, jsonOf, print, printJson, table } from './output.js';
import { shown } from './reconfigure.js';

export interface ConfigOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly stdin?: boolean;
}

export function schema(): void {
  print(jsonOf(configurationJsonSchema(), 2));
}

type Row = readonly [name: string, value: unknown, origin: string];

export async function show(options: ConfigOptions): Promise<void> {
  const rows = rowsOf(options);
  if (options.json) printJson(Object.fromEntries(rows.map(([name, value, origin]) => [name, { value, origin }])));
  else
    print(
      table(
        ['FIELD', 'VALUE', 'FROM'],
        rows.map(([name, value, origin]) => [name, value === undefined ? '-' : shown(value), origin]),
      ),
    );
  await hintAtRunning(rows, options);
}

export async function get(name: string, options: ConfigOptions): Promise<void> {
  const { name: field } = fieldNamed(name, { configurationFields });
  if (secretFields.has(field)) throw badInput(`${field} is a secret, which no command shows: read the file.`);
  const row = rowsOf(options).find(([each]) => each === field) ?? ([field, undefined, 'default'] as const);
  const [, value, origin] = row;
  if (options.json) printJson({ value, origin });
  else if (value !== undefined) print(shown(value));
  await hintAtRunning([row], options);
}

/** Fields that may differ on a running node: chosen by the system, given by another source, or changed meanwhile. */
const statusFields = new Set(['nodeId', 'role', 'port', 'metricsPort']);

/** Prints a hint for each field in which the running node differs from its configuration. */
async function hintAtRunning(rows: readonly Row[], options: ConfigOptions): Promise<void> {
  const asked = rows.filter(([name]) => statusFields.has(name));
  const status = asked.length === 0 ? undefined : await statusIn(placeOf(options).dataDir);
  const inForce = new Map(Object.entries(status ?? {}));
  for (const [name, value] of asked) {
    const actual = inForce.get(name);
    if (actual === undefined || actual === value) continue;
    const configured = value === undefined ? 'none' : shown(value);
    const text = value === 0 ? `${actual}: with 0 the system chooses one` : `${actual}, not ${configured}`;
    hintAt(`The running node has ${name} ${text}.`, options);
  }
}

/** Undefined when no node answers. */
async function statusIn(dataDir: string): Promise<NodeStatus | undefined> {
  try {
    const path = controlSocketPath(dataDir);
    return (await callControl(path, 'status', undefined, { idleTimeoutMs: answerWithinMs })) as NodeStatus;
  } catch {
    return undefined;
  }
}

/** A node that hangs must not hold up `config`. */
const answerWithinMs = 2_000;

/** Each value that would be in force, secrets hidden. */
function rowsOf(options: ConfigOptions): Row[] {
  const file = readConfigurationFile(options);
  const { input, origins } = gatherConfiguration({}, file);
  if (file === undefined) assertNamed(input);
  const { configuration } = parseConfiguration(input);
  const values = new Map<string, unknown>(Object.entries(configuration));
  for (const name of secretFields) if (Object.hasOwn(input, name)) values.set(name, '[not shown]');
  return [...values].map(([name, value]) => [name, value, origins.get(name) ?? 'default'] as const);
}

export function check(options: ConfigOptions): void {
  const file = existing(options);
  const { nodeId } = checked(file);
  if (options.json) printJson({ nodeId });
  else print(`${file.path} is a valid configuration, of node ${nodeId}.`);
}

export async function set(args: string[], options: ConfigOptions): Promise<void> {
  const file = existing(options);
  if (!file.isPlain) throw badInput(`${file.path} is not a file that can be changed.`);
  const assignments = await readAssignments(args, options.stdin === true);
  const entries = Object.entries({ ...file.fields, ...assignments }).filter(([, value]) => value !== undefined);
  const fields: Record<string, unknown> = Object.fromEntries(entries);
  checked({ ...file, fields });
  const [before, after] = [new Map(Object.entries(file.fields)), new Map(entries)];
  const isChanged = (name: string) => JSON.stringify(after.get(name)) !== JSON.stringify(before.get(name));
  const changed = Object.keys(assignments).filter(isChanged);
  if (changed.length > 0) replace(file.path, `${JSON.stringify(fields, undefined, 2)}\n`);
  if (options.json) printJson({ config: file.path, changed });
  else if (changed.length === 0) print(`${file.path} says so already.`);
  else
    print(
      `Changed ${changed.join(', ')} in ${file.path}. A node that was started with it applies the change by itself.`,
    );
}

function existing(options: ConfigOptions): ConfigurationFile {
  const file = readConfigurationFile(options);
  if (file !== undefined) return file;
  throw new StatemeshError(
    'configurationUnreadable',
    `There is no configuration file ${configPath(options)}: create one with \`statemesh init\`.`,
  );
}

/**
 * As a node that is started with this file would read it. The environment supplies fields that the file leaves open,
 * often the key, and hides no error in the file.
 */
function checked(file: ConfigurationFile): Configuration {
  const fields = { ...fieldsOfEnvironment(variable), ...file.fields, dataDir: fileDataDirOf(file) };
  return parseConfiguration(fields).configuration;
}

/**
 * Follows links, so that the file itself changes. It keeps its owner and mode: the node has to read it, and others must
 * not.
 */
function replace(path: string, contents: string): void {
  let draft: string | undefined;
  try {
    const target = realpathSync(path);
    const { mode, uid, gid } = statSync(target);
    const name = `${target}.${process.pid}.new`;
    const descriptor = openSync(name, 'wx', 0o600);
    draft = name;
    try {
      writeFileSync(descriptor, contents);
      const own = fstatSync(descriptor);
      if (own.uid !== uid || own.gid !== gid) fchownSync(descriptor, uid, gid);
      fchmodSync(descriptor, mode & 0o777);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(name, target);
  } catch (error) {
    if (draft !== undefined) rmSync(draft, { force: true });
    const code = systemCodeOf(error);
    throw new StatemeshError('configurationUnreadable', `${path} cannot be written (${code}): check its directory.`);
  }
}
