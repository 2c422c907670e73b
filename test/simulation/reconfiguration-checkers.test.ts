/** The checkers of reconfigurations: each reports the breach that it is for, and is silent otherwise. */
import { describe, expect, it } from '@jest/globals';
import type { Hlc } from '../../src/core/hlc.js';
import type { NodeId } from '../../src/core/ids.js';
import { acknowledgedWrites } from '../../src/simulation/checkers/acknowledged-writes.js';
import { chains } from '../../src/simulation/checkers/chains.js';
import { clusterKeys } from '../../src/simulation/checkers/cluster-keys.js';
import { identities } from '../../src/simulation/checkers/identities.js';
import { leadership } from '../../src/simulation/checkers/leadership.js';
import { reconfigurations } from '../../src/simulation/checkers/reconfigurations.js';
import type { NodeProcess } from '../../src/simulation/node.js';
import { commitOf, processOf, runOf, sessionOf, storeOf, tested } from './checker-bench.js';

interface InForce {
  readonly port: number;
  readonly discovery?: boolean;
  readonly store?: object;
  readonly listening?: number;
  readonly step?: string;
  readonly keys?: readonly string[];
}

/** A node whose configuration in force can change. */
function configured(nodeId: string, inForce: InForce, sessions: readonly object[] = []) {
  const process = processOf(nodeId, { sessions });
  const state = { ...inForce };
  const { children } = process.node.actor.getSnapshot() as { children: object };
  const getSnapshot = () => {
    const { port, listening = port, step = 'settled', keys = [], discovery = false, store } = state;
    const all = keys.map((keyId) => ({ keyId }));
    const configuration = { port, discovery };
    const context = { configured: { configuration, keys: { all } }, listening: { port: listening }, store };
    return { status: 'active', value: { running: { reconfiguration: step } }, context, children };
  };
  return { process: { ...process, node: { actor: { getSnapshot } } } as unknown as NodeProcess, state };
}

const took = { tookMs: 1, writesHeldMs: 0, connectionsRefusedMs: 0 };
const failed = {
  nodeId: 'a',
  atMs: 0,
  nodeEvent: { type: 'reconfiguration.failed', failure: { code: 'portInUse', message: 'Taken.' }, requests: [] },
} as const;

describe('reconfigurations', () => {
  it('a reconfiguration: fails, and the configuration is the same -> silent; another one -> reported', () => {
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
  ] as const)('a node: listens %s -> %s', (_, inForce, ports, count) => {
    const { process } = configured('a', inForce);
    const { checker, reports } = tested(reconfigurations, { processes: [process], portsOf: () => ports });
    checker.look();
    expect(reports).toHaveLength(count);
  });
});

describe('reconfigurations, failed and finished', () => {
  it('a reconfiguration: fails, and the node has another database -> reported; in a new process -> silent', () => {
    const { process, state } = configured('a', { port: 1, store: {} });
    const { checker, reports } = tested(reconfigurations, { processes: [process], portsOf: () => [1] });
    checker.look();
    checker.happened(process, failed);
    expect(reports).toEqual([]);
    Object.assign(state, { store: {} });
    checker.happened(process, failed);
    expect(reports).toEqual([expect.stringContaining('has another database now')]);
    // A look at the present state, so that only this is new.
    checker.look();
    checker.ended(process);
    checker.happened(process, failed);
    expect(reports).toHaveLength(1);
  });

  it.each(['leaving', 'ending'])(
    'a reconfiguration: refused while another is %s and not reported yet -> silent',
    (step) => {
      const { process, state } = configured('a', { port: 1 });
      const { checker, reports } = tested(reconfigurations, { processes: [process], portsOf: () => [1] });
      checker.look();
      Object.assign(state, { port: 2, step });
      checker.happened(process, failed);
      expect(reports).toEqual([]);
    },
  );

  it('a change: reported as in force, but is not -> reported; is in force, or is a secret -> silent', () => {
    const { process } = configured('a', { port: 1 });
    const told = (field: string, from: unknown, to: unknown) => {
      const { checker, reports } = tested(reconfigurations, { processes: [process] });
      const changes = [{ field, from, to }];
      const nodeEvent = { type: 'reconfiguration.finished', changes, requests: [], ...took } as const;
      checker.happened(process, { nodeId: 'a', atMs: 0, nodeEvent });
      return reports;
    };
    expect(told('port', 1, 2)).toEqual(['a reports that its port is 2, but it is still 1.']);
    expect(told('port', 2, 1)).toEqual([]);
    expect(told('clusterKey', 'k1', 'k2')).toEqual([]);
  });

  it.each([
    ['two databases', { openDatabases: 2 }, 0, false, 1],
    ['a socket for beacons that it does not send', {}, 1, false, 1],
    ['two sockets for beacons', {}, 2, true, 1],
    ['one of each', {}, 1, true, 0],
  ] as const)('a node: has %s open -> %s', (_, parts, sockets, discovery, count) => {
    const { process } = configured('a', { port: 1, discovery });
    const processes = [{ ...process, ...parts } as NodeProcess];
    const around = { processes, portsOf: () => [1], datagramSocketsOf: () => sockets };
    const { checker, reports } = tested(reconfigurations, around);
    checker.look();
    expect(reports).toHaveLength(count);
  });
});

