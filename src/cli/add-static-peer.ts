/** `statemesh add-static-peer`: adds a peer with a fixed address, which is stored and known to the whole cluster. */
import type { Command } from 'commander';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { print, printJson } from './output.js';

interface AddStaticPeerOptions extends TalkOptions {
  readonly nodeId: string;
  readonly address: string;
}

export function defineAddStaticPeer(command: Command): void {
  command
    .requiredOption('--node-id <id>', 'the NodeId of the peer')
    .requiredOption(
      '--address <host:port>',
      'where it listens; give it a fixed port there (port), since by default the system chooses one at each start',
    );
  defineTalking(command, {
    json: 'print {"isNew","isChanged"}: both false when the same peer was stored already',
    examples: ['statemesh add-static-peer --node-id office-1 --address 192.168.1.50:9000'],
  }).action(async ({ nodeId, address, ...options }: AddStaticPeerOptions) => {
    const answer = (await nodeAt(options).call('addStaticPeer', { nodeId, address })) as Added;
    if (options.json) printJson(answer);
    else print(addedText(answer, nodeId, address));
  });
}

/** What the node answers about a peer that was added. */
export interface Added {
  /** Whether no peer of its name was stored before. */
  readonly isNew: boolean;
  /** Whether anything was written. */
  readonly isChanged: boolean;
}

export function addedText({ isNew, isChanged }: Added, nodeId: string, address: string): string {
  return `${isNew ? 'Added' : isChanged ? 'Changed' : 'Known already'}: ${nodeId} at ${address}.`;
}
