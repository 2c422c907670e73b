import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { Author, Incarnation } from '../../src/core/author.js';
import { chainRun, chainStart, type Entry } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, CollectionName, DocumentKey, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { LinkRate } from '../../src/core/link-rate.js';
import type { LinkReport } from '../../src/protocol/events.js';
import { encodeFrame, FrameDecoder } from '../../src/protocol/frame-codec.js';
import type { Frame, Heartbeat } from '../../src/protocol/messages.js';
import { Meter } from '../../src/protocol/meter.js';
import type { Connection, ConnectionHandlers } from '../../src/protocol/ports.js';
import type { Store } from '../../src/protocol/store.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { createLink } from '../../src/services/link.js';
import { KeptParcels } from '../../src/services/parcels.js';
import { recorder } from '../machines/bench.js';
import { following, HeartbeatMesh } from './heartbeat-mesh.js';

const digest = 'd'.repeat(43);
const beat: Heartbeat = {
  ...{ type: 'frame.heartbeat', sequence: 1, echo: 0, heldMs: 0, wallMs: 0, intervalMs: 1_000, digest },
  neighbours: ['x' as NodeId],
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

/** A link of node `a` to `b`, whose bytes are taken and given by hand. */
function setup(isLocal: boolean) {
  const mesh = new HeartbeatMesh('a');
  mesh.participate('a');
  const parent = recorder<LinkReport>();
  const written = new FrameDecoder(1_000_000);
  const taken: Frame[] = [];
  const decodeAll = (bytes: Uint8Array) => [...written.push(bytes)];
  let handlers: ConnectionHandlers | undefined;
  const connection = {
    attach: (attached: ConnectionHandlers) => {
      handlers = attached;
    },
    write: (bytes: Uint8Array) => {
      taken.push(...decodeAll(bytes));
      return true;
    },
    ...{ queuedBytes: 0, end: () => {}, destroy: () => {}, admitted: () => {}, remoteHost: '127.0.0.1' },
  } as unknown as Connection;
  const meter = new Meter();
  rate = new LinkRate();
  const surroundings = { acquaintances: new Acquaintances(), keptParcels: new KeptParcels(), meter };
  const link = createActor(createLink({ time: mesh.time, heartbeats: mesh.heartbeats.a as never, ...surroundings }), {
    input: {
      ...{ parent: parent.mailbox, connection, scopes: ['shared'], isLocal, rate },
      store: { digest: () => digest } as unknown as Store,
      intervals: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000 },
    },
  }).start();
  link.send({ type: 'link.admit', peerId: 'b' as NodeId, boot: 'boot-b' as Boot, origin: 'b' });
  const hear = (changes: Partial<Heartbeat> = {}) => handlers?.data(encodeFrame({ ...beat, ...changes }));
  const say = (frame: Frame) => handlers?.data(encodeFrame(frame));
  return { mesh, link, parent, hear, say, sent: () => taken.shift() as Heartbeat };
}

describe('link', () => {
  it('admitted within the cluster -> says who is there, and hears it', () => {
    const { mesh, parent, hear, sent } = setup(true);
    expect(sent()).toMatchObject({ neighbours: ['b'], presence: following });
    hear();
    expect(parent.types()).toContain('neighbours.changed');
    expect(mesh.live('a')).toBe('bx');
  });

  it('the other clock is ahead -> is told, and again only when it has moved', () => {
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

  it('a batch has arrived, and is not put on the disk there for long -> the session ends, and not before', () => {
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

  it('the other side cannot write -> is waited for as long as it says so', () => {
    const { mesh, link, parent, hear, say } = setup(true);
    link.send({ type: 'link.send', frame: { type: 'frame.batch', sequence: 1, runs: [] } });
    for (let ms = 0; ms < 3 * limits.applyPatienceMs; ms += 1_000) {
      hear({ received: rate.written });
      if (ms % 60_000 === 0) say({ type: 'frame.batchHeld', sequence: 1, code: 'diskFull' });
      mesh.run(1_000);
    }
    expect(parent.types()).not.toContain('link.closed');
  });

  it('nothing of what was sent arrives -> the session ends after the patience of the link', () => {
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

  it('a large document -> waits for what the link has carried, heartbeats and small batches go between its parts', () => {
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

  it('admitted over a cloud link -> neither says nor hears who is there', () => {
    const { mesh, parent, hear, sent } = setup(false);
    expect(sent()).toMatchObject({ neighbours: undefined, presence: undefined, relayed: [] });
    hear();
    expect(parent.types()).toEqual(['heartbeat.matched']);
    expect(mesh.live('a')).toBe('');
  });
});
