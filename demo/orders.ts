/** Orders with consecutive numbers, so that a missing or duplicate order shows. */
import type { ClusterNode } from './cluster-node.js';
import { assert } from './questions.js';
import { runAll } from './writes.js';

export class Orders {
  total = 0;

  /** Writes the orders on the nodes in turn. */
  async write(nodes: readonly ClusterNode[], count: number): Promise<void> {
    const writes = Array.from({ length: count }, (_, index) => {
      const order = this.total + index;
      const node = nodes[order % nodes.length] as ClusterNode;
      const body = { collection: 'orders', key: `order-${order}`, document: { order, by: node.name } };
      return () => node.call('put', body);
    });
    await runAll(writes);
    this.total += count;
  }

  async countOn(node: ClusterNode): Promise<number> {
    return (await node.call<{ count: number }>('count', { collection: 'orders' })).count;
  }

  /** @throws Error unless every order exists exactly once, as it was written */
  async verify(node: ClusterNode): Promise<void> {
    const seen = new Set<number>();
    for await (const { key, document } of node.stream<{ key: string; document: { order: number } }>('find', {
      body: { collection: 'orders' },
    })) {
      assert(key === `order-${document.order}`, `${node.name} has order ${document.order} under ${key}`);
      seen.add(document.order);
    }
    assert(seen.size === this.total, `${node.name} has ${seen.size} of ${this.total} orders`);
  }
}
