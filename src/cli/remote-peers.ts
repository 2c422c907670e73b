/** `statemesh remote-peers`, `enable-peer`, `disable-peer` and `remove-peer`: the stored peers of the whole cluster. */
import type { Command } from 'commander';
import { limits, StatemeshError } from '../control/protocol.js';
import { PeerType, type RemotePeer } from '../remote-peers/remote-peer.js';
import { dataDirOf } from './configuration-file.js';
import { exitCodes } from './exit-codes.js';
import { badInput } from './failures.js';
import { defineTalking, type NodeAt, nodeAt, type TalkOptions } from './node-at.js';
import { nodeIdOf, refuseRunning } from './node-at-rest.js';
import { clean, count, hintAt, print, printJson, table } from './output.js';

export function defineRemotePeers(command: Command): void {
  defineTalking(command, {
    json: 'print one JSON object per line; secrets are names of variables, or sealed',
    examples: ['statemesh remote-peers', 'statemesh remote-peers --json'],
  }).action(async (options: TalkOptions) => {
    const node = nodeAt(options);
    const peers = (await node.call('remotePeers')) as RemotePeer[];
    if (options.json) for (const peer of peers) printJson(peer);
    else if (peers.length === 0) print('No remote peers are stored. Add one with add-cloud-peer or add-static-peer.');
    else print(table(columns, peers.map(rowOf)));
    if (peers.length >= limits.peersMax) await hintAtSurplus(node, peers.length, options);
  });
}

/** A node uses a limited number of stored peers. */
async function hintAtSurplus(node: NodeAt, shown: number, options: TalkOptions): Promise<void> {
  const { count: stored } = (await node.call('count', { collection: storedIn })) as { count: number };
  if (stored <= shown) return;
  hintAt(
    `${count(stored)} are stored, and a node uses the first ${count(shown)}, in order of NodeId. See all of them with \`statemesh find ${storedIn}\`.`,
    options,
  );
}

const storedIn = '_system_remote_peers';

export function defineEnablePeer(command: Command): void {
  defineChange(command, { call: 'enablePeer', done: 'Enabled', idle: 'Enabled already', example: 'enable-peer' });
}

export function defineDisablePeer(command: Command): void {
  defineChange(command, { call: 'disablePeer', done: 'Disabled', idle: 'Disabled already', example: 'disable-peer' });
}

interface RemoveOptions extends TalkOptions {
  readonly offline?: boolean;
  readonly nodeId?: string;
}

const removeHelp = `
To remove a quarantined document that \`statemesh status\` lists, give its key. With --offline, the command opens the
database of a stopped node. The other nodes learn of the removal when the node runs again.`;

export function defineRemovePeer(command: Command): void {
  const { taken, database } = exitCodes;
  command
    .argument('<node-id>', 'the NodeId of the remote peer')
    .option('--offline', 'in the database of a node that does not run')
    .option('--node-id <id>', 'with --offline: the node whose database it is [STATEMESH_NODE_ID]')
    .addHelpText('after', removeHelp);
  defineTalking(command, {
    json: 'print {"isChanged"}',
    examples: ['statemesh remove-peer cloud-1', 'statemesh remove-peer cloud-1 --offline --data-dir ./data'],
    notFound: 'no such remote peer',
    others: [taken, database],
  }).action(async (peer: string, options: RemoveOptions) => {
    if (options.offline !== true) {
      if (options.nodeId !== undefined) throw badInput('--node-id is for --offline: a running node knows its name.');
      await nodeAt(options).call('removePeer', { nodeId: peer });
      tellRemoval(peer, options);
      return;
    }
    const dataDir = dataDirOf(options);
    await refuseRunning(dataDir);
    const { removeStoredPeer } = await import('../index.js');
    const isChanged = await removeStoredPeer({ dataDir, nodeId: nodeIdOf(options) }, peer);
    if (!isChanged) throw new StatemeshError('peerUnknown', `There is no remote peer "${clean(peer)}" in ${dataDir}.`);
    tellRemoval(peer, options);
  });
}

function tellRemoval(peer: string, { json }: TalkOptions): void {
  if (json) printJson({ isChanged: true } satisfies Changed);
  else print(`Removed: ${clean(peer)}, on every node of the cluster.`);
}

interface Change {
  readonly call: string;
  readonly done: string;
  readonly idle: string;
  readonly example: string;
}

function defineChange(command: Command, change: Change): void {
  const { call, example } = change;
  command.argument('<node-id>', 'the NodeId of the remote peer');
  defineTalking(command, {
    json: 'print {"isChanged"}',
    examples: [`statemesh ${example} cloud-1`],
    notFound: 'no such remote peer',
  }).action(async (nodeId: string, options: TalkOptions) => {
    tellChange(nodeId, change, options, (await nodeAt(options).call(call, { nodeId })) as Changed);
  });
}

interface Changed {
  readonly isChanged: boolean;
}

function tellChange(nodeId: string, { done, idle }: Change, options: TalkOptions, answer: Changed): void {
  if (options.json) printJson(answer);
  else print(`${answer.isChanged ? done : idle}: ${clean(nodeId)}, on every node of the cluster.`);
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
