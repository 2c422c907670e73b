/** `statemesh status` and `statemesh peers`: show the state of a node, and of each peer. */
import type { Command } from 'commander';
import type { GatewayStatus, NodeStatus, PastFailure, PeerStatus, QuarantinedDocument } from '../index.js';
import { now } from './ambient.js';
import { exitCodes } from './exit-codes.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { addressText, bytes, clean, count, counted, list, paint, print, printJson, table } from './output.js';
import { agoText, behindText, descriptorText, driftText, peerDriftText, refusalTexts } from './troubles.js';

interface StatusOptions extends TalkOptions {
  readonly inspectUrl?: boolean;
  readonly exitCode?: boolean;
}

export function defineStatus(command: Command): void {
  command.option(
    '--exit-code',
    'for health checks: exit with 1 while the node does not serve; when no node answers, it is 3 anyway',
  );
  command.option(
    '--inspect-url',
    'print the whole address of the inspector, also where a file may keep it: it admits everyone who has it',
  );
  defineTalking(command, {
    json: 'print the whole status as one JSON object',
    examples: [
      'statemesh status',
      'statemesh status --data-dir ./data --json',
      'statemesh status --exit-code > /dev/null',
    ],
  }).action(async (options: StatusOptions) => {
    const status = (await nodeAt(options).call('status')) as NodeStatus & { processId: number };
    if (options.exitCode && status.state !== 'running') process.exitCode = exitCodes.failed;
    const { inspectorUrl: _, ...others } = status;
    if (options.json) printJson(options.inspectUrl ? status : others);
    else print(list(describe(status, options.inspectUrl)));
  });
}

export function definePeers(command: Command): void {
  defineTalking(command, {
    json: 'print one JSON object per line',
    examples: ['statemesh peers', 'statemesh peers --json'],
  }).action(async (options: TalkOptions) => {
    const peers = (await nodeAt(options).call('peers')) as PeerStatus[];
    if (options.json) for (const peer of peers) printJson(peer);
    else if (peers.length === 0)
      print('No peers are known yet. (Nodes with another cluster key, salt or discovery port are not seen.)');
    else print(peerTable(peers));
  });
}

function describe(status: NodeStatus & { processId: number }, isUrlAsked = false): [string, string][] {
  const { nodeId, state, processId, host, port, store, peers, gateways, clockDigest, lastFailure } = status;
  const connected = peers.filter((peer) => peer.state === 'connected').length;
  const rows: [string, string][] = [
    ['node', `${nodeId}`],
    ['state', `${paint(state === 'running' ? 'green' : 'yellow', state)} (process ${processId})`],
    ['address', addressText(host, port)],
    ['security', securityText(status)],
    ['peers', `${connected} connected of ${peers.length} known`],
  ];
  if (status.leadership !== undefined) rows.push(['leader', leaderOf(status.leadership)]);
  for (const gateway of gateways) rows.push(['cloud', describeGateway(gateway)]);
  if (store !== undefined) {
    rows.push(
      ['documents', `${count(store.documents)} (${count(store.tombstones)} deleted)`],
      ['entries', `${count(store.entries)} of ${counted(store.authors, 'author')}`],
      ['database', `${store.path} (${bytes(store.fileBytes)})`],
    );
  }
  if (status.impairment !== undefined) {
    rows.push(['impaired', paint('red', clean(`${status.impairment.code}: ${status.impairment.message}`))]);
  }
  rows.push(['clock', `${clockDigest} (equal on nodes that have the same)`]);
  const drift = driftText(status.clockAheadMs);
  if (drift !== undefined) rows.push(['time', paint('yellow', drift)]);
  for (const text of troublesOf(status)) rows.push(text);
  const certificate = certificateText(status.certificate);
  if (certificate !== undefined) rows.push(['certificate', certificate]);
  if (status.inspectorUrl !== undefined) rows.push(['inspector', inspectorText(status.inspectorUrl, isUrlAsked)]);
  if (status.metricsPort !== undefined) rows.push(['metrics', `http://127.0.0.1:${status.metricsPort}/metrics`]);
  for (const document of status.quarantined) rows.push(['quarantine', paint('yellow', quarantineText(document))]);
  const isTold = lastFailure?.message === status.impairment?.message;
  if (lastFailure !== undefined && !isTold) {
    rows.push(['last failure', clean(`${agoText(lastFailure.atMs, now())}: ${lastFailure.message}`)]);
  }
  return rows;
}

