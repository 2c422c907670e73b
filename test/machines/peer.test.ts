import { describe, expect, it } from '@jest/globals';
import { createActor, fromPromise } from 'xstate';
import type { Address, Direction, PeerReport, SessionCommand, SessionIdentified } from '../../src/actors/mailboxes.js';
import type { AuthorKey } from '../../src/core/author.js';
import { StatemeshError } from '../../src/core/errors.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { peerMachine } from '../../src/machines/peer.machine.js';
import type { Connection } from '../../src/ports/ports.js';
import { manualClock, type Recorder, recorder, settled } from './bench.js';

const connection = { remoteAddress: '127.0.0.1:9' } as Connection;
const address = { host: '127.0.0.1', port: 9_000 };

interface Setup {
  readonly selfId?: string;
  readonly nodeId?: string;
  readonly dial?: (address: Address) => Promise<Connection>;
}

function setup({ selfId = 'a', nodeId = 'b', dial = async () => connection }: Setup = {}) {
  const clock = manualClock();
  const parent = recorder<PeerReport>();
  let dials = 0;
  const machine = peerMachine.provide({
    actors: {
      dial: fromPromise<Connection, { address: Address }>(({ input }) => {
        dials += 1;
        return dial(input.address);
      }) as never,
    },
  });
  const actor = createActor(machine, {
    clock,
    input: {
      nodeId: nodeId as NodeId,
      selfId: selfId as NodeId,
      now: () => 5,
      parent: parent.mailbox,
      security: { kind: 'none' },
      random: () => 1,
    },
  }).start();
  return { actor, clock, parent, dials: () => dials };
}

let sessions = 0;

function session(
  direction: Direction,
  boot = 'boot',
  port = 0,
): SessionIdentified & { commands: Recorder<SessionCommand> } {
  sessions += 1;
  const commands = recorder<SessionCommand>();
  return {
    type: 'session.identified',
    sessionId: `session-${sessions}`,
    session: commands.mailbox,
    identity: { nodeId: 'b' as NodeId, boot: boot as Boot, port },
    direction,
    expected: undefined,
    remoteAddress: '127.0.0.1:5',
    remoteHost: '127.0.0.1',
    subject: undefined,
    commands,
  };
}

const lost = { code: 'connectionLost', message: 'lost' } as const;
const nodeEvents = (parent: Recorder<PeerReport>) =>
  parent.events.flatMap((event) => (event.type === 'notice' ? [event.nodeEvent.type] : []));

