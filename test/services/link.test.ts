import { describe, expect, it } from '@jest/globals';
import { createActor } from 'xstate';
import type { Boot, NodeId } from '../../src/core/ids.js';
import type { LinkReport } from '../../src/protocol/events.js';
import { encodeFrame, FrameDecoder } from '../../src/protocol/frame-codec.js';
import type { Heartbeat } from '../../src/protocol/messages.js';
import { Meter } from '../../src/protocol/meter.js';
import type { Connection, ConnectionHandlers } from '../../src/protocol/ports.js';
import type { Store } from '../../src/protocol/store.js';
import { Acquaintances } from '../../src/services/acquaintances.js';
import { createLink } from '../../src/services/link.js';
import { recorder } from '../machines/bench.js';
import { following, HeartbeatMesh } from './heartbeat-mesh.js';

const digest = 'd'.repeat(43);
const beat: Heartbeat = {
  ...{ type: 'frame.heartbeat', sequence: 1, echo: 0, heldMs: 0, wallMs: 0, intervalMs: 1_000, digest },
  neighbours: ['x' as NodeId],
  presence: { ...following, counter: 1 },
  relayed: [{ ...following, nodeId: 'x' as NodeId, boot: 'boot-x' as Boot, counter: 1, intervalMs: 1_000 }],
};

/** A link of node `a` to `b`, whose bytes are taken and given by hand. */
function setup(isLocal: boolean) {
  const mesh = new HeartbeatMesh('a');
  mesh.participate('a');
  const parent = recorder<LinkReport>();
  const written = new FrameDecoder(1_000_000);
  let handlers: ConnectionHandlers | undefined;
  const connection = {
    attach: (attached: ConnectionHandlers) => {
      handlers = attached;
    },
    write: (bytes: Uint8Array) => {
      written.feed(bytes);
      return true;
    },
    ...{ queuedBytes: 0, end: () => {}, destroy: () => {}, admitted: () => {}, remoteHost: '127.0.0.1' },
  } as unknown as Connection;
  const meter = new Meter();
  const acquaintances = new Acquaintances();
  const link = createActor(
    createLink({ time: mesh.time, heartbeats: mesh.heartbeats.a as never, meter, acquaintances }),
    {
      input: {
        ...{ parent: parent.mailbox, connection, scopes: ['shared'], isLocal },
        store: { digest: () => digest } as unknown as Store,
        intervals: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000 },
      },
    },
  ).start();
  link.send({ type: 'link.admit', peerId: 'b' as NodeId, boot: 'boot-b' as Boot });
  const hear = (changes: Partial<Heartbeat> = {}) => handlers?.data(encodeFrame({ ...beat, ...changes }));
  return { mesh, parent, hear, sent: () => written.next() as Heartbeat };
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
    expect(measured()).toEqual([{ type: 'heartbeat.measured', roundTripMs: 0, clockAheadMs: 90_000 }]);
    mesh.run(1_000);
    hearAhead(90_200);
    expect(measured()).toEqual([]);
    mesh.run(1_000);
    hearAhead(-5_000);
    expect(measured()).toMatchObject([{ clockAheadMs: -5_000 }]);
  });

  it('admitted over a cloud link -> neither says nor hears who is there', () => {
    const { mesh, parent, hear, sent } = setup(false);
    expect(sent()).toMatchObject({ neighbours: undefined, presence: undefined, relayed: [] });
    hear();
    expect(parent.types()).toEqual(['heartbeat.matched']);
    expect(mesh.live('a')).toBe('');
  });
});
