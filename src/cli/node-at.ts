/** The running node that a command talks to, found by its data directory. */
import type { Command } from 'commander';
import { type CallOptions, callControl, type StreamRequest, streamControl } from '../control/client.js';
import { controlSocketPath, StatemeshError, systemCodeOf } from '../control/protocol.js';
import { dataDirOf, type PlaceOptions } from './configuration-file.js';
import { type ExitCode, exitCodeHelp, exitCodes } from './exit-codes.js';

/** What every command has that talks to a node. */
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
  readonly notFound?: boolean;
  /** Exit codes besides. */
  readonly others?: readonly ExitCode[];
}

/** Adds the options of {@link TalkOptions}, examples and exit codes. */
export function defineTalking(command: Command, { json, examples, notFound = false, others = [] }: TalkHelp): Command {
  const { ok, failed, badInput, noNode } = exitCodes;
  return command
    .option('--data-dir <path>', 'the data directory of the node [STATEMESH_DATA_DIR]')
    .option('--config <file>', 'the configuration file of the node [STATEMESH_CONFIG]')
    .option('--json', json)
    .addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`)
    .addHelpText(
      'after',
      exitCodeHelp([ok, failed, badInput, noNode, ...(notFound ? [exitCodes.notFound] : []), ...others]),
    );
}

/** @throws StatemeshError `configurationUnreadable`, `controlUnavailable` for a path that is too long */
export function nodeAt(options: PlaceOptions): NodeAt {
  const dataDir = dataDirOf(options);
  const path = controlSocketPath(dataDir);
  return {
    dataDir,
    async call(command, body, callOptions) {
      try {
        return await callControl(path, command, body, callOptions);
      } catch (error) {
        throw explain(error, dataDir);
      }
    },
    async *stream(command, request, callOptions) {
      try {
        yield* streamControl(path, command, request, callOptions);
      } catch (error) {
        throw explain(error, dataDir);
      }
    },
  };
}

function explain(error: unknown, dataDir: string): unknown {
  if (!(error instanceof StatemeshError) || error.code !== 'controlUnavailable') return error;
  if (systemCodeOf(error.cause) === 'EACCES') return error;
  const message = `No node runs in ${dataDir}: start one with \`statemesh start\`, or name its directory with --data-dir.`;
  return new StatemeshError('controlUnavailable', message, { cause: error });
}
