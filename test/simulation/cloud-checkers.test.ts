/**
 * The checkers of elections, gateways and deliveries: each reports the breach that it is for, and is silent otherwise.
 */
import { describe, expect, it } from '@jest/globals';
import { type AuthorKey, authorKeyOf } from '../../src/core/author.js';
import type { Uplink } from '../../src/core/election-rule.js';
import { endOf, type Position } from '../../src/core/entry.js';
import type { NodeId } from '../../src/core/ids.js';
import type { Checker, CheckerFactory, View } from '../../src/simulation/checker.js';
import { deliveries } from '../../src/simulation/checkers/deliveries.js';
import { gateways } from '../../src/simulation/checkers/gateways.js';
import { leadership } from '../../src/simulation/checkers/leadership.js';
import type { NodeProcess } from '../../src/simulation/node.js';
import { authorOf, commitOf, processOf, runOf, sessionOf, storeAt, storeOf, tested } from './checker-bench.js';

const cloudOptions = { role: 'cloud' } as const;

/** Looks, lets time pass, and looks again. */
function watched(
  create: CheckerFactory,
  view: Partial<View>,
  forMs: number,
  step: (checker: Checker) => void = () => {},
) {
  let nowMs = 100_000;
  // Not spread: getters of the view must be evaluated each time.
  const timed = Object.defineProperty(view, 'nowMs', { get: () => nowMs, enumerable: true });
  const { checker, reports } = tested(create, timed);
  checker.look();
  step(checker);
  nowMs += forMs;
  checker.look();
  return reports;
}

describe('leadership', () => {
  const member = (nodeId: string, state: string, peers: readonly string[] = [], vote: object = {}) =>
    processOf(nodeId, {
      vote: { state, ...vote },
      sessions: peers.map((peer) => sessionOf({ id: `session-${peer}`, peer })),
    });

  it('two leaders: connected by sessions for 20 s -> reported; for 5 s -> silent', () => {
    const processes = [
      member('node-a', 'leader', ['node-b']),
      member('node-b', 'follower', ['node-a', 'node-c']),
      member('node-c', 'leader', ['node-b']),
    ];
    expect(watched(leadership, { processes }, 20_000)).toEqual([
      expect.stringContaining('node-a and node-c are connected, and both have led since 100000 ms'),
    ]);
    expect(watched(leadership, { processes }, 5_000)).toEqual([]);
  });

  it('two leaders: with a session that only one side considers open, or none -> silent', () => {
    const halfOpen = [member('node-a', 'leader', ['node-b']), member('node-b', 'leader')];
    expect(watched(leadership, { processes: halfOpen }, 20_000)).toEqual([]);
    const apart = [member('node-a', 'leader'), member('node-b', 'leader')];
    expect(watched(leadership, { processes: apart }, 20_000)).toEqual([]);
  });

  it('two leaders: then one of them, then both again -> the time starts again', () => {
    const processes = [member('node-a', 'leader', ['node-b']), member('node-b', 'leader', ['node-a'])];
    let votes: readonly NodeProcess[] = processes;
    const view: Partial<View> = {
      get processes() {
        return votes;
      },
    };
    const reports = watched(leadership, view, 20_000, (checker) => {
      votes = processes.slice(0, 1);
      checker.look?.();
      votes = processes;
    });
    expect(reports).toEqual([]);
  });

  const nodeA = 'node-a' as NodeId;
  const nodeB = 'node-b' as NodeId;
  const follows = (leaderId: NodeId | undefined, uplink: Uplink = 'ok') => ({ leaderId, uplink });

  it.each<[string, readonly NodeProcess[]]>([
    ['nobody leads', [member('node-a', 'candidate', [], follows(undefined))]],
    ['two lead', [member('node-a', 'leader', [], follows(nodeA)), member('node-b', 'leader', [], follows(nodeA))]],
    [
      'the larger one leads',
      [member('node-a', 'follower', [], follows(nodeB)), member('node-b', 'leader', [], follows(nodeB))],
    ],
    [
      'one follows another',
      [member('node-a', 'leader', [], follows(nodeA)), member('node-b', 'follower', [], follows(undefined))],
    ],
    [
      'one leads whose uplink has failed',
      [member('node-a', 'leader', [], follows(nodeA, 'failed')), member('node-b', 'follower', [], follows(nodeA))],
    ],
    ['one leads that is not eligible any more', [member('node-a', 'observer', [], follows(nodeA))]],
  ])('the end: %s -> missing, and reported', async (_, processes) => {
    const { checker, reports } = tested(leadership, { processes });
    expect(checker.missing()).toBe('led');
    await checker.settled();
    expect(reports).toHaveLength(1);
  });

  it.each<[string, readonly NodeProcess[]]>([
    [
      'the smallest leads, and all follow',
      [member('node-a', 'leader', [], follows(nodeA)), member('node-b', 'follower', [], follows(nodeA))],
    ],
    [
      'the smallest with an uplink leads',
      [member('node-a', 'follower', [], follows(nodeB, 'failed')), member('node-b', 'leader', [], follows(nodeB))],
    ],
    ['nobody is eligible', [member('node-a', 'observer', [], follows(undefined))]],
    ['nobody votes', [processOf('node-a'), processOf('cloud-1', { options: cloudOptions })]],
  ])('the end: %s -> nothing is missing', async (_, processes) => {
    const { checker, reports } = tested(leadership, { processes });
    expect(checker.missing()).toBeUndefined();
    await checker.settled();
    expect(reports).toEqual([]);
  });

  it('the end: two sites -> each has its own leader', async () => {
    const processes = [member('node-a', 'leader', [], follows(nodeA)), member('node-b', 'leader', [], follows(nodeB))];
    const { checker } = tested(leadership, { processes, shares: (_, first, second) => first === second });
    expect(checker.missing()).toBeUndefined();
  });
});