function* troublesOf({
  clockAheadMs,
  peers,
  gateways,
  refusals,
  descriptors,
}: NodeStatus): Generator<[string, string]> {
  for (const peer of peers) {
    const clock = peerDriftText(peer, clockAheadMs);
    if (clock !== undefined) yield ['time', paint('yellow', clock)];
  }
  for (const link of [...peers, ...gateways]) {
    const behind = behindText(link);
    if (behind !== undefined) yield ['slow link', paint('yellow', `${link.nodeId} ${behind}`)];
  }
  for (const text of refusalTexts(refusals, now())) yield ['refused', text];
  const short = descriptorText(descriptors);
  if (short !== undefined) yield ['descriptors', paint('yellow', short)];
}

/** Until when the certificate is valid, and how many days are left. */
export function certificateText(certificate: NodeStatus['certificate']): string | undefined {
  if (certificate === undefined) return undefined;
  const { daysLeft: days } = certificate;
  const until = new Date(certificate.validToMs).toISOString();
  return days < 0 ? paint('red', `expired at ${until}`) : `good until ${until} (${counted(days, 'day')})`;
}

/** An unusable document, on one line. */
export function quarantineText({ collection, documentKey, reason }: QuarantinedDocument): string {
  return clean(`${collection} ${JSON.stringify(documentKey)}: ${reason}`);
}

export function securityText({ security }: Pick<NodeStatus, 'security'>): string {
  if (security === 'none') return paint('yellow', 'none');
  return security === 'server' ? 'TLS with a certificate, and access tokens' : 'encrypted with the cluster key';
}

function leaderOf({ isLeader, leaderId, term, state }: NonNullable<NodeStatus['leadership']>): string {
  const who = isLeader ? 'this node' : (leaderId ?? 'no node');
  return `${who} (term ${term})${isLeader ? '' : `; this node is ${state}`}`;
}

function describeGateway(gateway: GatewayStatus): string {
  const { nodeId, address, state, isCaughtUp, lastSyncedAtMs, tokenExpiresAtMs, lastFailure } = gateway;
  const parts = [`${nodeId} at ${clean(address)}: ${paint(state === 'online' ? 'green' : 'yellow', state)}`];
  if (state === 'online') parts.push(isCaughtUp ? 'caught up' : 'catching up');
  if (lastSyncedAtMs !== undefined) parts.push(`last synced ${new Date(lastSyncedAtMs).toISOString()}`);
  if (tokenExpiresAtMs !== undefined) parts.push(`token until ${new Date(tokenExpiresAtMs).toISOString()}`);
  if (lastFailure !== undefined) {
    parts.push(clean(pastText(lastFailure)));
  }
  return parts.join(', ');
}

function pastText({ atMs, code, message }: PastFailure): string {
  return `${agoText(atMs, now())}: ${code}: ${message}`;
}

const peerColumns = ['PEER', 'STATE', 'ADDRESS', 'RTT', 'SENT', 'RECEIVED', 'CAUGHT UP', 'SAYS', 'LAST FAILURE'];
const numberColumns = [3, 4, 5];

function peerTable(peers: readonly PeerStatus[]): string {
  const rows = peers.map((peer) => [
    peer.nodeId,
    peer.state,
    clean(peer.remoteAddress ?? '-'),
    peer.roundTripMs === undefined ? '-' : `${peer.roundTripMs.toFixed(1)} ms`,
    count(peer.entriesSent),
    count(peer.entriesReceived),
    peer.state !== 'connected' ? '-' : peer.isCaughtUp ? 'yes' : 'no',
    peer.impairment ?? '-',
    peer.lastFailure === undefined ? '-' : clean(pastText(peer.lastFailure)),
  ]);
  return table(peerColumns, rows, numberColumns);
}

/** With its token only to a terminal, or on request: a file keeps the output, and other users may read it. */
function inspectorText(url: string, isUrlAsked: boolean): string {
  if (process.stdout.isTTY || isUrlAsked) return url;
  return `${new URL(url).origin} (--inspect-url prints its token, too)`;
}
