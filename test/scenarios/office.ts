/** The start and end of every scenario: a world of its own, closed afterwards, so that each is checked for leaks. */
import { afterEach, expect } from '@jest/globals';
import type { NodeEvent } from '../../src/actors/mailboxes.js';
import { createWorld, type World, type WorldNode, type WorldOptions } from '../../src/simulation/index.js';

const open: World[] = [];

afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

/**
 * A world that is closed when the test is over.
 *
 * @throws the error of `close`, as a failure of the test
 */
export function newWorld(seed: number, options: Partial<WorldOptions> = {}): World {
  const world = createWorld({ seed, ...options });
  open.push(world);
  return world;
}

/** A mesh of nodes that have found each other. */
export async function office<const Ids extends readonly string[]>(seed: number, nodeIds: Ids) {
  const world = newWorld(seed);
  const nodes = world.lan('office', nodeIds);
  await meshed(world);
  return { world, nodes };
}

export const three = ['node-a', 'node-b', 'node-c'] as const;

export async function meshed(world: World): Promise<void> {
  await world.until(() => world.nodes.every(({ isUp }) => isUp) && world.meshed(), { within: '10s' });
}

/** The documents that scenarios write. */
export function things(node: WorldNode) {
  return node.collection<unknown>('things');
}

type NodeEventOf<Type extends NodeEvent['type']> = Extract<NodeEvent, { type: Type }>;

/** The events of one type that a node has emitted since some moment. */
export function told<Type extends NodeEvent['type']>(
  world: World,
  node: WorldNode,
  type: Type,
  sinceMs = 0,
): NodeEventOf<Type>[] {
  return world
    .heard(node)
    .filter(({ atMs, nodeEvent }) => atMs >= sinceMs && nodeEvent.type === type)
    .map(({ nodeEvent }) => nodeEvent as NodeEventOf<Type>);
}

/** Checks that every node holds the same document under a key. */
export async function expectEverywhere(world: World, key: string, document: unknown): Promise<void> {
  for (const node of world.nodes)
    expect({ [node.nodeId]: await things(node).get(key) }).toEqual({ [node.nodeId]: document });
}
