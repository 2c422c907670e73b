/** A node as a program embeds it: {@link nodeLogic} as a root actor, and the handle over it. */
import { createActor } from 'xstate';
import { nodeLogicOf, nodeOf } from './node-logic.js';
import { type NodeConfiguration, type NodeExtras, nodeExtras, readNodeOptions, systemPorts } from './node-options.js';
import type { StatemeshNode } from './statemesh-node.js';

/**
 * Makes a node. It does nothing before `start()`.
 *
 * @param configuration The configuration itself, or a provider that supplies it and reports changes
 * @param extras Loggers, an inspector, services and ports
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`. With a provider,
 * `start()` rejects with these errors instead
 *
 * @example
 * const node = createNode({ nodeId: 'shop-1', dataDir: './data', clusterKey, clusterSalt });
 * await node.start();
 * await node.collection('articles').put('a1', { name: 'Espresso', price: 1.2 });
 * await node.stop();
 */
export function createNode(configuration: NodeConfiguration, extras: NodeExtras = {}): StatemeshNode {
  const { provider, extras: given } = readNodeOptions(configuration, extras, nodeExtras);
  const { inspect, ...others } = given;
  const ports = given.ports ?? systemPorts();
  const actor = createActor(nodeLogicOf(provider, { ...others, ports }), {
    id: 'node',
    clock: ports.time,
    input: undefined,
    ...(inspect === undefined ? {} : { inspect }),
  });
  const node = nodeOf(actor);
  // Stopping only the actor would leave the database open and locked, and the state at "running".
  actor.stop = () => {
    void node.stop();
    return actor;
  };
  return node;
}
