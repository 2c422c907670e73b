/** A stopped node, whose database a command opens itself. */

import { callControl } from '../control/client.js';
import { controlSocketPath, StatemeshError } from '../control/protocol.js';
import { type PlaceOptions, readConfigurationFile, variable } from './configuration-file.js';
import { badInput } from './failures.js';

/** @throws StatemeshError `requestInvalid` when neither an option nor the file names the node */
export function nodeIdOf(options: PlaceOptions & { readonly nodeId?: string }): string {
  const nodeId = options.nodeId ?? variable('STATEMESH_NODE_ID') ?? readConfigurationFile(options)?.fields.nodeId;
  if (typeof nodeId === 'string') return nodeId;
  throw badInput('Name the node whose database it is: --node-id, or --config for its configuration.');
}

/** @throws StatemeshError `databaseInUse` */
export async function refuseRunning(dataDir: string): Promise<void> {
  const status = await callControl(controlSocketPath(dataDir), 'status').catch(() => undefined);
  if (status === undefined) return;
  const { nodeId, processId } = status as { nodeId: string; processId: number };
  const message = `Node ${nodeId} runs in ${dataDir} (process ${processId}): stop it first, with \`statemesh stop\`.`;
  throw new StatemeshError('databaseInUse', message);
}
