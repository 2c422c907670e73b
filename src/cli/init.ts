/**
 * `statemesh init`: writes a configuration with a new cluster key, or with the key of another node.
 *
 * Invariants: only the owner can read the file, from its first moment. Nothing is overwritten unless asked for. The key
 * is never printed.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { limits, StatemeshError, systemCodeOf } from '../control/protocol.js';
import { randomKeyBytes } from './ambient.js';
import {
  type ConfigurationFile,
  configPath,
  defaultConfigPath,
  defaultDataDir,
  fileDataDirOf,
  readConfigurationFile,
  variable,
} from './configuration-file.js';
import { standardInput } from './exact-input.js';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { badInput } from './failures.js';
import { placeFor } from './file-place.js';
import { heldIn } from './node-at.js';
import { print, printJson } from './output.js';

interface InitOptions {
  readonly config?: string;
  readonly nodeId?: string;
  readonly dataDir?: string;
  readonly clusterSalt?: string;
  readonly from?: string;
  readonly passphraseStdin?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The fields that are the same in the whole cluster. */
interface ClusterFields {
  readonly clusterKey: string;
  readonly clusterSalt: string;
  readonly discoveryPort?: unknown;
}

const help = `
The file holds the key of the cluster: everyone who has it is a member. To let another node join, copy the file to its
machine in a safe way, and run \`statemesh init --from FILE\` there. With a passphrase, every node needs the same passphrase
and the same --cluster-salt.

Examples:
  statemesh init
  statemesh init --node-id shop-2 --from statemesh.json      # on the same machine: writes shop-2.json
  statemesh init --passphrase-stdin --cluster-salt shops-of-rome < passphrase.txt`;

export function defineInit(command: Command): void {
  command
    .option('--config <file>', `the file to write; default: ${defaultConfigPath} [STATEMESH_CONFIG]`)
    .option('--node-id <id>', 'the name of the node; default: from the host name [STATEMESH_NODE_ID]')
    .option('--data-dir <path>', `the directory of its data; default: ${defaultDataDir} [STATEMESH_DATA_DIR]`)
    .option('--from <file>', 'join the cluster of this configuration: take its key and salt')
    .option('--passphrase-stdin', 'read a passphrase from standard input and use it as the key')
    .option(
      '--cluster-salt <text>',
      'with a passphrase: the salt of the cluster, which is not a secret; default: random',
    )
    .option('--force', 'overwrite the file; a cluster key that exists only there is lost')
    .option('--json', 'print {"config","nodeId","dataDir"}')
    .addHelpText('after', help)
    .addHelpText('after', exitCodeHelp([exitCodes.ok, exitCodes.failed, exitCodes.badInput]))
    .action(init);
}

async function init(options: InitOptions): Promise<void> {
  const { encodeClusterKey, parseConfiguration } = await import('../index.js');
  const newKey = (bytes?: number) => encodeClusterKey(randomKeyBytes().subarray(0, bytes));
  const source = options.from === undefined ? undefined : readConfigurationFile({ config: options.from });
  const cluster = source === undefined ? await newCluster(options, newKey) : clusterOf(source, options);
  const given = options.nodeId ?? variable('STATEMESH_NODE_ID');
  if (source !== undefined && given !== undefined && given === source.fields.nodeId) throw sameName(source, given);
  const nodeId = given ?? nodeIdOf(hostname(), source?.fields.nodeId);
  const path = freePath(options, nodeId);
  const named = options.dataDir ?? variable('STATEMESH_DATA_DIR');
  // In the file, the path is relative to the file.
  const dataDir = named === undefined ? freeDataDir(path, nodeId) : fromFile(path, resolve(named));
  const absolute = resolve(dirname(path), dataDir);
  await refuseForeignData(path, nodeId, absolute);
  const fields = { nodeId, dataDir, ...cluster, control: true };
  parseConfiguration(fields);
  write(path, `${JSON.stringify(fields, undefined, 2)}\n`, options.force === true);

  if (options.json) {
    printJson({ config: path, nodeId, dataDir: absolute });
    return;
  }
  print(`Wrote ${path} for node ${nodeId} with its data in ${absolute}.`);
  if (given === undefined) {
    print(`The name ${nodeId} comes from this machine; each node needs its own. --node-id gives another.`);
  }
  print('The file holds the key of the cluster and only you can read it: keep it like a password.');
  if (options.passphraseStdin) print(`Other nodes need the same passphrase and --cluster-salt ${cluster.clusterSalt}`);
  const shown = relative(process.cwd(), path);
  print(`Next: statemesh start${resolve(defaultConfigPath) === path ? '' : ` --config ${shown}`}`);
}