describe('peer: dialing', () => {
  it('an earlier session closes while it dials -> continues to dial', async () => {
    const { actor, dials } = setup({ dial: () => new Promise(() => {}) });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    const refused = { code: 'duplicateNodeId', message: 'Not welcome.' } as const;
    actor.send({ type: 'session.closed', sessionId: 'earlier', failure: refused });
    expect(actor.getSnapshot().value).toEqual({ dialing: 'connecting' });
    expect(dials()).toBe(1);
  });

  it('discovered -> dials at once and hands the connection over', async () => {
    const { actor, parent } = setup();
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    expect(parent.events).toEqual([{ type: 'connection.dialed', connection, expected: 'b' }]);
    expect(actor.getSnapshot().value).toEqual({ dialing: 'introducing' });
  });

  it('the dial fails repeatedly -> waits longer each time, up to the maximum', async () => {
    const { actor, clock, dials } = setup({
      dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')),
    });
    actor.send({ type: 'peer.discovered', source: 'known', address });
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      await settled();
      expect(actor.getSnapshot().value).toBe('backingOff');
      const expected = Math.min(limits.backoffMaxMs, limits.backoffFirstMs * 2 ** (attempt - 1));
      clock.advance(expected - 1);
      expect(dials()).toBe(attempt);
      clock.advance(1);
      waits.push(expected);
    }
    expect(dials()).toBe(13);
    expect(waits.at(-1)).toBe(limits.backoffMaxMs);
  });

  it('a sign that it may be reachable again, however often -> the wait ends soon, once', async () => {
    const { actor, clock, dials } = setup({
      dial: () => Promise.reject(new StatemeshError('connectionTimeout', 'no')),
    });
    actor.send({ type: 'peer.discovered', source: 'known', address });
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      await settled();
      clock.advance(limits.backoffMaxMs);
    }
    await settled();
    const before = dials();
    actor.send({ type: 'peer.stirred' });
    clock.advance(limits.stirredBackoffMaxMs - 1);
    actor.send({ type: 'peer.stirred' });
    expect(dials()).toBe(before);
    clock.advance(1);
    expect(dials()).toBe(before + 1);
    // That attempt has failed, too: the next sign counts again, and without one the wait is long.
    await settled();
    clock.advance(limits.backoffMaxMs - 1);
    expect(dials()).toBe(before + 1);
  });

  it('beacons from two networks, and the first address fails -> the other is tried next', async () => {
    const tried: string[] = [];
    const { actor, clock } = setup({
      dial: ({ host }) => {
        tried.push(host);
        return host === '10.2.0.1'
          ? Promise.resolve(connection)
          : Promise.reject(new StatemeshError('connectionTimeout', 'no'));
      },
    });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.2.0.1', port: 1 } });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.1.0.1', port: 1 } });
    await settled();
    clock.advance(limits.backoffFirstMs);
    await settled();
    expect(tried).toEqual(['10.2.0.1', '10.1.0.1', '10.2.0.1']);
    expect(actor.getSnapshot().value).toEqual({ dialing: 'introducing' });
  });

  it('a stranger with another key answers at one address -> the others are tried before it counts as refused', async () => {
    const { actor, clock, parent } = setup({ dial: () => Promise.reject(new StatemeshError('wrongClusterKey', 'no')) });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.2.0.1', port: 1 } });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.1.0.1', port: 1 } });
    await settled();
    expect(actor.getSnapshot().value).toBe('backingOff');
    clock.advance(limits.backoffFirstMs);
    await settled();
    expect(actor.getSnapshot().value).toBe('refused');
    expect(nodeEvents(parent)).toEqual(['peer.refused']);
  });

  it('one of its networks is silent -> its address there is forgotten, the other one is dialed', async () => {
    const tried: string[] = [];
    const { actor, clock } = setup({
      dial: ({ host }) => {
        tried.push(host);
        return Promise.reject(new StatemeshError('connectionTimeout', 'no'));
      },
    });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.1.0.1', port: 1 } });
    await settled();
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { host: '10.2.0.1', port: 1 } });
    await settled();
    actor.send({ type: 'peer.vanished', source: 'beacon', address: { host: '10.1.0.1', port: 1 } });
    clock.advance(limits.backoffMaxMs);
    await settled();
    expect(tried.slice(1)).toEqual(['10.2.0.1', '10.2.0.1']);
    actor.send({ type: 'peer.vanished', source: 'beacon' });
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('unreachable -> reported after the second attempt, and then ever more rarely', async () => {
    const { actor, clock, parent } = setup({
      dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')),
    });
    actor.send({ type: 'peer.discovered', source: 'known', address });
    for (let attempt = 1; attempt <= 130; attempt += 1) {
      await settled();
      clock.advance(limits.backoffMaxMs);
    }
    const told = parent.events.flatMap((event) =>
      event.type === 'notice' && event.nodeEvent.type === 'peer.unreachable' ? [event.nodeEvent] : [],
    );
    expect(told.map(({ attempts }) => attempts)).toEqual([2, 16, 128]);
    expect(told[0]).toMatchObject({ nodeId: 'b', address: '127.0.0.1:9000', failure: { code: 'connectionRefused' } });
  });

  it('a wrong cluster key -> refused: reported, and retried rarely', async () => {
    const { actor, clock, parent, dials } = setup({
      dial: () => Promise.reject(new StatemeshError('wrongClusterKey', 'no')),
    });
    actor.send({ type: 'peer.discovered', source: 'known', address });
    await settled();
    expect(actor.getSnapshot().value).toBe('refused');
    expect(nodeEvents(parent)).toEqual(['peer.refused']);
    clock.advance(limits.refusedBackoffFirstMs - 1);
    expect(dials()).toBe(1);
    clock.advance(1);
    expect(dials()).toBe(2);
  });

  it('backing off: discovered -> dials at once', async () => {
    const { actor, dials } = setup({ dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')) });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { ...address, port: 9_001 } });
    expect(dials()).toBe(2);
  });

  it('restarted elsewhere, after any attempts -> its new address is dialed first', async () => {
    const dialed: number[] = [];
    const { actor, clock } = setup({
      dial: ({ port }) => {
        dialed.push(port);
        return Promise.reject(new StatemeshError('connectionRefused', 'no'));
      },
    });
    const first = session('accepted', 'boot', 8_000);
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { ...address, port: 8_000 } });
    actor.send(first);
    actor.send({ type: 'session.closed', sessionId: first.sessionId, failure: lost });
    for (const port of [9_001, 9_002, 9_003]) {
      clock.advance(limits.backoffMaxMs);
      await settled();
      actor.send({ type: 'peer.discovered', source: 'beacon', address: { ...address, port } });
      expect(dialed.at(-1)).toBe(port);
      await settled();
    }
  });

  it('dialing: it has moved -> the new address is dialed at once', () => {
    const dialed: number[] = [];
    const { actor } = setup({
      dial: ({ port }) => {
        dialed.push(port);
        return new Promise(() => {});
      },
    });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    actor.send({ type: 'peer.discovered', source: 'beacon', address: { ...address, port: 9_001 } });
    expect(dialed).toEqual([9_000, 9_001]);
  });

  it('backing off: no source knows it any more -> forgotten', async () => {
    const { actor } = setup({ dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')) });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    actor.send({ type: 'peer.vanished', source: 'beacon' });
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('known from an ended session only -> dialed a few times, then forgotten', async () => {
    const { actor, clock, dials } = setup({
      dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')),
    });
    const first = session('accepted', 'boot', 9_000);
    actor.send(first);
    actor.send({ type: 'session.closed', sessionId: first.sessionId, failure: lost });
    for (let attempt = 0; attempt < 10; attempt += 1) {
      clock.advance(limits.backoffMaxMs);
      await settled();
    }
    expect(dials()).toBe(5);
    expect(actor.getSnapshot().status).toBe('done');
  });

  it('a session that stays silent -> backs off', async () => {
    const { actor, clock } = setup();
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    clock.advance(limits.handshakeTimeoutMs);
    expect(actor.getSnapshot().value).toBe('backingOff');
  });

  it('connections that fail repeatedly -> each wait is longer, and the addresses take turns', async () => {
    const dialed: number[] = [];
    const { actor, clock } = setup({
      dial: async ({ port }) => {
        dialed.push(port);
        return connection;
      },
    });
    actor.send({ type: 'peer.discovered', source: 'known', address: { ...address, port: 9_001 } });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settled();
      clock.advance(limits.handshakeTimeoutMs);
      expect(actor.getSnapshot().context).toMatchObject({
        attempt: attempt + 1,
        lastFailure: { code: 'handshakeTimeout' },
      });
      clock.advance(limits.backoffFirstMs * 2 ** attempt);
    }
    expect(dialed.slice(-3)).toEqual([9_001, 9_000, 9_001]);
  });
});

describe('peer: sessions', () => {
  it('identified -> admitted and reported', () => {
    const { actor, parent } = setup();
    const first = session('accepted');
    actor.send(first);
    expect(first.commands.types()).toEqual(['session.admit']);
    expect(nodeEvents(parent)).toEqual(['peer.connected']);
  });

  it('closed -> reported, and dialed again', async () => {
    const { actor, clock, parent, dials } = setup();
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    const first = session('dialed');
    actor.send(first);
    actor.send({ type: 'session.closed', sessionId: first.sessionId, failure: lost });
    expect(nodeEvents(parent)).toEqual(['peer.connected', 'peer.disconnected']);
    clock.advance(limits.backoffFirstMs);
    expect(dials()).toBe(2);
  });

  it('another session closes -> the present one stays', () => {
    const { actor } = setup();
    actor.send(session('accepted'));
    actor.send({ type: 'session.closed', sessionId: 'other', failure: lost });
    expect(actor.getSnapshot().matches('connected')).toBe(true);
  });

  it('its session exchanged data -> the next failure starts from the first backoff; a mere connection changes nothing', async () => {
    const { actor, clock } = setup({ dial: () => Promise.reject(new StatemeshError('connectionRefused', 'no')) });
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    const own = session('accepted');
    actor.send(own);
    expect(actor.getSnapshot().context.attempt).toBe(1);
    clock.advance(3_600_000);
    actor.send({ type: 'session.advanced', sessionId: 'another' });
    expect(actor.getSnapshot().context.attempt).toBe(1);
    actor.send({ type: 'session.advanced', sessionId: own.sessionId });
    expect(actor.getSnapshot().context.attempt).toBe(0);
  });
});

describe('peer: two connections to one process', () => {
  const cases = [
    { selfId: 'a', nodeId: 'b', present: 'accepted', newcomer: 'dialed', stays: 'newcomer' },
    { selfId: 'a', nodeId: 'b', present: 'dialed', newcomer: 'accepted', stays: 'present' },
    { selfId: 'b', nodeId: 'a', present: 'accepted', newcomer: 'dialed', stays: 'present' },
    { selfId: 'b', nodeId: 'a', present: 'dialed', newcomer: 'accepted', stays: 'newcomer' },
    { selfId: 'b', nodeId: 'a', present: 'dialed', newcomer: 'dialed', stays: 'newcomer' },
  ] as const;
  it.each(cases)(
    '$selfId with $nodeId: $present, then $newcomer -> the $stays stays',
    ({ selfId, nodeId, present, newcomer, stays }) => {
      const { actor } = setup({ selfId, nodeId });
      const [first, second] = [session(present), session(newcomer)];
      actor.send(first);
      actor.send(second);
      if (stays === 'newcomer') {
        expect(first.commands.types()).toEqual(['session.admit', 'session.close']);
        expect(second.commands.types()).toEqual(['session.admit']);
      } else {
        expect(first.commands.types()).toEqual(['session.admit']);
        expect(second.commands.types()).toEqual(['session.refuse']);
      }
    },
  );
});

describe('peer: another process under its NodeId', () => {
  function contested(rate?: { roundTripMs: number }) {
    const bench = setup();
    const [far, newcomer] = [session('dialed', 'boot-1'), session('accepted', 'boot-2')];
    const present = rate === undefined ? far : { ...far, rate };
    bench.actor.send(present);
    bench.actor.send(newcomer);
    return { ...bench, present, newcomer };
  }

  it('connects -> the present session is probed, and nothing is decided', () => {
    const { present, newcomer } = contested();
    expect(present.commands.types()).toEqual(['session.admit', 'session.probe']);
    expect(newcomer.commands.types()).toEqual([]);
  });

  it('the present one answers -> the newcomer is refused as a duplicate, and reported', () => {
    const { actor, parent, present, newcomer } = contested();
    actor.send({ type: 'session.answered', sessionId: present.sessionId });
    expect(newcomer.commands.events).toMatchObject([{ type: 'session.refuse', refusal: { code: 'duplicateNodeId' } }]);
    expect(nodeEvents(parent)).toEqual(['peer.connected', 'peer.refused']);
    expect(actor.getSnapshot().context.session?.sessionId).toBe(present.sessionId);
  });

  it('the present one is silent -> the newcomer takes its place', () => {
    const { actor, clock, present, newcomer } = contested();
    clock.advance(limits.duplicateProbeMs);
    expect(present.commands.types()).toEqual(['session.admit', 'session.probe', 'session.close']);
    expect(newcomer.commands.types()).toEqual(['session.admit']);
    expect(actor.getSnapshot().context.session?.sessionId).toBe(newcomer.sessionId);
  });

  it('the present one is far away -> waits longer for its answer', () => {
    const { actor, clock, present, newcomer } = contested({ roundTripMs: 5_000 });
    clock.advance(limits.duplicateProbeMs + 9_999);
    expect(newcomer.commands.events).toEqual([]);
    actor.send({ type: 'session.answered', sessionId: present.sessionId });
    expect(newcomer.commands.events).toMatchObject([{ type: 'session.refuse', refusal: { code: 'duplicateNodeId' } }]);
  });

  it('the present one closes meanwhile -> the newcomer takes its place, without a disconnection', () => {
    const { actor, parent, present, newcomer } = contested();
    actor.send({ type: 'session.closed', sessionId: present.sessionId, failure: lost });
    expect(newcomer.commands.types()).toEqual(['session.admit']);
    expect(actor.getSnapshot().value).toEqual({ connected: { claim: 'settled', chains: 'aligned' } });
    expect(nodeEvents(parent)).toEqual(['peer.connected']);
  });

  it('the newcomer gives up -> no change', () => {
    const { actor, clock, present, newcomer } = contested();
    actor.send({ type: 'session.closed', sessionId: newcomer.sessionId, failure: lost });
    clock.advance(limits.duplicateProbeMs);
    expect(present.commands.types()).toEqual(['session.admit', 'session.probe']);
  });

  it('a third one connects meanwhile -> refused', () => {
    const { actor } = contested();
    const third = session('accepted', 'boot-3');
    actor.send(third);
    expect(third.commands.types()).toEqual(['session.refuse']);
  });
});

describe('peer: diverged', () => {
  it('another author diverges later -> reported, too', () => {
    const { actor, parent } = setup();
    const first = session('accepted');
    const [one, other] = ['x/i/shared', 'y/i/shared'] as AuthorKey[];
    actor.send(first);
    for (const author of [one, other]) {
      actor.send({ type: 'session.diverged', sessionId: first.sessionId, authors: [author as AuthorKey] });
    }
    expect(parent.events.slice(1)).toMatchObject([
      { nodeEvent: { type: 'peer.diverged', authors: [one] } },
      { nodeEvent: { type: 'peer.diverged', authors: [other] } },
    ]);
  });

  it('its session is replaced -> the new one starts without a divergence', () => {
    const { actor } = setup();
    const first = session('accepted');
    actor.send(first);
    actor.send({ type: 'session.diverged', sessionId: first.sessionId, authors: [] });
    actor.send(session('accepted'));
    expect(actor.getSnapshot().matches({ connected: { chains: 'aligned' } })).toBe(true);
  });

  it('reported by its session -> shown until the evidence is gone', () => {
    const { actor, parent } = setup();
    const first = session('accepted');
    actor.send(first);
    actor.send({ type: 'session.diverged', sessionId: first.sessionId, authors: [] });
    expect(actor.getSnapshot().matches({ connected: { chains: 'diverged' } })).toBe(true);
    expect(nodeEvents(parent)).toEqual(['peer.connected', 'peer.diverged']);
    actor.send({ type: 'session.aligned', sessionId: first.sessionId });
    expect(actor.getSnapshot().matches({ connected: { chains: 'aligned' } })).toBe(true);
  });
});

describe('peer: moves', () => {
  const gone = { code: 'identityChanged', message: 'It is another one now.' } as const;

  it('announces another NodeId -> its old address is not dialed', () => {
    const { actor, parent, dials } = setup();
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    const own = session('accepted', 'boot', 9_001);
    actor.send(own);
    expect(dials()).toBe(1);
    actor.send({ type: 'session.closed', sessionId: own.sessionId, failure: gone });
    expect(nodeEvents(parent)).toEqual(['peer.connected', 'peer.disconnected']);
    expect(actor.getSnapshot().value).toBe('forgotten');
    expect(dials()).toBe(1);
  });

  it('the same, but its address is configured -> tried there again', () => {
    const { actor, clock, dials } = setup({ dial: () => new Promise(() => {}) });
    actor.send({ type: 'peer.discovered', source: 'known', address });
    const own = session('accepted');
    actor.send(own);
    actor.send({ type: 'session.closed', sessionId: own.sessionId, failure: gone });
    expect(actor.getSnapshot().value).toBe('backingOff');
    clock.advance(limits.backoffMaxMs);
    expect(dials()).toBe(2);
  });

  it('announces another port -> dialed there after the session', () => {
    const dialed: Address[] = [];
    const { actor, clock } = setup({
      dial: (where) => {
        dialed.push(where);
        return new Promise(() => {});
      },
    });
    const own = session('accepted', 'boot', 9_000);
    actor.send(own);
    actor.send({ type: 'session.relocated', sessionId: 'another', port: 1 });
    actor.send({ type: 'session.relocated', sessionId: own.sessionId, port: 9_001 });
    actor.send({ type: 'session.closed', sessionId: own.sessionId, failure: lost });
    clock.advance(limits.backoffFirstMs);
    expect(dialed).toEqual([{ host: '127.0.0.1', port: 9_001 }]);
  });

  it('another node answers at an address from a beacon -> the address is forgotten, and the peer with it', async () => {
    const { actor } = setup();
    actor.send({ type: 'peer.discovered', source: 'beacon', address });
    await settled();
    const failure = { code: 'nodeIdMismatch', message: 'Another one.' } as const;
    actor.send({ type: 'peer.wrongAddress', remoteAddress: '127.0.0.1:9000', failure });
    expect(actor.getSnapshot().value).toBe('forgotten');
  });

  it('another node answers at its configured address -> complains, and retries rarely', async () => {
    const { actor, parent } = setup();
    actor.send({ type: 'peer.discovered', source: 'known', address });
    await settled();
    const failure = { code: 'nodeIdMismatch', message: 'Another one.' } as const;
    actor.send({ type: 'peer.wrongAddress', remoteAddress: '127.0.0.1:9000', failure });
    expect(actor.getSnapshot().value).toBe('refused');
    expect(nodeEvents(parent)).toEqual(['peer.refused']);
  });
});
