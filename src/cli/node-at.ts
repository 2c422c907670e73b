/** The running node that a command talks to, found by its data directory. */
import { existsSync, readdirSync } from 'node:fs';
import type { Command } from 'commander';
import { type CallOptions, callControl, type StreamRequest, streamControl } from '../control/client.js';
import { controlSocketPath, StatemeshError, systemCodeOf } from '../control/protocol.js';
import type { HeldDatabase } from '../index.js';
import {
  defaultConfigPath,
  isUnnamed,
  otherNodeAdvice,
  type Place,
  type PlaceOptions,
  placeOf,
} from './configuration-file.js';
import { type ExitCode, exitCodeHelp, exitCodes } from './exit-codes.js';

/** The options of every command that talks to a node. */
export interface TalkOptions extends PlaceOptions {
  readonly json?: boolean;
}

export interface NodeAt {
  readonly dataDir: string;
  call(command: string, body?: unknown, options?: CallOptions): Promise<unknown>;
  stream(command: string, request: StreamRequest, options?: CallOptions): AsyncGenerator<unknown, void, void>;
}

interface TalkHelp {
  readonly json: string;
  readonly examples: readonly string[];
  /** What code 4 means, for a command that has it. */
  readonly notFound?: string;
  /** Additional exit codes. */
  readonly others?: readonly ExitCode[];
}

/** Adds the options of {@link TalkOptions}, examples and exit codes. */
export function defineTalking(command: Command, { json, examples, notFound, others = [] }: TalkHelp): Command {
  const { ok, failed, badInput, noNode } = exitCodes;
  return command
    .option('--data-dir <path>', 'the data directory of the node [STATEMESH_DATA_DIR]')
    .option('--config <file>', 'the configuration file of the node [STATEMESH_CONFIG]')
    .option('--json', json)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`)
    .addHelpText(
      'after',
      exitCodeHelp([ok, failed, badInput, noNode, ...(notFound === undefined ? [] : [exitCodes.notFound]), ...others], {
        ...(notFound !== undefined && { [exitCodes.notFound]: notFound }),
      }),
    );
}

/** @throws StatemeshError `configurationUnreadable`, `controlUnavailable` for a path that is too long */
export function nodeAt(options: PlaceOptions): NodeAt {
  const { dataDir, meant } = placeOf(options);
  const path = controlSocketPath(dataDir);
  const meantNodeId = meant?.nodeId;
  const explained = (error: unknown): Promise<unknown> => explain(error, { dataDir, meant }, options);
  return {
    dataDir,
    async call(command, body, callOptions) {
      try {
        return await callControl(path, command, body, { ...callOptions, meantNodeId });
      } catch (error) {
        throw await explained(error);
      }
    },
    async *stream(command, request, callOptions) {
      try {
        yield* streamControl(path, command, request, { ...callOptions, meantNodeId });
      } catch (error) {
        throw await explained(error);
      }
    },
  };
}

async function explain(error: unknown, { dataDir, meant }: Place, options: PlaceOptions): Promise<unknown> {
  if (!(error instanceof StatemeshError)) return error;
  if (error.code === 'nodeIdMismatch' && meant !== undefined) return otherNode(error, dataDir, meant);
  if (error.code !== 'controlUnavailable') return error;
  if (systemCodeOf(error.cause) === 'EACCES') return error;
  const [held] = await heldIn(dataDir);
  if (held !== undefined) {
    return new StatemeshError('controlUnavailable', `${silentHolderText(held, dataDir)} ${silentHolderAdvice}`, {
      cause: error,
    });
  }
  if (!existsSync(dataDir) && isUnnamed(options)) {
    const message = `No node was set up in ${process.cwd()}: there is no ${defaultConfigPath.replace('./', '')} and no data directory. Run \`statemesh init\` and \`statemesh start\`, or name the node with --config or --data-dir.`;
    return new StatemeshError('controlUnavailable', message, { cause: error });
  }
  const start = `statemesh start${placeText(options)}`;
  const advice = `start one with \`${start}\`, or name its directory with --data-dir.`;
  const message = existsSync(dataDir)
    ? `No node runs in ${dataDir}: ${advice}`
    : `No node can be reached in ${dataDir}, since there is no such directory: ${advice} If a node runs there already, its directory was deleted or moved: put it back, or make it again (mkdir -m 700 ${dataDir}), and the node answers within seconds.`;
  return new StatemeshError('controlUnavailable', message, { cause: error });
}

/** The message of the node that refuses names it. */
function otherNode(
  cause: StatemeshError,
  dataDir: string,
  { nodeId, file }: NonNullable<Place['meant']>,
): StatemeshError {
  const message = `${cause.message} ${file} names ${nodeId}, and the data directory is ${dataDir}. ${otherNodeAdvice(dataDir, nodeId)}`;
  return new StatemeshError('nodeIdMismatch', message, { cause });
}

/** The databases that a process holds although no control socket answers. */
export async function heldIn(dataDir: string): Promise<readonly HeldDatabase[]> {
  if (!hasLocks(dataDir)) return [];
  // Only here: this loads the code of a node.
  const { databasesHeldIn } = await import('../index.js');
  return databasesHeldIn(dataDir);
}

function hasLocks(dataDir: string): boolean {
  try {
    return readdirSync(dataDir).some((name) => name.endsWith('.lock'));
  } catch {
    return false;
  }
}

/** The report about a process that has a database open and cannot be asked. */
export function silentHolderText({ path, holder }: HeldDatabase, dataDir: string): string {
  return `${holder} has the database ${path} open, but no control socket answers in ${dataDir}.`;
}

export const silentHolderAdvice =
  'Set `control: true` in the program that runs there (createNode opens a control socket only then), or stop it. A node that has just started answers within seconds.';

/** The options with which another command finds the same node. */
function placeText({ config, dataDir }: PlaceOptions): string {
  const texts = [
    config === undefined ? '' : ` --config ${config}`,
    dataDir === undefined ? '' : ` --data-dir ${dataDir}`,
  ];
  return texts.join('');
}
