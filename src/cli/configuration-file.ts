/**
 * The configuration file and the data directory, as every command finds them. In order of precedence: options,
 * environment, file, defaults.
 *
 * Invariants: no message quotes the file, which holds the cluster key. In a file, a relative `dataDir` is relative to
 * the file, so that a command finds the node from any directory; elsewhere, as in a pipe, it is relative to the working
 * directory.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { configurationBytesMax, parseConfigurationText } from '../configuration/text.js';
import { StatemeshError, systemCodeOf } from '../control/protocol.js';

export const defaultConfigPath = './statemesh.json';
export const defaultDataDir = './data';

export interface PlaceOptions {
  /** `--config` */
  readonly config?: string | undefined;
  /** `--data-dir` */
  readonly dataDir?: string | undefined;
}

export interface ConfigurationFile {
  /** Absolute. */
  readonly path: string;
  /** As they stand in the file, not checked. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Whether other users may read it. */
  readonly isExposed: boolean;
  /** Whether it can be read again and changed; a pipe cannot, nor can an answer of a server. */
  readonly isPlain: boolean;
}

/** The path of the configuration file, whether or not it exists. */
export function configPath({ config }: PlaceOptions): string {
  return resolve(config ?? variable('STATEMESH_CONFIG') ?? defaultConfigPath);
}

/**
 * The configuration file; undefined when none is named and there is none at the default place.
 *
 * @throws StatemeshError `configurationUnreadable`
 */
export function readConfigurationFile(options: PlaceOptions): ConfigurationFile | undefined {
  const path = configPath(options);
  const isNamed = (options.config ?? variable('STATEMESH_CONFIG')) !== undefined;
  try {
    const { text, ...rest } = readOnce(path);
    return { path, fields: fieldsIn(text, path), ...rest };
  } catch (error) {
    if (error instanceof StatemeshError) throw error;
    const code = systemCodeOf(error);
    if (code === 'ENOENT' && !isNamed) return undefined;
    const advice = code === 'ENOENT' ? missingFileAdvice : 'Check its path and permissions.';
    throw unreadable(`The configuration file ${path} cannot be read (${code ?? 'unknown reason'}). ${advice}`);
  }
}

/**
 * The absolute data directory, for commands that need nothing else.
 *
 * @throws StatemeshError `configurationUnreadable`
 */
export function dataDirOf(options: PlaceOptions): string {
  const named = options.dataDir ?? variable('STATEMESH_DATA_DIR');
  if (named !== undefined) return resolve(named);
  const file = readConfigurationFile(options);
  return file === undefined ? resolve(defaultDataDir) : fileDataDirOf(file);
}

/** Where a command looks for a node, and which node it means. */
export interface Place {
  /** Absolute. */
  readonly dataDir: string;
  /** The node of a configuration file that was named. Undefined: whichever node is in the data directory. */
  readonly meant: { readonly nodeId: string; readonly file: string } | undefined;
}

/**
 * The data directory, and the node that a named configuration file means.
 *
 * If an option names the data directory, and the file is only the default or comes from the environment, the caller
 * means whichever node is there.
 *
 * @throws StatemeshError `configurationUnreadable`
 */
export function placeOf(options: PlaceOptions): Place {
  const isMeant = isNodeMeant(options);
  const dataDir = options.dataDir ?? variable('STATEMESH_DATA_DIR');
  if (dataDir !== undefined && !isMeant) return { dataDir: resolve(dataDir), meant: undefined };
  // Only once: it may be a pipe.
  const file = readConfigurationFile(options);
  if (file === undefined) return { dataDir: resolve(dataDir ?? defaultDataDir), meant: undefined };
  const nodeId = variable('STATEMESH_NODE_ID') ?? file.fields.nodeId;
  return {
    dataDir: dataDir === undefined ? fileDataDirOf(file) : resolve(dataDir),
    meant: isMeant && typeof nodeId === 'string' ? { nodeId, file: file.path } : undefined,
  };
}

/** Whether neither an option, a variable nor a configuration file says where the node is. */
export function isUnnamed(options: PlaceOptions): boolean {
  const names = [options.dataDir, options.config, variable('STATEMESH_DATA_DIR'), variable('STATEMESH_CONFIG')];
  return names.every((name) => name === undefined) && readConfigurationFile(options) === undefined;
}

/** Whether the caller has named a configuration, and so the node that it configures. */
export function isNodeMeant(options: PlaceOptions): boolean {
  return options.config !== undefined || (options.dataDir === undefined && variable('STATEMESH_CONFIG') !== undefined);
}

/** What to do about a node that answers in place of the one that is meant. */
export function otherNodeAdvice(dataDir: string, meantNodeId: string): string {
  return `To talk to the node that answers, leave out --config and say --data-dir ${dataDir}. To talk to ${meantNodeId}, name its own data directory.`;
}

export function fileDataDirOf({ path, fields, isPlain }: ConfigurationFile): string {
  const { dataDir = defaultDataDir } = fields;
  if (typeof dataDir !== 'string' || dataDir === '') {
    throw new StatemeshError('configurationInvalid', `Invalid configuration: dataDir: it is not a path (${path}).`);
  }
  return isPlain ? resolve(dirname(path), dataDir) : resolve(dataDir);
}

/** A variable of the environment; an empty one counts as not set, because many tools unset variables that way. */
export function variable(name: string): string | undefined {
  return new Map(Object.entries(process.env)).get(name) || undefined;
}

/** Opened only once: the content of `--config <(...)` is gone when it has been read. */
function readOnce(path: string): { text: string; isExposed: boolean; isPlain: boolean } {
  const descriptor = openSync(path, 'r');
  try {
    const status = fstatSync(descriptor);
    const buffer = Buffer.alloc(configurationBytesMax + 1);
    let length = 0;
    for (let bytesRead = -1; bytesRead !== 0 && length < buffer.length; length += bytesRead) {
      bytesRead = readSync(descriptor, buffer, length, buffer.length - length, null);
    }
    if (length === buffer.length) {
      throw unreadable(`${path} has more than ${configurationBytesMax} bytes: is it the right file?`);
    }
    const isExposed = (status.mode & 0o077) !== 0;
    return { text: buffer.toString('utf8', 0, length), isExposed, isPlain: status.isFile() };
  } finally {
    closeSync(descriptor);
  }
}

function fieldsIn(text: string, path: string): Record<string, unknown> {
  return { ...parseConfigurationText(text, `The configuration file ${path}`) };
}

function unreadable(message: string): StatemeshError {
  return new StatemeshError('configurationUnreadable', message);
}

/** A misspelled name is more likely than a missing configuration, and `init` would make another cluster. */
const missingFileAdvice =
  'Check the name. To make a new cluster, run `statemesh init`; to join one, `statemesh init --from FILE`.';