describe('reconfigurations, in the end', () => {
  it('a node: is not as its operator wants it -> reported', async () => {
    const { process } = configured('a', { port: 1 });
    const settled = async (wanted: object) => {
      const { checker, reports } = tested(reconfigurations, { processes: [{ ...process, wanted } as NodeProcess] });
      await checker.settled();
      return reports;
    };
    expect(await settled({ port: 1 })).toEqual([]);
    expect(await settled({ port: 2 })).toEqual(['The port of a should be 2, but is 1.']);
  });
});

describe('identities', () => {
  /** What is reported about a session with `peer`, whose process has the NodeId `nodeId`, after this many ms. */
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

  it('the other side: has another NodeId for long -> reported; for a moment, or the same -> silent', () => {
    expect(reported(20_000, 'b', 'x')).toEqual([expect.stringContaining('a still has a session with b')]);
    expect(reported(3_000, 'b', 'x')).toEqual([]);
    expect(reported(20_000, 'b', 'b')).toEqual([]);
  });
});

describe('identities, in their boots', () => {
  it('a boot: was that of another NodeId -> reported; of the same -> silent', () => {
    const met = (second: string) => {
      const [a, b] = [processOf('a', { sessions: [sessionOf({ peer: 'x' })] }), processOf('b')];
      const session = sessionOf({ peer: second }) as { context: { peer: object } };
      Object.assign(session.context.peer, { boot: 'boot of x' });
      const processes = [a, processOf('c', { sessions: [session] }), b];
      const { checker, reports } = tested(identities, { processes });
      checker.look();
      return reports;
    };
    expect(met('y')).toEqual(['y has the boot boot of x, which was that of x.']);
    expect(met('x')).toEqual([]);
  });
});

describe('leadership, and identities that are gone', () => {
  /** What is reported about a node that follows `leaderId` for this many ms, where `b` is the only other node. */
  function reported(ms: number, leaderId: string) {
    const processes = [processOf('a', { vote: { state: 'follower', leaderId: leaderId as NodeId } }), processOf('b')];
    let nowMs = 0;
    const view = {
      processes,
      get nowMs() {
        return nowMs;
      },
    };
    const { checker, reports } = tested(leadership, view);
    checker.look();
    nowMs = ms;
    checker.look();
    return reports;
  }

  it('a node: follows a missing leader for long -> reported; for a moment, or an existing one -> silent', () => {
    expect(reported(60_000, 'gone')).toEqual(['a follows gone; no process has had that NodeId since 0 ms.']);
    expect(reported(5_000, 'gone')).toEqual([]);
    expect(reported(60_000, 'b')).toEqual([]);
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

  it('a session: by a key that is not in the ring, for long -> reported; for a moment, or by one that is -> silent', () => {
    expect(reported(20_000, ['two'], 'one')).toEqual([expect.stringContaining('under a key that it had dropped')]);
    expect(reported(3_000, ['two'], 'one')).toEqual([]);
    expect(reported(20_000, ['two', 'one'], 'one')).toEqual([]);
  });
});

describe('databases that have lost something', () => {
  const write = { nodeId: 'a' as NodeId, hlc: 3 as Hlc };
  const run = runOf('a', [1, 2, 3]);

  it.each([
    ['a node that goes on has it', 'b', 1],
    ['only a database that nobody has open has it', 'x', 0],
  ] as const)('a database: %s, and not every node has it in the end -> %s: %i reported', async (_, served, count) => {
    const a = processOf('a', { store: storeOf([]) });
    const b = processOf('b', { store: storeOf(served === 'b' ? [run] : []) });
    const { checker, reports } = tested(acknowledgedWrites, { processes: [a, b] });
    checker.committed(a, commitOf([run]));
    checker.acknowledged(a, write);
    // The machine of b had another identity once, and keeps that identity's database.
    checker.opened(b, { ...storeOf([run]), nodeId: 'x' as NodeId } as never);
    checker.diskLost(a);
    checker.opened(a, storeOf([]));
    await checker.settled();
    expect(reports).toHaveLength(count);
  });
});

describe('databases of several identities', () => {
  const write = { nodeId: 'x' as NodeId, hlc: 3 as Hlc };
  const run = runOf('x', [1, 2, 3]);

  it.each([
    [3, []],
    [2, ['The database of x lacks the write x 3, which it has acknowledged.']],
  ])('the database of a former identity: has %i of 3 writes -> %j', async (kept, expected) => {
    const aside = async () => [runOf('x', [1, 2, 3].slice(0, kept))];
    const a = { ...processOf('a', { store: storeOf([]) }), readAside: aside } as unknown as NodeProcess;
    const { checker, reports } = tested(acknowledgedWrites, { processes: [a] });
    checker.acknowledged(a, write);
    await checker.settled();
    expect(reports).toEqual(expected);
  });

  it('commits: in the old database while the new one is open -> each continues its own chains', () => {
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
