/** Answers of a node about itself, as lines. */
import type { WorldNode } from '../../../src/simulation/index.js';
import type { Stage } from './commands.js';

/** The state of each peer. */
export async function peersOf({ world, say }: Stage, node: WorldNode): Promise<void> {
  const { peers } = await world.complete(node.node.status());
  if (peers.length === 0) say(node.name, 'knows no peers');
  for (const { nodeId, state, direction, entriesSent, entriesReceived, attempt, lastFailure } of peers) {
    const traffic = `${direction}, ${entriesSent} entries sent, ${entriesReceived} received`;
    const trouble = `${attempt} failed attempts, ${lastFailure?.code ?? 'none yet'}`;
    say(node.name, `peer ${nodeId}: ${state}, ${direction === undefined ? trouble : traffic}`);
  }
}

export async function statusOf({ world, say }: Stage, node: WorldNode): Promise<void> {
  const { state, store } = await world.complete(node.node.status());
  if (store === undefined) {
    say(node.name, state);
    return;
  }
  const { documents, tombstones, entries, authors } = store;
  say(
    node.name,
    `${state}, ${documents} documents, ${tombstones} tombstones, ${entries} entries of ${authors} authors`,
  );
}
