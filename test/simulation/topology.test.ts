import { describe, expect, test } from '@jest/globals';
import { neighbors, type Topology } from '../../src/simulation/network/topology.js';

describe('neighbors', () => {
  const cases: [Topology, number, number, number[]][] = [
    ['mesh', 1, 4, [0, 2, 3]],
    ['ring', 0, 5, [1, 4]],
    ['ring', 2, 5, [1, 3]],
    ['ring', 4, 5, [0, 3]],
    ['ring', 0, 2, [1]],
    ['chain', 0, 4, [1]],
    ['chain', 2, 4, [1, 3]],
    ['chain', 3, 4, [2]],
    ['star', 0, 4, [1, 2, 3]],
    ['star', 3, 4, [0]],
  ];
  test.each(cases)('%s: place %i of %i -> %j', (topology, index, count, expected) => {
    expect(neighbors(topology, index, count)).toEqual(expected);
  });

  test.each(['mesh', 'ring', 'chain', 'star'] as const)(
    '%s: any size -> mutual, connected, no host alone',
    (topology) => {
      for (let count = 1; count <= 7; count += 1) {
        const all = Array.from({ length: count }, (_, index) => neighbors(topology, index, count));
        for (const [index, others] of all.entries()) {
          for (const other of others) expect(all[other]).toContain(index);
        }
        const reached = new Set([0]);
        for (const index of reached) for (const other of all[index] ?? []) reached.add(other);
        expect(reached.size).toBe(count);
      }
    },
  );
});