describe('gateways', () => {
  const holding = (state: string, value = 'synchronizing') =>
    processOf('node-b', {
      vote: { state },
      gateways: [{ nodeId: 'cloud-1', state: 'online', session: sessionOf({ peer: 'cloud-1', value }) }],
    });

  it('a follower: holds a link for more than a second -> reported; less, or still in the handshake -> silent', () => {
    expect(watched(gateways, { processes: [holding('follower')] }, 1_100)).toEqual([
      expect.stringContaining('node-b, a follower, has held a link to cloud-1'),
    ]);
    expect(watched(gateways, { processes: [holding('follower')] }, 900)).toEqual([]);
    expect(watched(gateways, { processes: [holding('follower', 'handshaking')] }, 5_000)).toEqual([]);
  });

  it('a link: held by the leader, or by a node without elections -> silent', () => {
    expect(watched(gateways, { processes: [holding('leader')] }, 5_000)).toEqual([]);
    expect(watched(gateways, { processes: [processOf('node-a')] }, 5_000)).toEqual([]);
  });

  it.each([
    ['connecting', 'leader', 'connected with the cloud'],
    ['online', 'leader', undefined],
    ['rejected', 'leader', undefined],
    ['disabled', 'leader', undefined],
    ['idle', 'follower', undefined],
  ])('the end: %s as %s -> missing: %s', (state, vote, missing) => {
    const member = processOf('node-a', { vote: { state: vote }, gateways: [{ nodeId: 'cloud-1', state }] });
    const cloud = processOf('cloud-1', { options: cloudOptions });
    expect(tested(gateways, { processes: [member, cloud] }).checker.missing()).toBe(missing);
    expect(tested(gateways, { processes: [member] }).checker.missing()).toBeUndefined();
  });
});

describe('deliveries', () => {
  const run = runOf('node-a', [1, 2]);
  const settled = async ({
    isOnline = false,
    isShared = true,
    isThere = false,
    isLost = false,
    by = 'node-a',
  } = {}) => {
    const session = isOnline ? { session: sessionOf({ peer: 'cloud-1' }) } : {};
    const clock = new Map<AuthorKey, Position>(isThere ? [[authorKeyOf(authorOf('node-a')), endOf(run)]] : []);
    const member = processOf('node-a', {
      store: storeOf([run]),
      gateways: [{ nodeId: 'cloud-1', state: 'online', ...session }],
    });
    const cloud = processOf('cloud-1', { options: cloudOptions, store: storeAt(clock) });
    const processes = [member, cloud];
    const { checker, reports } = tested(deliveries, {
      processes,
      shares: (scope, a, b) => a === b || (scope === 'shared' && isShared),
    });
    checker.committed(member, commitOf([run], by === 'node-a' ? undefined : by));
    if (isLost) checker.diskLost(member);
    await checker.settled();
    return reports;
  };

  it('a write: made while no link was open, and missing in the cloud -> reported', async () => {
    expect(await settled()).toEqual([expect.stringContaining('cloud-1 lacks a write of node-a at 100000 ms')]);
  });

  it('a write: arrived, had a link, unshared, lost with its disk, or relayed -> silent', async () => {
    expect(await settled({ isThere: true })).toEqual([]);
    expect(await settled({ isOnline: true })).toEqual([]);
    expect(await settled({ isShared: false })).toEqual([]);
    expect(await settled({ isLost: true })).toEqual([]);
    expect(await settled({ by: 'node-b' })).toEqual([]);
  });

  it('a write in the cloud: made while no node had dialed it, and missing on a site -> reported', async () => {
    const cloud = processOf('cloud-1', { options: cloudOptions, store: storeOf([run]) });
    const member = processOf('node-b', { store: storeAt(new Map()) });
    const { checker, reports } = tested(deliveries, { processes: [cloud, member] });
    checker.committed(cloud, commitOf([run]));
    await checker.settled();
    expect(reports).toEqual([expect.stringContaining('node-b lacks a write of cloud-1')]);
  });
});