async function newCluster(
  { passphraseStdin, clusterSalt }: InitOptions,
  newKey: (bytes?: number) => string,
): Promise<ClusterFields> {
  const salt = clusterSalt ?? newKey(16);
  if (!passphraseStdin) return { clusterKey: newKey(), clusterSalt: salt };
  if (process.stdin.isTTY) {
    throw badInput('--passphrase-stdin reads from a file or a pipe, because a terminal would show the passphrase.');
  }
  const [passphrase = ''] = (await standardInput()).split(/\r?\n/);
  if (passphrase === '') throw badInput('Standard input has no passphrase on its first line.');
  return { clusterKey: passphrase, clusterSalt: salt };
}

function clusterOf({ path, fields }: ConfigurationFile, options: InitOptions): ClusterFields {
  if (options.passphraseStdin || options.clusterSalt !== undefined) {
    throw badInput('--from brings the key and the salt: leave out --passphrase-stdin and --cluster-salt.');
  }
  const { clusterKey, clusterSalt, discoveryPort } = fields;
  if (typeof clusterKey !== 'string' || typeof clusterSalt !== 'string') {
    throw new StatemeshError('clusterKeyMissing', `${path} has no clusterKey with its clusterSalt to take over.`);
  }
  // Nodes find each other only on the same port.
  return { clusterKey, clusterSalt, ...(discoveryPort === undefined ? {} : { discoveryPort }) };
}

/** A NodeId from a host name that differs from the NodeId of the node whose cluster is joined. */
export function nodeIdOf(host: string, other: unknown): string {
  const room = limits.nodeIdLengthMax - '-2'.length;
  const name = host
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, room);
  const nodeId = name === '' ? 'node' : name;
  return nodeId === other ? `${nodeId}-2` : nodeId;
}

/**
 * The path of the file. A node that joins another node on its machine gets a file under its own name beside that node's
 * file.
 */
function freePath(options: InitOptions, nodeId: string): string {
  const path = configPath(options);
  const isNamed = (options.config ?? variable('STATEMESH_CONFIG')) !== undefined;
  const isFree = isNamed || options.from === undefined || options.force === true || !existsSync(path);
  return isFree ? path : join(dirname(path), `${nodeId}.json`);
}

function sameName({ path }: ConfigurationFile, nodeId: string): StatemeshError {
  return badInput(
    `${path} is the configuration of node ${nodeId} itself, and two nodes of one name refuse each other: choose another --node-id. To move ${nodeId} to another machine, stop it there, and take its file and its data directory along.`,
  );
}

/** Two nodes cannot share a data directory. */
function freeDataDir(path: string, nodeId: string): string {
  const isTaken = configurationsOf(resolve(dirname(path), defaultDataDir), path).length > 0;
  return isTaken ? `${defaultDataDir}-${nodeId}` : defaultDataDir;
}

/** The configurations beside a file that have a data directory, without those of the file itself. */
function configurationsOf(dataDir: string, path: string): ConfigurationFile[] {
  const names = namesIn(dirname(path)).filter((name) => name.endsWith('.json'));
  return names.slice(0, neighborsMax).flatMap((name) => {
    const file = join(dirname(path), name);
    const found = file === path ? undefined : configurationAt(file);
    return found !== undefined && isSamePlace(fileDataDirOf(found), dataDir) ? [found] : [];
  });
}

