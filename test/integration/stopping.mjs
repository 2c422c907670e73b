/** Three nodes that meet, sync and stop: anything left open would keep this process alive. */
import { join } from 'node:path';
import { createNode } from '../../dist/index.js';

const endsWithinMs = 5_000;
const [directory, port] = process.argv.slice(2);

const nodes = ['a', 'b', 'c'].map((nodeId) =>
  createNode({
    nodeId,
    dataDir: join(directory, nodeId),
    clusterKey: 'correct horse battery staple',
    clusterSalt: 'stopping',
    discoveryPort: Number(port),
    beaconIntervalMs: 200,
    heartbeatIntervalMs: 200,
  }),
);
await Promise.all(nodes.map((node) => node.start()));
await nodes[0].collection('things').put('k', 1);
await Promise.all(nodes.map((node) => arrived(node)));
await Promise.all(nodes.map(meshed));
await Promise.all(nodes.map((node) => node.stop()));
console.log('stopped');
setTimeout(() => {
  console.error(`Open ${endsWithinMs} ms later: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(1);
}, endsWithinMs).unref();

async function arrived(node) {
  for await (const value of node.collection('things').watch('k')) if (value === 1) return;
}

async function meshed(node) {
  while (node.peers.filter(({ state }) => state === 'connected').length < nodes.length - 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
