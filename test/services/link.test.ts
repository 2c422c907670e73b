import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { LinkReport } from '../../src/actors/mailboxes.js';
import type { Author, Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, type Entry } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { LinkRate } from '../../src/core/link-rate.js';
import { Meter } from '../../src/ports/meter.js';
import type { Connection, ConnectionHandlers } from '../../src/ports/ports.js';
import type { Store } from '../../src/ports/store.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { createLink } from '../../src/services/link.js';
import { KeptParcels } from '../../src/services/parcels.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import type { Frame, Heartbeat } from '../../src/wire/messages.js';
import { recorder } from '../machines/bench.js';
import { following, HeartbeatMesh } from './heartbeat-mesh.js';

const digest = 'd'.repeat(43);
const beat: Heartbeat = {
  type: 'frame.heartbeat',
  sequence: 1,
  echo: 0,
  heldMs: 0,
  wallMs: 0,
  intervalMs: 1_000,
  digest,
  neighbors: ['x' as NodeId],
  presence: { ...following, counter: 1 },
  relayed: [{ ...following, nodeId: 'x' as NodeId, boot: 'boot-x' as Boot, counter: 1, intervalMs: 1_000 }],
};

const author: Author = { nodeId: 'a' as NodeId, incarnation: 'i' as Incarnation, scope: 'shared' };
const put = (payload: string) =>
  ({
    hlc: 1 as Hlc,
    collection: 'things' as CollectionName,
    key: 'k' as DocumentKey,
    operation: 'put',
    payload,
  }) as const;
let rate: LinkRate;

/** A node `a`, and what all of its links share. */
function node() {
  const mesh = new HeartbeatMesh('a');
  mesh.participate('a');
  const surroundings = { acquaintances: new Acquaintances(), keptParcels: new KeptParcels(), meter: new Meter() };
  return { mesh, logic: createLink({ time: mesh.time, heartbeats: mesh.heartbeats.a as never, ...surroundings }) };
}

/** A link of node `a` to `b`, whose bytes the test takes and gives. */
function setup(isLocal: boolean, { mesh, logic } = node()) {
  const parent = recorder<LinkReport>();
  const written = new FrameDecoder(1_000_000);
  const taken: Frame[] = [];
  const decodeAll = (bytes: Uint8Array) => [...written.push(bytes)];
  let handlers: ConnectionHandlers | undefined;
  const flow = { isPaused: false, isFull: false, isDestroyed: false };
  const connection = {
    attach: (attached: ConnectionHandlers) => {
      handlers = attached;
    },
    write: (bytes: Uint8Array) => {
      taken.push(...decodeAll(bytes));
      return !flow.isFull;
    },
    pause: () => {
      flow.isPaused = true;
    },
    resume: () => {
      flow.isPaused = false;
    },
    destroy: () => {
      flow.isDestroyed = true;
    },
    queuedBytes: 0,
    end: () => {},
    admitted: () => {},
    remoteHost: '127.0.0.1',
  } as unknown as Connection;
  rate = new LinkRate();
  const link = createActor(logic, {
    input: {
      parent: parent.mailbox,
      connection,
      scopes: ['shared'],
      isLocal,
      rate,
      store: { digest: () => digest } as unknown as Store,
      intervals: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000 },
    },
  }).start();
  link.send({ type: 'link.admit', peerId: 'b' as NodeId, boot: 'boot-b' as Boot, origin: 'b' });
  const hear = (changes: Partial<Heartbeat> = {}) => handlers?.data(encodeFrame({ ...beat, ...changes }));
  const say = (frame: Frame) => handlers?.data(encodeFrame(frame));
  const read = (...frames: Frame[]) => handlers?.data(Buffer.concat(frames.map(encodeFrame)));
  const readBytes = (bytes: Uint8Array) => handlers?.data(bytes);
  const acknowledge = (sequence: number) =>
    link.send({ type: 'link.send', frame: { type: 'frame.acknowledgement', sequence } });
  return {
    mesh,
    link,
    parent,
    hear,
    say,
    read,
    readBytes,
    acknowledge,
    flow,
    sent: () => taken.shift() as Heartbeat,
    /** Everything that was sent since the last call. */
    takeSent: () => taken.splice(0),
    drained: () => handlers?.drained(),
  };
}

const others: Author = { nodeId: 'b' as NodeId, incarnation: 'i' as Incarnation, scope: 'shared' };
const names = { collection: 'c' as CollectionName, key: 'k' as DocumentKey, operation: 'put' as const };

