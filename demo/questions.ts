/** The questions that the story asks the nodes. */
import { type City, linesOf } from './cities.js';
import type { ClusterNode } from './cluster-node.js';

interface PeerReport {
  readonly nodeId: string;
  readonly state: string;
  readonly remoteAddress?: string;
  readonly direction?: 'dialed' | 'accepted';
  readonly entriesReceived: number;
}

interface StatusReport {
  readonly nodeId: string;
  readonly clusterKeyIds: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly security: string;
  readonly clockDigest: string;
  readonly peers: readonly PeerReport[];
  readonly store: { readonly documents: number; readonly entries: number };
  readonly leadership?: { readonly isLeader: boolean; readonly leaderId?: string; readonly term: number };
  readonly gateways: readonly GatewayReport[];
}

interface GatewayReport {
  readonly nodeId: string;
  readonly state: string;
  readonly isCaughtUp: boolean;
}

export function statusOf(node: ClusterNode): Promise<StatusReport> {
  return node.call<StatusReport>('status');
}

export async function clockDigestOf(node: ClusterNode): Promise<string> {
  return (await statusOf(node)).clockDigest;
}

export async function digestsOf(node: ClusterNode): Promise<{ documents: number; clock: string; content: string }> {
  const { documents, digest } = await node.call<{ documents: number; digest: string }>('digest');
  return { documents, clock: await clockDigestOf(node), content: digest };
}

/** Number and digest of the documents that also go to the cloud: all except the cluster's own settings. */
export function sharedDigestOf(node: ClusterNode): Promise<{ documents: number; digest: string }> {
  return node.call<{ documents: number; digest: string }>('digest', { scope: 'shared' });
}

/** Whether all of these nodes follow this leader. */
export async function isLedBy(nodes: readonly ClusterNode[], leader: ClusterNode): Promise<boolean> {
  const statuses = await Promise.all(nodes.map(statusOf));
  return statuses.every(({ leadership }) => leadership?.leaderId === leader.name);
}

/** The nodes that have an open gateway to a cloud node. */
export async function connectedTo(nodes: readonly ClusterNode[], cloudNode: ClusterNode): Promise<readonly string[]> {
  const statuses = await Promise.all(nodes.map(async (node) => ({ node, status: await statusOf(node) })));
  return statuses
    .filter(({ status }) =>
      status.gateways.some(({ nodeId, state }) => nodeId === cloudNode.name && state === 'online'),
    )
    .map(({ node }) => node.name);
}

/** Whether there is one encrypted session for each pair: all are connected, and one end of each session has dialed. */
export async function areMeshed(nodes: readonly ClusterNode[]): Promise<boolean> {
  const statuses = await Promise.all(nodes.map(statusOf));
  assert(
    statuses.every(({ security }) => security === 'psk'),
    'the sessions are not encrypted',
  );
  const ends = statuses.flatMap(({ peers }) => peers).filter(({ state }) => state === 'connected');
  const dialed = ends.filter(({ direction }) => direction === 'dialed');
  return ends.length === nodes.length * (nodes.length - 1) && dialed.length === ends.length / 2;
}

export async function importCities(node: ClusterNode, cities: readonly City[]): Promise<number> {
  const startedMs = performance.now();
  const request = { lines: linesOf(cities), parameters: { collection: 'cities', key: 'cityId' } };
  let written = 0;
  for await (const report of node.stream<{ written: number }>('import', request)) written = report.written;
  assert(written === cities.length, `the import ended at ${written}`);
  return (performance.now() - startedMs) / 1_000;
}

export async function largestCities(
  node: ClusterNode,
  { country, limit }: { country: string; limit: number },
): Promise<City[]> {
  const found: City[] = [];
  const orderBy = [{ field: 'population', descending: true }];
  const body = { collection: 'cities', where: { country }, orderBy, limit };
  for await (const { document } of node.stream<{ document: City }>('find', { body })) found.push(document);
  return found;
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
