/** `statemesh stop`: stops a node gracefully and waits until it is gone, so that it can be started again at once. */
import type { Command } from 'commander';
import { StatemeshError, systemCodeOf } from '../control/protocol.js';
import { poll } from './ambient.js';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { print, printJson } from './output.js';

/** How often, and how many times, `stop` checks whether the socket and then the process are gone. */
const intervalMs = 20;
const stopAttemptsMax = 500;
/** Limited, because a program that embeds the node continues without it. */
const exitAttemptsMax = 125;

export function defineStop(command: Command): void {
  defineTalking(command, {
    json: 'print {"nodeId","processId"}',
    examples: ['statemesh stop', 'statemesh stop --data-dir ./data'],
  }).action(async (options: TalkOptions) => {
    const node = nodeAt(options);
    const { nodeId, processId } = (await node.call('stop')) as { nodeId: string; processId: number };
    await untilSilent(node);
    const isGone = await poll(() => hasEnded(processId) || undefined, { intervalMs, attemptsMax: exitAttemptsMax });
    if (options.json) printJson({ nodeId, processId });
    else print(`Stopped: ${nodeId}.${isGone ? '' : ` Its process ${processId} continues.`}`);
  });
}

async function untilSilent(node: NodeAt): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    try {
      await node.call('status');
      return undefined;
    } catch (error) {
      // A connection may break while the socket is being closed; the next poll tells.
      return (error as StatemeshError).code === 'controlUnavailable' ? true : undefined;
    }
  };
  if ((await poll(look, { intervalMs, attemptsMax: stopAttemptsMax })) === undefined) {
    throw new StatemeshError('connectionTimeout', `The node in ${node.dataDir} was asked to stop but still answers.`);
  }
}

function hasEnded(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return false;
  } catch (error) {
    return systemCodeOf(error) === 'ESRCH';
  }
}