function batchOf(sequence: number, bytes: number): Frame {
  const entry = { ...names, hlc: 1 as Hlc, payload: JSON.stringify('x'.repeat(bytes - 2)) };
  return { type: 'frame.batch', sequence, runs: [chainRun(others, chainStart, [entry])] };
}

const mebibyte = 1024 * 1024;

describe('link', () => {
  it('admitted within the cluster -> exchanges the live nodes', () => {
    const { mesh, parent, hear, sent } = setup(true);
    expect(sent()).toMatchObject({ neighbors: ['b'], presence: following });
    hear();
    expect(parent.types()).toContain('neighbors.changed');
    expect(mesh.live('a')).toBe('bx');
  });

  it('the other clock is ahead -> is reported, and again only when it has moved', () => {
    const { mesh, parent, hear, sent } = setup(true);
    const measured = () => parent.take().flatMap((report) => (report.type === 'heartbeat.measured' ? [report] : []));
    const hearAhead = (byMs: number) => hear({ echo: sent().sequence, wallMs: mesh.time.now() + byMs });
    hearAhead(90_000);
    expect(measured()).toMatchObject([{ type: 'heartbeat.measured', roundTripMs: 0, clockAheadMs: 90_000 }]);
    mesh.run(1_000);
    hearAhead(90_200);
    expect(measured()).toEqual([]);
    mesh.run(1_000);
    hearAhead(-5_000);
    expect(measured()).toMatchObject([{ clockAheadMs: -5_000 }]);
  });

  it('a batch that arrived but is not on disk there for long -> the session ends, and not before', () => {
    const { mesh, link, parent, hear } = setup(true);
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    const live = (untilMs: number) => {
      for (let ms = 0; ms < untilMs; ms += 1_000) {
        hear({ received: rate.written });
        mesh.run(1_000);
      }
    };
    live(limits.applyPatienceMs);
    expect(parent.types()).not.toContain('link.closed');
    live(5_000);
    expect(parent.events.at(-1)).toMatchObject({ type: 'link.closed', failure: { code: 'connectionTimeout' } });
  });

  it('the other side cannot write -> is waited for as long as it reports that', () => {
    const { mesh, link, parent, hear, say } = setup(true);
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    for (let ms = 0; ms < 3 * limits.applyPatienceMs; ms += 1_000) {
      hear({ received: rate.written });
      if (ms % 60_000 === 0) say({ type: 'frame.batchHeld', sequence: 1, code: 'diskFull' });
      mesh.run(1_000);
    }
    expect(parent.types()).not.toContain('link.closed');
  });

  it('no sent byte arrives -> the session ends after the patience of the link', () => {
    const { mesh, link, parent, hear } = setup(true);
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    for (let ms = 0; ms < limits.stallPatienceMinMs; ms += 1_000) {
      hear();
      mesh.run(1_000);
    }
    expect(parent.types()).not.toContain('link.closed');
    for (let ms = 0; ms < 3_000; ms += 1_000) {
      hear();
      mesh.run(1_000);
    }
    expect(parent.events.at(-1)).toMatchObject({ type: 'link.closed', failure: { code: 'connectionTimeout' } });
  });

  it('a large document -> waits for what the link has carried; heartbeats and small batches go between its parts', () => {
    const { mesh, link, parent, hear, sent } = setup(true);
    const payload = 'ä'.repeat(20 * limits.windowBytesFirst);
    const entry = { ...chainRun(author, chainStart, [put('1')]).entries[0], payload } as Entry;
    link.send({ type: 'link.carry', entry });
    expect(rate.inFlightBytes).toBeLessThan(2 * limits.windowBytesFirst);
    expect(parent.types()).not.toContain('parcel.sent');
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    mesh.run(1_000);
    const types: string[] = [];
    for (let round = 0; round < 100; round += 1) {
      for (let frame = sent() as Frame | undefined; frame !== undefined; frame = sent() as Frame) {
        types.push(frame.type);
      }
      hear({ received: rate.written });
    }
    expect(types.indexOf('frame.batch')).toBeLessThan(types.lastIndexOf('frame.part'));
    expect(types.lastIndexOf('frame.heartbeat')).toBeLessThan(types.lastIndexOf('frame.part'));
    expect(parent.types().filter((type) => type === 'parcel.sent')).toHaveLength(1);
  });

  it('the next large document -> begins only after the batch that names the one before it', () => {
    const { link, takeSent, acknowledge, drained, flow } = setup(true);
    const run = chainRun(author, chainStart, [put('1')]);
    const [entry] = run.entries as [Entry];
    link.send({ type: 'link.carry', entry });
    takeSent();
    // The connection has no room: all that follows waits.
    flow.isFull = true;
    acknowledge(1);
    const named = { ...run, entries: [{ ...entry, payload: '' }] };
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 2, runs: [named], isCarried: true } });
    link.send({ type: 'link.carry', entry: { ...entry, payload: '"the next"' } });
    flow.isFull = false;
    takeSent();
    drained();
    expect(takeSent().map(({ type }) => type)).toEqual(['frame.batch', 'frame.batch', 'frame.parcel', 'frame.part']);
  });

  it.each<[string, Frame]>([
    ['acknowledges', { type: 'frame.acknowledgement', sequence: 2 }],
    ['holds', { type: 'frame.batchHeld', sequence: 2, code: 'diskFull' }],
    ['has taken into account', { type: 'frame.vectorClock', clock: new Map(), received: 2 }],
  ])('the other side %s a batch that was not written to it yet -> the session ends', (_, frame) => {
    const { link, parent, say } = setup(true);
    for (const sequence of [1, 2])
      link.send({ type: 'link.send', frame: batchOf(sequence, 2 * limits.windowBytesFirst) });
    say({ ...frame, ...('sequence' in frame ? { sequence: 1 } : { received: 1 }) } as Frame);
    expect(parent.types()).not.toContain('link.closed');
    parent.take();
    say(frame);
    expect(parent.take()).toMatchObject([{ type: 'link.closed', failure: { code: 'unexpectedFrame' } }]);
  });

  it('the other side claims to have read what is still queued here -> no more is written before there is room', () => {
    const { link, say, takeSent, drained, flow } = setup(true);
    flow.isFull = true;
    for (let sequence = 1; sequence <= 4; sequence += 1) {
      link.send({ type: 'link.send', frame: batchOf(sequence, 1_000) });
      say({ type: 'frame.progress', received: rate.written });
    }
    const batches = () => takeSent().flatMap((frame) => (frame.type === 'frame.batch' ? [frame.sequence] : []));
    expect(batches()).toEqual([1]);
    flow.isFull = false;
    drained();
    expect(batches()).toEqual([2, 3, 4]);
  });

  it('admitted over a cloud link -> exchanges nothing about live nodes', () => {
    const { mesh, parent, hear, sent } = setup(false);
    expect(sent()).toMatchObject({ neighbors: undefined, presence: undefined, relayed: [] });
    hear();
    expect(parent.types()).toEqual(['heartbeat.matched']);
    expect(mesh.live('a')).toBe('');
  });
});

