/** `statemesh remote-peers`, `enable-peer`, `disable-peer` and `remove-peer`: the stored peers of the whole cluster. */
import type { Command } from 'commander';
import { PeerType, type RemotePeer } from '../protocol/remote-peer.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { clean, print, printJson, table } from './output.js';

export function defineRemotePeers(command: Command): void {
  defineTalking(command, {
    json: 'print the peers as one JSON list; secrets are names of variables, or sealed',
    examples: ['statemesh remote-peers', 'statemesh remote-peers --json'],
  }).action(async (options: TalkOptions) => {
    const peers = (await nodeAt(options).call('remotePeers')) as RemotePeer[];
    if (options.json) printJson(peers);
    else if (peers.length === 0) print('No remote peers are stored. Add one with add-cloud-peer or add-static-peer.');
    else print(table(columns, peers.map(rowOf)));
  });
}

export function defineEnablePeer(command: Command): void {
  defineChange(command, { call: 'enablePeer', done: 'Enabled', idle: 'Enabled already', example: 'enable-peer' });
}

export function defineDisablePeer(command: Command): void {
  defineChange(command, { call: 'disablePeer', done: 'Disabled', idle: 'Disabled already', example: 'disable-peer' });
}

export function defineRemovePeer(command: Command): void {
  defineChange(command, { call: 'removePeer', done: 'Removed', idle: 'Removed already', example: 'remove-peer' });
}

interface Change {
  readonly call: string;
  readonly done: string;
  readonly idle: string;
  readonly example: string;
}

function defineChange(command: Command, { call, done, idle, example }: Change): void {
  command.argument('<node-id>', 'the NodeId of the remote peer');
  defineTalking(command, {
    json: 'print {"isChanged"}',
    examples: [`statemesh ${example} cloud-1`],
    notFound: true,
  }).action(async (nodeId: string, options: TalkOptions) => {
    const answer = (await nodeAt(options).call(call, { nodeId })) as { isChanged: boolean };
    if (options.json) printJson(answer);
    else print(`${answer.isChanged ? done : idle}: ${nodeId}, on every node of the cluster.`);
  });
}

const columns = ['PEER', 'TYPE', 'ADDRESS', 'ENABLED', 'AUTHORITY', 'CLIENT'];

function rowOf({ nodeId, type, address, isEnabled, oAuth2 }: RemotePeer): string[] {
  return [
    nodeId,
    type === PeerType.CloudRemote ? 'cloud' : 'static',
    clean(address),
    isEnabled ? 'yes' : 'no',
    clean(oAuth2?.authority ?? '-'),
    clean(oAuth2?.clientId ?? '-'),
  ];
}
