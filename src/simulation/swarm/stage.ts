/** The nodes that a plan is played with, wired as it says, and their cloud. */
import type { Authority } from '../authority.js';
import type { Topology } from '../network/topology.js';
import type { InitialPeerInput, World } from '../world.js';
import type { WorldNode } from '../world-node.js';
import type { Plan } from './plan.js';

export interface Stage {
  readonly nodes: readonly WorldNode[];
  readonly clouds: readonly WorldNode[];
  /** The cloud peers of each node, with their secrets. */
  readonly cloudPeers: ReadonlyMap<WorldNode, readonly InitialPeerInput[]>;
  /** Undefined without cloud nodes. */
  readonly authority: Authority | undefined;
}

export function setStage(world: World, plan: Plan): Stage {
  const authority = plan.clouds > 0 ? world.authority({ lifetime: plan.tokenLifetimeMs }) : undefined;
  const clouds = authority === undefined ? [] : startClouds(world, plan, authority);
  const cloudPeers = new Map<WorldNode, readonly InitialPeerInput[]>();
  const start = (segment: string, nodeIds: readonly string[], topology: Topology): readonly WorldNode[] => {
    const client = authority?.register({ clientId: segment, clientSecret: `the secret of the ${segment}` });
    // A literal secret, so that it has to be sealed here and opened elsewhere.
    const initialRemotePeers =
      client === undefined ? [] : clouds.map((cloud) => world.cloudPeer(cloud, client, client.clientSecret));
    const nodes = world.lan(segment, nodeIds, { ...plan.options, initialRemotePeers, topology });
    for (const node of nodes) cloudPeers.set(node, initialRemotePeers);
    return nodes;
  };
  const nodeIds = Array.from({ length: plan.nodes }, (_, index) => `node-${String.fromCharCode(97 + index)}`);
  const { wiring } = plan;
  const common = { clouds, cloudPeers, authority };
  if (wiring !== 'bridge' && wiring !== 'sites') return { nodes: start('office', nodeIds, wiring), ...common };
  // Two local networks; as a bridge, the first node of the second network is on both.
  const half = Math.ceil(nodeIds.length / 2);
  const office = start('office', nodeIds.slice(0, half), 'mesh');
  const shop = start('shop', nodeIds.slice(half), 'mesh');
  if (wiring === 'bridge' && shop[0] !== undefined) world.bridge(shop[0], 'office');
  return { nodes: [...office, ...shop], ...common };
}

function startClouds(world: World, { clouds, options }: Plan, authority: Authority): readonly WorldNode[] {
  const nodeIds = Array.from({ length: clouds }, (_, index) => `cloud-${index + 1}`);
  return world.cloud(nodeIds, { ...options, authority });
}