describe('a link that receives much', () => {
  it('more frames at once than a turn of the event loop takes -> all of them, in turns, while nothing more is read', () => {
    const { mesh, parent, read, flow } = setup(true);
    const pings = Array.from({ length: 3 * limits.framesPerTurnMax }, (): Frame => ({ type: 'frame.ping' }));
    parent.take();
    read(...pings);
    expect(parent.take()).toHaveLength(limits.framesPerTurnMax);
    expect(flow.isPaused).toBe(true);
    read({ type: 'frame.pong' });
    mesh.run(1);
    const rest = parent.take().map(({ type }) => type);
    expect(rest).toEqual([...pings.slice(limits.framesPerTurnMax).map(({ type }) => type), 'frame.pong']);
    expect(flow.isPaused).toBe(false);
  });

  it('frames that take long -> are read for limits.readingPerTurnMs, and another link has its turn', () => {
    const shared = node();
    // Each look at the clock takes a millisecond.
    const { monotonicMs } = shared.mesh.time;
    let looks = 0;
    shared.mesh.time.monotonicMs = () => {
      looks += 1;
      return monotonicMs() + looks;
    };
    const flooded = setup(true, shared);
    const other = setup(true, shared);
    for (const { parent } of [flooded, other]) parent.take();
    flooded.read(...Array.from({ length: 100 }, (): Frame => ({ type: 'frame.ping' })));
    const first = flooded.parent.take().length;
    expect(first).toBeLessThanOrEqual(limits.readingPerTurnMs);
    other.read({ type: 'frame.ping' });
    expect(other.parent.take()).toEqual([]);
    shared.mesh.run(1);
    expect(other.parent.take()).toEqual([{ type: 'frame.ping' }]);
    expect(flooded.parent.take()).toHaveLength(100 - first);
  });

  it.each([
    [200, (200 * 200) / limits.readingHeavyMs],
    [2_000, limits.readingRestMaxMs],
  ])(
    'a frame that takes %i ms by itself -> its link rests for %i ms, and another link is read meanwhile',
    (tookMs, restMs) => {
      const shared = node();
      const { monotonicMs } = shared.mesh.time;
      let workMs = 0;
      shared.mesh.time.monotonicMs = () => monotonicMs() + workMs;
      const heavy = setup(true, shared);
      const other = setup(true, shared);
      const clock: Frame = { type: 'frame.vectorClock', clock: new Map(), received: 0 };
      const { mailbox } = heavy.parent;
      const take = mailbox.send.bind(mailbox);
      mailbox.send = (report) => {
        workMs += tookMs;
        take(report);
      };
      for (const { parent } of [heavy, other]) parent.take();
      heavy.read(clock, clock, clock);
      expect([heavy.parent.take().length, heavy.flow.isPaused]).toEqual([1, true]);
      other.read({ type: 'frame.ping' });
      shared.mesh.run(1);
      expect(other.parent.take()).toEqual([{ type: 'frame.ping' }]);
      shared.mesh.run(restMs - 2);
      expect(heavy.parent.take()).toEqual([]);
      shared.mesh.run(2);
      expect(heavy.parent.take()).toHaveLength(1);
      expect(heavy.flow.isDestroyed).toBe(false);
    },
  );

  it('closed in the middle of reading in turns -> the rest is not read', () => {
    const { mesh, parent, read, link } = setup(true);
    read(...Array.from({ length: 2 * limits.framesPerTurnMax }, (): Frame => ({ type: 'frame.ping' })));
    parent.take();
    link.stop();
    mesh.run(1);
    expect(parent.take()).toEqual([]);
  });

  it('batches that are not on disk, over limits.receiveBytesPerSessionMax -> the link waits, is not silent, and continues when they are', () => {
    const { mesh, read, acknowledge, flow } = setup(true);
    let count = 0;
    while (!flow.isPaused && count < 4) {
      count += 1;
      read(batchOf(count, 4 * mebibyte));
    }
    expect([flow.isPaused, count]).toEqual([true, limits.receiveBytesPerSessionMax / (4 * mebibyte)]);
    mesh.run(20_000);
    expect(flow.isDestroyed).toBe(false);
    acknowledge(count);
    expect(flow.isPaused).toBe(false);
    mesh.run(20_000);
    expect(flow.isDestroyed).toBe(true);
  });

  it('frames that are never finished, over limits.receiveBytesMax in all -> those links wait, then are given up; others are not affected', () => {
    const shared = node();
    const frame = encodeFrame(batchOf(1, 4 * mebibyte)).subarray(0, 3 * mebibyte);
    const greedy = Array.from({ length: 24 }, () => setup(true, shared));
    const modest = setup(true, shared);
    for (let at = 0; at < frame.length; at += 65_536) {
      for (const { readBytes, flow } of greedy) if (!flow.isPaused) readBytes(frame.subarray(at, at + 65_536));
    }
    expect(greedy.filter(({ flow }) => flow.isPaused).length).toBeGreaterThanOrEqual(20);
    modest.parent.take();
    modest.read(batchOf(1, 256 * 1024));
    expect(modest.flow.isPaused).toBe(false);
    expect(modest.parent.types()).toEqual(['frame.batch']);
    for (let second = 0; second < 60; second += 1) {
      shared.mesh.run(1_000);
      modest.hear({ received: rate.written });
    }
    const given = greedy.flatMap(({ parent }) => parent.take()).filter(({ type }) => type === 'link.closed');
    expect(given).toContainEqual(
      expect.objectContaining({ failure: expect.objectContaining({ code: 'receiveBudgetExceeded' }) }),
    );
    expect(modest.flow).toMatchObject({ isPaused: false, isDestroyed: false });
  });

  it('requests whose answers are not read -> one of each type waits for room, the last one', () => {
    const { link, takeSent, acknowledge, drained, flow } = setup(true);
    takeSent();
    flow.isFull = true;
    link.send({ type: 'link.send', frame: { type: 'frame.ping' } });
    for (let sequence = 1; sequence <= 100; sequence += 1) {
      acknowledge(sequence);
      link.send({ type: 'link.send', frame: { type: 'frame.pong' } });
    }
    expect(takeSent()).toEqual([{ type: 'frame.ping' }]);
    flow.isFull = false;
    drained();
    expect(takeSent()).toEqual([{ type: 'frame.acknowledgement', sequence: 100 }, { type: 'frame.pong' }]);
  });
});
