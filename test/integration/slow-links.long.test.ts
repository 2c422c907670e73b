/** Real nodes over slow lines: moving bytes keep a session alive, and bring entries nearer. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PeerType } from '../../src/index.js';
import { createFixture, type Fixture, portOf, type TestNode, until } from './cluster-fixture.js';
import { type Line, openLine } from './pacing-relay.js';

let fixture: Fixture;
let line: Line | undefined;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(async () => {
  await fixture.close();
  await line?.close();
});

const slow = { discovery: false, heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000 } as const;

/** Two nodes that know of each other through the line only. */
async function connected(bytesPerSecond: number, roundTripMs: number): Promise<{ a: TestNode; b: TestNode }> {
  const b = await fixture.start('b', slow);
  line = await openLine({ bytesPerSecond, roundTripMs, host: '127.0.0.1', port: portOf(b) });
  // A node that is met through the line cannot be dialed back.
  const a = await fixture.start('a', { ...slow, host: '127.0.0.2' });
  await a.peerStore.saveRemotePeer({
    nodeId: 'b',
    address: `${line.host}:${line.port}`,
    type: PeerType.StaticRemote,
  });
  await until('a session', () => a.peers.some(({ state }) => state === 'connected'), 60_000);
  return { a, b };
}

function breaks(node: TestNode): readonly unknown[] {
  return node.nodeEvents.filter(({ type }) => type === 'peer.disconnected');
}

describe('a slow link', () => {
  it('1 Mbit/s: 2 MB, then a tiny document, and one the other way -> arrive one after the other, in one session', async () => {
    const { a, b } = await connected(125_000, 20);
    const [mine, theirs] = [a.collection('mine'), b.collection('theirs')];
    const startedMs = performance.now();
    await mine.put('large', { text: 'x'.repeat(2_000_000) });
    await mine.put('tiny', { n: 1 });
    await theirs.put('tiny', { n: 1 });
    await until('the one the other way', async () => (await a.collection('theirs').get('tiny')) !== undefined, 3_000);
    expect(await b.collection('mine').get('large')).toBeUndefined();
    await until('the rate', () => a.peers[0]?.bytesPerSecond !== undefined, 20_000);
    const [peer] = (await a.status()).peers;
    expect(peer).toMatchObject({ isCaughtUp: false });
    expect(peer?.backlog).toBeGreaterThanOrEqual(2);
    expect(peer?.bytesPerSecond).toBeLessThan(200_000);
    await until('the tiny one', async () => (await b.collection('mine').get('tiny')) !== undefined, 40_000);
    expect(performance.now() - startedMs).toBeLessThan(40_000);
    expect([...breaks(a), ...breaks(b)]).toEqual([]);
    expect(a.peers[0]?.roundTripMs).toBeLessThan(3_000);
  }, 60_000);

  it('the line breaks in the middle of a large document -> the transfer continues from there', async () => {
    const { a, b } = await connected(125_000, 20);
    const text = 'x'.repeat(1_000_000);
    await a.collection('mine').put('large', { text });
    await until('a good part of it', () => (line as Line).carriedBytes > 700_000, 20_000);
    line?.breakAll();
    await until('the end of the session', () => breaks(a).length > 0);
    await until('the document', async () => (await b.collection('mine').get('large')) !== undefined, 20_000);
    expect((await b.collection<{ text: string }>('mine').get('large'))?.text).toBe(text);
    expect((line as Line).carriedBytes).toBeLessThan(1_400_000);
  }, 60_000);
});
