import { describe, expect, it } from '@jest/globals';
import { type Author, authorKeyOf, type Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, endOf, type Position, type Run } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { acknowledged, isCutOff, matched, push, reconciled, sent, startProgress } from '../../src/core/replication.js';

const [a, b, c] = ['a', 'b', 'c'].map((nodeId) => nodeId as NodeId) as [NodeId, NodeId, NodeId];

function authorOf(nodeId: NodeId): Author {
  return { nodeId, incarnation: 'i1' as Incarnation, scope: 'shared' };
}

function runOf(nodeId: NodeId, after: Position, hlcs: readonly number[]): Run {
  const entries = hlcs.map((hlc) => ({
    hlc: hlc as Hlc,
    collection: 'things' as CollectionName,
    key: `k${hlc}` as DocumentKey,
    operation: 'put' as const,
    payload: '1',
  }));
  return chainRun(authorOf(nodeId), after, entries);
}

const alone = { selfId: a, peerId: b, peerOrigin: b as string, origin: undefined, neighbors: new Set<NodeId>() };
const keyA = authorKeyOf(authorOf(a));
const keyC = authorKeyOf(authorOf(c));

describe('push', () => {
  it('over a cloud link: an author with the NodeId of the other side, or with ours -> is another node, and its entries are sent at once', () => {
    const ways = { ...alone, peerId: undefined, peerOrigin: 'north/b', origin: 'south/b' };
    for (const nodeId of [a, b]) {
      const run = runOf(nodeId, chainStart, [1]);
      expect(push(startProgress(new Map()), [run], ways).runs).toEqual([run]);
    }
  });

  it('over a cloud link: entries of the other side itself -> are credited, not sent back', () => {
    const ways = { ...alone, peerId: undefined, peerOrigin: 'north/b', origin: 'north/b' };
    expect(push(startProgress(new Map()), [runOf(b, chainStart, [1])], ways).runs).toEqual([]);
  });

  it('a local commit: the peer has all before it -> is sent at once', () => {
    const run = runOf(a, chainStart, [1, 2]);
    const result = push(startProgress(new Map()), [run], alone);
    expect(result).toMatchObject({ runs: [run], lagging: false, unsure: false });
  });

  it('a local commit: the peer lacks entries before it -> is left to a read of the store', () => {
    const first = runOf(a, chainStart, [1]);
    const second = runOf(a, endOf(first), [2]);
    expect(push(startProgress(new Map()), [second], alone)).toMatchObject({ runs: [], lagging: true });
  });

  it('a commit: the peer already has it -> nothing is sent', () => {
    const run = runOf(a, chainStart, [1]);
    const result = push(startProgress(new Map([[keyA, endOf(run)]])), [run], alone);
    expect(result).toMatchObject({ runs: [], lagging: false, unsure: false });
  });

  it('a commit from the peer -> is credited, not sent back', () => {
    const run = runOf(c, chainStart, [5]);
    const { progress, runs } = push(startProgress(new Map()), [run], { ...alone, origin: b });
    expect(runs).toEqual([]);
    expect(progress.theirs.get(keyC)).toEqual(endOf(run));
  });

  it('a relay: the peer is the author -> is skipped, and remembered', () => {
    const run = runOf(b, chainStart, [5]);
    const { progress, runs } = push(startProgress(new Map()), [run], { ...alone, origin: c });
    expect(runs).toEqual([]);
    expect(progress.skipped.has(authorKeyOf(authorOf(b)))).toBe(true);
  });

  it('a relay: the peer has a session with the author -> is skipped, and remembered', () => {
    const run = runOf(c, chainStart, [5]);
    const { progress, runs } = push(startProgress(new Map()), [run], { ...alone, origin: c, neighbors: new Set([c]) });
    expect(runs).toEqual([]);
    expect(progress.skipped.has(keyC)).toBe(true);
    expect(progress.theirs.has(keyC)).toBe(false);
  });

  it('a relay: the peer has no session with the author -> is sent', () => {
    const run = runOf(c, chainStart, [5]);
    expect(push(startProgress(new Map()), [run], { ...alone, origin: c }).runs).toEqual([run]);
  });

  it('a relay of our own lost entries: the peer has a session with us -> is sent, because only we can', () => {
    const run = runOf(a, chainStart, [5]);
    expect(push(startProgress(new Map()), [run], { ...alone, origin: c, neighbors: new Set([a, c]) }).runs).toEqual([
      run,
    ]);
  });

  it('a relay after others were skipped: the peer lost the author -> its clock is requested, nothing is guessed', () => {
    const first = runOf(c, chainStart, [5]);
    const second = runOf(c, endOf(first), [6]);
    const skipped = push(startProgress(new Map()), [first], { ...alone, origin: c, neighbors: new Set([c]) }).progress;
    expect(push(skipped, [second], { ...alone, origin: c })).toMatchObject({ runs: [], unsure: true, lagging: false });
  });
});

describe('reconciled', () => {
  const first = runOf(a, chainStart, [1]);
  const second = runOf(a, endOf(first), [2]);
  const inFlight = sent(sent(startProgress(new Map()), 1, [first]), 2, [second]);

  it('a vector clock: batches still in flight -> are credited', () => {
    const progress = reconciled(inFlight, new Map([[keyA, endOf(first)]]), 1);
    expect(progress.theirs.get(keyA)).toEqual(endOf(second));
  });

  it('a vector clock: a batch that arrived but could not be applied -> counts as missing again', () => {
    const progress = reconciled(inFlight, new Map(), 2);
    expect(progress.theirs.has(keyA)).toBe(false);
  });

  it('a vector clock: older than a batch that has arrived -> does not go back', () => {
    const progress = reconciled(inFlight, new Map([[keyA, endOf(second)]]), 0);
    expect(progress.theirs.get(keyA)).toEqual(endOf(second));
  });

  it('an acknowledgement -> settles its batch and those before it', () => {
    expect(acknowledged(inFlight, 1).inFlight.map(({ sequence }) => sequence)).toEqual([2]);
  });
});

describe('skipped authors', () => {
  const first = runOf(c, chainStart, [5]);
  const viaNeighbor = { ...alone, origin: c, neighbors: new Set([c]) };
  const { progress: skipping } = push(startProgress(new Map()), [first], viaNeighbor);

  it('the digests match -> the entries are known to have arrived, and the next ones are skipped silently', () => {
    const progress = matched(skipping, new Map([[keyC, endOf(first)]]));
    expect(progress.theirs.get(keyC)).toEqual(endOf(first));
    const next = push(progress, [runOf(c, endOf(first), [6])], viaNeighbor);
    expect(next).toMatchObject({ runs: [], unsure: false, lagging: false });
    expect(next.progress.skipped).toBe(progress.skipped);
  });

  it('the digests matched, then the peer loses the author -> the next entries are sent, because they follow what the peer has', () => {
    const progress = matched(skipping, new Map([[keyC, endOf(first)]]));
    const second = runOf(c, endOf(first), [6]);
    expect(push(progress, [second], { ...alone, origin: c }).runs).toEqual([second]);
  });

  it('the peer loses the author -> is cut off; while it has a session with the author, or is the author -> is not', () => {
    expect(isCutOff(skipping, { ...alone, neighbors: new Set() })).toBe(true);
    expect(isCutOff(skipping, viaNeighbor)).toBe(false);
    expect(isCutOff(skipping, { ...alone, peerId: c })).toBe(false);
    expect(isCutOff(startProgress(new Map()), alone)).toBe(false);
  });
});
