/**
 * Nodes over real sockets and files, each test on a discovery port of its own so that test files do not hear each
 * other.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ConfigurationInput,
  createNode,
  type NodeEvent,
  type NodeExtras,
  type StatemeshNode,
} from '../../src/index.js';
import { ownPort } from './own-port.js';

export const clusterKey = 'correct horse battery staple';
export const clusterSalt = 'cluster-test';

export interface Fixture {
  /** A node with its own data directory, not yet started. */
  make(nodeId: string, options?: Partial<ConfigurationInput>, extras?: NodeExtras): TestNode;
  start(nodeId: string, options?: Partial<ConfigurationInput>, extras?: NodeExtras): Promise<TestNode>;
  directoryOf(name: string): string;
  /** Stops everything and removes the files. */
  close(): Promise<void>;
}

export interface TestNode extends StatemeshNode {
  readonly nodeEvents: readonly NodeEvent[];
}

export function createFixture(): Fixture {
  const port = ownPort();
  const root = mkdtempSync(join(tmpdir(), 'statemesh-cluster-'));
  const nodes: StatemeshNode[] = [];
  const directoryOf = (name: string) => join(root, name);
  const make: Fixture['make'] = (nodeId, options = {}, extras = {}) => {
    const settings: ConfigurationInput = {
      nodeId,
      dataDir: directoryOf(nodeId),
      clusterKey,
      clusterSalt,
      discoveryPort: port,
      beaconIntervalMs: 200,
      heartbeatIntervalMs: 200,
      syncIntervalMs: 400,
      ...options,
    };
    const node = createNode(settings, extras);
    nodes.push(node);
    const nodeEvents: NodeEvent[] = [];
    node.actor.on('*', (nodeEvent) => nodeEvents.push(nodeEvent as NodeEvent));
    return Object.assign(node, { nodeEvents }) as unknown as TestNode;
  };
  return {
    make,
    directoryOf,
    async start(nodeId, options, extras) {
      const node = make(nodeId, options, extras);
      await node.start();
      return node;
    },
    async close() {
      await Promise.all(nodes.map((node) => node.stop()));
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Polls for a condition every few turns; fails with a message that names the condition. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function isConnected(node: StatemeshNode, peerId: string): boolean {
  return node.peers.some(({ nodeId, state }) => nodeId === peerId && state === 'connected');
}

/** Waits until every node has a session with every other. */
export async function untilMeshed(nodes: readonly StatemeshNode[], withinMs?: number): Promise<void> {
  const ids = nodes.map((node) => node.actor.getSnapshot().context.configured?.configuration.nodeId as string);
  await until(
    `a mesh of ${ids.join(', ')}`,
    () => nodes.every((node, index) => ids.every((id) => id === ids[index] || isConnected(node, id))),
    withinMs,
  );
}

/** Waits until all nodes hold the same entries and documents. */
export async function untilConverged(nodes: readonly StatemeshNode[], withinMs?: number): Promise<void> {
  await until(
    'equal clocks',
    async () => {
      const digests = await Promise.all(nodes.map(async (node) => (await node.status()).clockDigest));
      return new Set(digests).size === 1;
    },
    withinMs,
  );
  const contents = await Promise.all(nodes.map((node) => node.contentDigest()));
  if (new Set(contents.map(({ digest }) => digest)).size !== 1) throw new Error('Equal clocks, but other documents.');
}

/** Whether no process listens on a port of this machine. */
export function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

export function portOf(node: StatemeshNode): number {
  return node.actor.getSnapshot().context.listening?.port as number;
}

/** Counts the sessions of the parent that has them: membership, or the reception of a cloud node. */
export function sessionsOf(node: StatemeshNode): number {
  const { membership, reception } = node.actor.getSnapshot().children as Record<string, unknown>;
  const parent = (membership ?? reception) as { getSnapshot(): { context: { sessions: { size: number } } } };
  return parent.getSnapshot().context.sessions.size;
}