/** Also through a symbolic link. */
function isSamePlace(one: string, other: string): boolean {
  return one === other || realPathOf(one) === realPathOf(other);
}

/** The path itself while nothing is there. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** More files beside a configuration are not looked at. */
const neighborsMax = 256;

/** Undefined for a file that is not the configuration of a node. */
function configurationAt(path: string): ConfigurationFile | undefined {
  try {
    // Reading a pipe would wait for its writer.
    if (!statSync(path).isFile()) return undefined;
    const file = readConfigurationFile({ config: path });
    const isOfNode = typeof file?.fields.nodeId === 'string' && 'clusterKey' in file.fields;
    return isOfNode && fileDataDirOf(file) !== '' ? file : undefined;
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    // It does not exist yet, or cannot be read: writing there says so.
    return [];
  }
}

/**
 * A data directory belongs to one node.
 *
 * @throws StatemeshError `requestInvalid` when another node runs there, when another configuration names it, or when it
 * holds only databases of other nodes
 */
async function refuseForeignData(path: string, nodeId: string, dataDir: string): Promise<void> {
  const other = 'choose another with --data-dir';
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() === false) {
    throw badInput(`${dataDir} is not a directory: ${other}.`);
  }
  const [configuration] = configurationsOf(dataDir, path);
  if (configuration !== undefined) {
    const whose = `${configuration.path}, of node ${configuration.fields.nodeId}`;
    throw badInput(`${dataDir} is the data directory of ${whose}: ${other}.`);
  }
  const [held] = await heldIn(dataDir);
  if (held !== undefined && held.path !== join(dataDir, `${nodeId}.db`)) {
    throw badInput(
      `${held.holder} has the database ${held.path} open, so another node has that data directory: ${other}.`,
    );
  }
  const databases = namesIn(dataDir).filter((name) => name.endsWith('.db'));
  const [database] = databases;
  if (database === undefined || databases.includes(`${nodeId}.db`)) return;
  const owner = database.slice(0, -'.db'.length);
  throw badInput(
    `${dataDir} has the database of node ${owner}, and none of ${nodeId}: ${other}, or keep the name with --node-id ${owner}. To rename a node, start it under its name, and change it with \`statemesh reconfigure node-id=${nodeId}\`.`,
  );
}

/** A path beside the file or below it moves with the file. */
function fromFile(path: string, target: string): string {
  const inner = relative(dirname(path), target);
  return inner.startsWith('..') ? target : `./${inner}`;
}

function write(name: string, contents: string, force: boolean): void {
  // An overwritten file is replaced as a whole: its old mode does not stay, and a failure leaves it as it was.
  const path = force ? placeFor(name, { force }) : name;
  const target = force ? `${path}.${process.pid}.new` : path;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(target, 'wx', 0o600);
    writeSync(descriptor, contents);
    fsyncSync(descriptor);
    closeSync(descriptor);
    if (force) renameSync(target, path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (descriptor !== undefined) rmSync(target, { force: true });
    throw code === 'EEXIST'
      ? badInput(`${path} exists already: ${insteadOf(path)}.`)
      : new StatemeshError('configurationUnreadable', `${path} cannot be written (${code}): check its directory.`);
  }
}

/** What to do when a file exists: never overwrite the only copy of a cluster key. */
function insteadOf(path: string): string {
  const other = 'choose another file with --config';
  try {
    const fields = readConfigurationFile({ config: path })?.fields ?? {};
    if (Object.keys(fields).length === 0) return `${other}, or overwrite it with --force`;
    const whose = typeof fields.nodeId === 'string' ? `node ${fields.nodeId}` : 'another node';
    return `it is the configuration of ${whose}. To let another node join its cluster, add --from ${path}; otherwise ${other}`;
  } catch {
    return `${other}, or overwrite it with --force`;
  }
}
