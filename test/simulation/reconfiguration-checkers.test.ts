/** The checkers of reconfigurations: each sees what it is there for, and is silent otherwise. */
import { describe, expect, it } from '@jest/globals';
import type { Hlc } from '../../src/core/hlc.js';
import type { NodeId } from '../../src/core/ids.js';
import { acknowledgedWrites } from '../../src/simulation/checkers/acknowledged-writes.js';
import { chains } from '../../src/simulation/checkers/chains.js';
import { clusterKeys } from '../../src/simulation/checkers/cluster-keys.js';
import { identities } from '../../src/simulation/checkers/identities.js';
import { reconfigurations } from '../../src/simulation/checkers/reconfigurations.js';
import type { NodeProcess } from '../../src/simulation/node.js';
import { commitOf, processOf, runOf, sessionOf, storeOf, tested } from './checker-bench.js';

interface InForce {
  readonly port: number;
  readonly listening?: number;
  readonly step?: string;
  readonly keys?: readonly string[];
}

/** A node with a configuration in force that can change. */
function configured(nodeId: string, inForce: InForce, sessions: readonly object[] = []) {
  const process = processOf(nodeId, { sessions });
  const state = { ...inForce };
  const { children } = process.node.actor.getSnapshot() as { children: object };
  const getSnapshot = () => {
    const { port, listening = port, step = 'settled', keys = [] } = state;
    const all = keys.map((keyId) => ({ keyId }));
    const context = { configured: { configuration: { port }, keys: { all } }, listening: { port: listening } };
    return { status: 'active', value: { running: { reconfiguration: step } }, context, children };
  };
  return { process: { ...process, node: { actor: { getSnapshot } } } as unknown as NodeProcess, state };
}

const failed = {
  ...{ nodeId: 'a', atMs: 0 },
  happening: { type: 'reconfiguration.failed', failure: { code: 'portInUse', message: 'Taken.' }, requests: [] },
} as const;

describe('reconfigurations', () => {
  it('one fails, and the configuration is the same -> silent; another one -> reported', () => {
    const { process, state } = configured('a', { port: 1 });
    const { checker, reports } = tested(reconfigurations, { processes: [process], portsOf: () => [1] });
    checker.look();
    checker.happened(process, failed);
    expect(reports).toEqual([]);
    Object.assign(state, { port: 2 });
    checker.happened(process, failed);
    expect(reports).toEqual([expect.stringContaining('a was not reconfigured (Taken.)')]);
  });

  it.each([
    ['where it says', { port: 1 }, [1], 0],
    ['at two ports', { port: 1 }, [1, 2], 1],
    ['nowhere', { port: 1 }, [], 1],
    ['elsewhere', { port: 1 }, [2], 1],
    ['not where it was told to', { port: 1, listening: 2 }, [2], 1],
    ['where the system has put it', { port: 0, listening: 41_000 }, [41_000], 0],
    ['at two ports, while it moves', { port: 1, step: 'retiring' }, [1, 2], 0],
  ] as const)('it listens %s -> %s', (_, inForce, ports, count) => {
    const { process } = configured('a', inForce);
    const { checker, reports } = tested(reconfigurations, { processes: [process], portsOf: () => ports });
    checker.look();
    expect(reports).toHaveLength(count);
  });
});

describe('reconfigurations, in the end', () => {
  it('a node is not as its operator wants it -> reported', async () => {
    const { process } = configured('a', { port: 1 });
    const settled = async (wanted: object) => {
      const { checker, reports } = tested(reconfigurations, { processes: [{ ...process, wanted } as NodeProcess] });
      await checker.settled();
      return reports;
    };
    expect(await settled({ port: 1 })).toEqual([]);
    expect(await settled({ port: 2 })).toEqual(['The port of a is to be 2, and is 1.']);
  });
});

describe('identities', () => {
  /** What is reported about a session with `peer`, of which the process goes by `nodeId`, after so many ms. */
  function reported(ms: number, peer: string, nodeId: string) {
    const a = processOf('a', { sessions: [sessionOf({ peer })] });
    const other = { ...processOf(nodeId), address: `at-${peer}` } as NodeProcess;
    let nowMs = 0;
    const view = {
      processes: [a, other],
      get nowMs() {
        return nowMs;
      },
    };
    const { checker, reports } = tested(identities, view);
    checker.look();
    nowMs = ms;
    checker.look();
    return reports;
  }

  it('the other side goes by another NodeId for long -> reported; for a moment, or by the same -> silent', () => {
    expect(reported(20_000, 'b', 'x')).toEqual([expect.stringContaining('a still has a session with b')]);
    expect(reported(3_000, 'b', 'x')).toEqual([]);
    expect(reported(20_000, 'b', 'b')).toEqual([]);
  });
});

describe('cluster-keys', () => {
  function reported(ms: number, ring: readonly string[], keyId: string) {
    const session = sessionOf() as { context: { connection: object } };
    Object.assign(session.context.connection, { protection: { kind: 'psk', keyId } });
    const { process } = configured('a', { port: 1, keys: ring }, [session]);
    let nowMs = 0;
    const view = {
      processes: [process],
      get nowMs() {
        return nowMs;
      },
    };
    const { checker, reports } = tested(clusterKeys, view);
    checker.look();
    nowMs = ms;
    checker.look();
    return reports;
  }

  it('a session by a key that is not in the ring, for long -> reported; for a moment, or by one that is -> silent', () => {
    expect(reported(20_000, ['two'], 'one')).toEqual([expect.stringContaining('by a key that it dropped')]);
    expect(reported(3_000, ['two'], 'one')).toEqual([]);
    expect(reported(20_000, ['two', 'one'], 'one')).toEqual([]);
  });
});

describe('databases of several identities', () => {
  const write = { nodeId: 'x' as NodeId, hlc: 3 as Hlc };
  const run = runOf('x', [1, 2, 3]);

  it.each([
    [3, []],
    [2, ['The database of x lacks the write x 3, which it has acknowledged.']],
  ])('%i of 3 writes are in the database of an identity that is not served any more -> %j', async (kept, expected) => {
    const aside = async () => [runOf('x', [1, 2, 3].slice(0, kept))];
    const a = { ...processOf('a', { store: storeOf([]) }), readAside: aside } as unknown as NodeProcess;
    const { checker, reports } = tested(acknowledgedWrites, { processes: [a] });
    checker.acknowledged(a, write);
    await checker.settled();
    expect(reports).toEqual(expected);
  });

  it('commits in the old database while the new one is open -> each continues its own chains', () => {
    const a = processOf('a');
    const { checker, reports } = tested(chains);
    const [old, next] = ['a', 'x'].map((nodeId) => ({
      ...storeOf([run]),
      nodeId: nodeId as NodeId,
      clock: () => new Map(),
    }));
    checker.opened(a, old as never);
    checker.opened(a, next as never);
    const own = (hlcs: readonly number[]) => commitOf([runOf('a', hlcs)]);
    checker.committed(a, own([1]), 'a' as NodeId);
    checker.committed(a, own([1]), 'x' as NodeId);
    expect(reports.filter((report) => report.includes('do not continue'))).toEqual([]);
    checker.committed(a, own([1]), 'x' as NodeId);
    expect(reports.at(-1)).toContain('do not continue');
  });
});
