/** The checkers themselves: each reports the breach that it is for, and is silent otherwise. */
import { readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { NodeEvent } from '../../src/actors/mailboxes.js';
import { type AuthorKey, authorKeyOf } from '../../src/core/author.js';
import { endOf, type Position } from '../../src/core/entry.js';
import type { Hlc } from '../../src/core/hlc.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { acknowledgedWrites } from '../../src/simulation/checkers/acknowledged-writes.js';
import { agreement } from '../../src/simulation/checkers/agreement.js';
import { authentication } from '../../src/simulation/checkers/authentication.js';
import { chains } from '../../src/simulation/checkers/chains.js';
import { failures } from '../../src/simulation/checkers/failures.js';
import { allCheckers } from '../../src/simulation/checkers/index.js';
import { lastWriteWins } from '../../src/simulation/checkers/last-write-wins.js';
import { latency } from '../../src/simulation/checkers/latency.js';
import { leaks } from '../../src/simulation/checkers/leaks.js';
import { machines } from '../../src/simulation/checkers/machines.js';
import { sessions } from '../../src/simulation/checkers/sessions.js';
import { silence } from '../../src/simulation/checkers/silence.js';
import { stamps } from '../../src/simulation/checkers/stamps.js';
import { worldEpochMs } from '../../src/simulation/node-ports.js';
import type { Grant } from '../../src/simulation/web/oauth2.js';
import { encodeFrame } from '../../src/wire/framing.js';
import type { Frame, Refusal } from '../../src/wire/messages.js';
import { authorOf, commitOf, processOf, runOf, sessionOf, storeAt, storeOf, tested } from './checker-bench.js';

const a = processOf('node-a');
const run = runOf('node-a', [1, 2, 3]);
const acknowledged = (hlc: number) => ({ nodeId: 'node-a' as NodeId, hlc: hlc as Hlc });

describe('acknowledged-writes', () => {
  const recovered = (kept: number) => {
    const test = tested(acknowledgedWrites);
    test.checker.opened(a, storeOf([]));
    test.checker.committed(a, commitOf([run]));
    test.checker.acknowledged(a, acknowledged(3));
    test.checker.opened(a, storeOf([runOf('node-a', [1, 2, 3].slice(0, kept))]));
    return test.reports;
  };

  it('a recovery: without the last write -> reported; with it -> silent', () => {
    expect(recovered(2)).toEqual([expect.stringContaining('node-a acknowledged a write at 3')]);
    expect(recovered(3)).toEqual([]);
  });

  it.each([
    [2, ['node-b lacks the write node-a 3, which was acknowledged.']],
    [3, []],
  ])('the end: another node has %i of 3 entries -> %j', async (kept, expected) => {
    const b = processOf('node-b', { store: storeOf([runOf('node-a', [1, 2, 3].slice(0, kept))]) });
    const { checker, reports } = tested(acknowledgedWrites, { processes: [b] });
    checker.acknowledged(a, acknowledged(3));
    await checker.settled();
    expect(reports).toEqual(expected);
  });

  it('the end: a node of another site lacks unshared entries -> silent; shared ones -> reported', async () => {
    const settled = async (isShared: boolean, scope: 'shared' | 'cluster') => {
      const b = processOf('node-b', { store: storeOf([]) });
      const shares = (asked: string) => asked === 'shared' && isShared;
      const { checker, reports } = tested(acknowledgedWrites, { processes: [b], shares });
      checker.committed(a, commitOf([{ ...run, author: { ...run.author, scope } }]));
      checker.acknowledged(a, acknowledged(3));
      await checker.settled();
      return reports.length;
    };
    expect(await settled(true, 'shared')).toBe(1);
    expect(await settled(false, 'shared')).toBe(0);
    expect(await settled(true, 'cluster')).toBe(0);
  });

  it('a disk: has lost entries that no other node had -> silent', async () => {
    const b = processOf('node-b', { store: storeOf([]) });
    const { checker, reports } = tested(acknowledgedWrites, { processes: [b] });
    checker.committed(a, commitOf([run]));
    checker.acknowledged(a, acknowledged(3));
    checker.diskLost(a);
    checker.opened(a, storeOf([]));
    await checker.settled();
    expect(reports).toEqual([]);
  });
});

describe('agreement', () => {
  it.each([
    ['a batch in flight', sessionOf({ inFlight: 1 }), 'still sending'],
    ['a sender that reads', sessionOf({ sender: 'reading' }), 'still sending'],
    ['a receiver that applies', sessionOf({ receiver: 'applying' }), 'still receiving'],
  ])('a node: %s -> reported', async (_, session, message) => {
    const { checker, reports } = tested(agreement, { processes: [processOf('node-a', { sessions: [session] })] });
    await checker.settled();
    expect(reports).toEqual([expect.stringContaining(message)]);
  });

  it('a peer: counts as diverged -> reported; nothing pending -> silent', async () => {
    const peer = (isDiverged: boolean) => ({ matches: () => isDiverged, context: { nodeId: 'node-b' } });
    const report = async (isDiverged: boolean) => {
      const process = processOf('node-a', { sessions: [sessionOf()], peers: [peer(isDiverged)] });
      const { checker, reports } = tested(agreement, { processes: [process] });
      await checker.settled();
      return reports;
    };
    expect(await report(true)).toEqual(['node-a counts node-b as diverged.']);
    expect(await report(false)).toEqual([]);
  });
});

describe('authentication', () => {
  const identity = { nodeId: 'node-a' as NodeId, boot: 'boot' as Boot, port: 9_000 };
  const hello: Frame = { type: 'frame.handshakeRequest', version: 1, identity, token: undefined };
  const clock: Frame = { type: 'frame.vectorClock', clock: new Map(), received: 0 };
  const heard = (frames: readonly (readonly [from: string, to: string, frame: Frame])[]) => {
    const { checker, reports } = tested(authentication);
    for (const [from, to, frame] of frames) {
      // Byte by byte, as a network may deliver it.
      for (const byte of encodeFrame(frame)) {
        checker.delivered({ atMs: 0, from, to, kind: 'bytes', stream: 1, bytes: Uint8Array.of(byte) });
      }
    }
    return reports;
  };

  it("a vector clock: sent before the other side's handshake -> reported", () => {
    expect(heard([['a', 'b', clock]])).toEqual([expect.stringContaining('a sent frame 32 to b')]);
    // Its own handshake does not entitle it to send.
    expect(
      heard([
        ['a', 'b', hello],
        ['a', 'b', clock],
      ]),
    ).toHaveLength(1);
  });

  it("a vector clock: sent after the other side's handshake -> silent", () => {
    expect(
      heard([
        ['b', 'a', hello],
        ['a', 'b', hello],
        ['a', 'b', clock],
      ]),
    ).toEqual([]);
  });
});

describe('authentication of a cloud node', () => {
  const options = { role: 'cloud', authority: 'https://authority.world', audience: 'https://cloud.world' } as const;
  const cloud = (sessionSnapshots: readonly object[] = []) =>
    processOf('cloud-1', { options, sessions: sessionSnapshots });
  const identity = { nodeId: 'node-a' as NodeId, boot: 'boot' as Boot, port: 9_000 };
  const hello = (token: string | undefined): Frame => ({
    type: 'frame.handshakeRequest',
    version: 1,
    identity,
    token: token === undefined ? undefined : new Secret(token),
  });
  const answer = (refusal?: Refusal): Frame => ({ type: 'frame.handshakeResponse', version: 1, identity, refusal });
  const grant: Grant = {
    issuer: options.authority,
    subject: 'office',
    audience: options.audience,
    scopes: ['entgldb:sync'],
    expiresAtMs: worldEpochMs + 200_000,
  };
  const heard = (
    frames: readonly (readonly [from: string, frame: Frame])[],
    { granted = grant, nowMs = 100_000, atMs = 100_000, processes = [cloud([sessionOf({ stream: 1 })])] } = {},
  ) => {
    let now: number = nowMs;
    const { checker, reports } = tested(authentication, {
      processes,
      grantOf: (token: string) => (token === 'good' ? granted : undefined),
      get nowMs(): number {
        return now;
      },
    });
    const other = processes[0]?.address ?? '';
    for (const [from, frame] of frames) {
      const to = from === 'at-node-a' ? other : 'at-node-a';
      const bytes = encodeFrame(frame);
      for (const piece of [bytes.subarray(0, 3), bytes.subarray(3, 9), bytes.subarray(9)]) {
        checker.delivered({ atMs: now, from, to, kind: 'bytes', stream: 1, bytes: piece });
      }
    }
    now = atMs;
    checker.look();
    return reports;
  };
  const asking = (token?: string) => ['at-node-a', hello(token)] as const;
  const admitting = ['at-cloud-1', answer()] as const;

  it('an admission: with a token of the right authority for this node -> silent', () => {
    expect(heard([asking('good'), admitting])).toEqual([]);
  });

  it.each<[string, Partial<Grant>]>([
    ['of another authority', { issuer: 'https://other.world' }],
    ['for another audience', { audience: 'https://bank.world' }],
    ['without the scope', { scopes: ['other'] }],
    ['that has expired', { expiresAtMs: worldEpochMs }],
  ])('an admission: with a token %s -> reported', (_, changes) => {
    const nowMs = 100_000;
    expect(heard([asking('good'), admitting], { granted: { ...grant, ...changes }, nowMs })).toEqual([
      expect.stringContaining('cloud-1 admitted at-node-a'),
    ]);
  });

  it('an admission: with no token or an unissued one -> reported; a refusal -> silent', () => {
    expect(heard([asking(), admitting])).toHaveLength(1);
    expect(heard([asking('forged'), admitting])).toHaveLength(1);
    const refusal = { code: 'tokenRefused', message: '' } as const;
    expect(heard([asking('forged'), ['at-cloud-1', answer(refusal)]])).toEqual([]);
  });

  it('a session: outlives its token -> reported; not yet, or the token was renewed -> silent', () => {
    const dialog = [asking('good'), admitting] as const;
    expect(heard(dialog, { atMs: 260_000 })).toEqual([expect.stringContaining('whose token has expired')]);
    expect(heard(dialog, { atMs: 240_000 })).toEqual([]);
    const renewal: Frame = { type: 'frame.tokenRenewal', token: new Secret('good') };
    const renewed = heard([...dialog, ['at-node-a', renewal]], { nowMs: 100_000, atMs: 240_000 });
    expect(renewed).toEqual([]);
  });

  it('a token: shown to a node that is not a cloud node -> reported', () => {
    expect(heard([asking('good')], { processes: [processOf('node-b')] })).toEqual([
      expect.stringContaining('A token was shown to at-node-b'),
    ]);
  });
});

describe('chains', () => {
  const next = runOf('node-a', [4], endOf(run));
  const told = (first: typeof run, second: typeof run) => {
    const { checker, reports } = tested(chains);
    const clock = new Map<AuthorKey, Position>();
    checker.opened(a, storeAt(clock));
    for (const each of [first, second]) {
      clock.set(authorKeyOf(each.author), endOf(each));
      checker.committed(a, commitOf([each]));
    }
    return reports;
  };

  it('entries: with a gap or a wrong hash -> reported; contiguous -> silent', () => {
    expect(told(run, runOf('node-a', [6], endOf(next)))).toHaveLength(1);
    const altered = { ...next, entries: next.entries.map((entry) => ({ ...entry, payload: '"altered"' })) };
    expect(told(run, altered)).toHaveLength(1);
    expect(told(run, next)).toEqual([]);
  });

  it('a clock: behind committed entries -> reported', () => {
    const { checker, reports } = tested(chains);
    checker.opened(a, storeOf([]));
    checker.committed(a, commitOf([run]));
    expect(reports).toEqual([expect.stringContaining('The clock of node-a stands at undefined')]);
  });

  it('a recovery: goes back -> reported; on a disk that has lost data -> silent', () => {
    const { checker, reports } = tested(chains);
    checker.opened(a, storeOf([run]));
    checker.diskLost(a);
    checker.opened(a, storeOf([]));
    expect(reports).toEqual([]);
    checker.opened(a, storeOf([run]));
    checker.opened(a, storeOf([runOf('node-a', [1, 2])]));
    expect(reports).toEqual([expect.stringContaining('and after its recovery up to 2')]);
  });
});

describe('failures', () => {
  const nodeId = 'node-b' as NodeId;
  const failure = (code: 'unexpectedFrame' | 'goodbye') => ({ code, message: '' });
  const told = (nodeEvent: NodeEvent, processes = [a]) => {
    const { checker, reports } = tested(failures, { processes });
    checker.happened(a, { nodeId: 'node-a', atMs: 0, nodeEvent });
    return reports.length;
  };

  it('a failure: a divergence, a contained failure, an unexpected frame, a false double -> reported', () => {
    expect(told({ type: 'peer.diverged', nodeId, authors: [] })).toBe(1);
    expect(told({ type: 'failure', where: 'x', failure: failure('goodbye') })).toBe(1);
    expect(told({ type: 'peer.disconnected', nodeId, failure: failure('unexpectedFrame') })).toBe(1);
    expect(told({ type: 'node.duplicated', failure: failure('goodbye') })).toBe(1);
  });

  it('a connection without the protocol: from a node -> reported; from a stranger -> silent', () => {
    const refused = (remoteAddress: string) =>
      told({
        type: 'connection.refused',
        remoteAddress,
        failure: { code: 'frameMalformed', message: '' },
        suppressed: 0,
      });
    expect(refused('at-node-a:40000')).toBe(1);
    expect(refused('10.66.1.1:40000')).toBe(0);
  });

  it('a nodeEvent: a goodbye, a peer that connects, a double that the world made -> silent', () => {
    expect(told({ type: 'peer.disconnected', nodeId, failure: failure('goodbye') })).toBe(0);
    expect(told({ type: 'peer.connected', nodeId, remoteAddress: '' })).toBe(0);
    expect(told({ type: 'node.duplicated', failure: failure('goodbye') }, [a, processOf('node-a')])).toBe(0);
  });
});

describe('last-write-wins', () => {
  const settled = async (held: string | undefined, digests = ['same', 'same']) => {
    const runs = [run, runOf('node-b', [2])];
    const processes = digests.map((digest, index) =>
      processOf(`node-${index}`, { store: storeOf(runs, held), digest }),
    );
    const { checker, reports } = tested(lastWriteWins, { processes });
    await checker.settled();
    return reports;
  };

  it('a document: an earlier write won, or one is missing -> reported on each node', async () => {
    expect(await settled('2')).toHaveLength(2);
    expect(await settled(undefined)).toHaveLength(2);
  });

  it('documents: different on one node -> reported; the last write everywhere -> silent', async () => {
    expect(await settled('3', ['one', 'another'])).toEqual([expect.stringContaining('but different documents')]);
    expect(await settled('3')).toEqual([]);
  });
});

describe('last-write-wins on several sites', () => {
  const shares = (scope: string) => scope === 'shared';
  const settled = async (second: readonly (typeof run)[]) => {
    const processes = [[run], second].map((runs, index) =>
      processOf(`node-${index}`, {
        store: storeOf(runs, String(runs.at(-1)?.entries.at(-1)?.payload)),
        digest: String(index),
      }),
    );
    const { checker, reports } = tested(lastWriteWins, { processes, shares });
    await checker.settled();
    return reports;
  };

  it('documents of two sites: different unshared ones -> silent; different shared ones -> reported', async () => {
    expect(await settled([run])).toEqual([]);
    expect(await settled([runOf('node-a', [1, 2])])).toEqual([expect.stringContaining('but different documents')]);
  });
});

describe('latency', () => {
  const wide = { bytesPerSecond: Number.POSITIVE_INFINITY, latencyMs: 0 };
  const later = (seenMs: number, { healthySinceMs = 0, faultBetween = false, slowest = wide } = {}) => {
    let nowMs = 100_000;
    const clock = new Map<AuthorKey, Position>();
    const b = processOf('node-b', { store: storeAt(clock) });
    const { checker, reports } = tested(latency, {
      processes: [a, b],
      healthySinceMs,
      slowest,
      get nowMs() {
        return nowMs;
      },
    });
    checker.committed(a, commitOf([run]));
    if (faultBetween) checker.meddled('a fault');
    nowMs += seenMs - 1;
    checker.look();
    clock.set(authorKeyOf(authorOf('node-a')), endOf(run));
    nowMs += 1;
    checker.look();
    return reports;
  };

  it('a write: visible on another node only after a second -> reported', () => {
    expect(later(1_000)).toEqual([expect.stringContaining('node-b has not seen the write')]);
  });

  it('a write: on a narrow line -> may take the time of its bytes and round trips, and is reported beyond that', () => {
    const slowest = { bytesPerSecond: 1_000, latencyMs: 500 };
    expect(later(6_000, { slowest })).toEqual([]);
    expect(later(30_000, { slowest })).toEqual([expect.stringContaining('node-b has not seen the write')]);
  });

  it('a write: visible at once, or late soon after or during a fault -> silent', () => {
    expect(later(100)).toEqual([]);
    expect(later(1_000, { healthySinceMs: 99_000 })).toEqual([]);
    expect(later(1_000, { faultBetween: true })).toEqual([]);
  });
});

describe('leaks', () => {
  const closed = (leftovers: { streams: number; sockets: number; events: number }) => {
    const { checker, reports } = tested(leaks, { leftovers });
    checker.closed();
    return reports.length;
  };

  it('left over: a connection, a socket, a timer -> reported each; nothing -> silent', () => {
    expect(closed({ streams: 1, sockets: 1, events: 1 })).toBe(3);
    expect(closed({ streams: 0, sockets: 0, events: 0 })).toBe(0);
  });
});

describe('machines', () => {
  const looked = (...sessionSnapshots: readonly object[]) => {
    const { checker, reports } = tested(machines, { processes: [processOf('node-a', { sessions: sessionSnapshots })] });
    checker.look();
    return reports;
  };

  it('a maximum: a session in error, too much in flight or queued, too many sessions -> reported', () => {
    expect(looked(sessionOf({ status: 'error' }))).toEqual([expect.stringContaining('is in error')]);
    expect(looked(sessionOf({ inFlight: limits.batchesInFlightMax + 1 }))).toHaveLength(1);
    expect(looked(sessionOf({ queued: limits.sendQueueBytesMax + 1 }))).toHaveLength(1);
    expect(looked(...Array(limits.connectionsMax + limits.unauthenticatedMax + 1).fill(sessionOf()))).toHaveLength(1);
  });

  it('a maximum: everything exactly at it -> silent', () => {
    expect(looked(sessionOf({ inFlight: limits.batchesInFlightMax, queued: limits.sendQueueBytesMax }))).toEqual([]);
  });

  it('the end: an actor in error, or an ended session -> reported; none -> silent', async () => {
    const settled = async (status: string, session: object) => {
      const process = processOf('node-a', { status, sessions: [session] });
      const { checker, reports } = tested(machines, { processes: [process] });
      await checker.settled();
      return reports;
    };
    expect(await settled('error', sessionOf())).toEqual(['node-a/other is in error: broken']);
    expect(await settled('active', sessionOf({ status: 'done' }))).toHaveLength(1);
    expect(await settled('active', sessionOf())).toEqual([]);
  });
});

describe('sessions', () => {
  const looked = (second: object) => {
    const process = processOf('node-a', { sessions: [sessionOf(), second] });
    const { checker, reports } = tested(sessions, { processes: [process] });
    checker.look();
    return reports;
  };

  it('two sessions: exchange data with one process -> reported', () => {
    expect(looked(sessionOf({ id: 'session-2' }))).toEqual([
      expect.stringContaining('session-1 and session-2 at once'),
    ]);
  });

  it('two sessions: with two processes, or one still in the handshake -> silent', () => {
    expect(looked(sessionOf({ id: 'session-2', peer: 'node-c' }))).toEqual([]);
    expect(looked(sessionOf({ id: 'session-2', value: 'comparing' }))).toEqual([]);
  });
});

describe('silence', () => {
  /** A session that began this long before the cut, in this weather. */
  const looked = (cutForMs: number, { ageMs = 20_000, latencyMaxMs = 1, isCut = true } = {}) => {
    const processes = [processOf('node-a', { sessions: [sessionOf()] }), processOf('node-b')];
    let nowMs = 0;
    const { checker, reports } = tested(silence, {
      processes,
      healthySinceMs: undefined,
      latencyMaxMs,
      get nowMs() {
        return nowMs;
      },
      cutSinceMs: () => (isCut ? ageMs : undefined),
    });
    checker.look();
    nowMs = ageMs + cutForMs;
    checker.look();
    return reports.length;
  };

  it('a session: lives 7 s after the cut -> reported; 3 s after it, or no cut -> silent', () => {
    expect(looked(7_000)).toBe(1);
    expect(looked(3_000)).toBe(0);
    expect(looked(60_000, { isCut: false })).toBe(0);
  });

  it('a session: has just begun, or is far away -> reported later', () => {
    expect(looked(7_000, { ageMs: 1_000 })).toBe(0);
    expect(looked(17_000, { ageMs: 1_000 })).toBe(1);
    expect(looked(7_000, { latencyMaxMs: 100 })).toBe(0);
    expect(looked(10_000, { latencyMaxMs: 100 })).toBe(1);
  });
});

describe('stamps', () => {
  const told = (hlc: number, origin?: string) => {
    const { checker, reports } = tested(stamps);
    checker.committed(a, commitOf([run]));
    checker.committed(a, commitOf([runOf('node-a', [hlc], endOf(run))], origin));
    return reports.length;
  };

  it('a stamp: does not rise -> reported; rises, or belongs to another node -> silent', () => {
    expect(told(3)).toBe(1);
    expect(told(4)).toBe(0);
    expect(told(1, 'node-b')).toBe(0);
  });
});

describe('all checkers', () => {
  it('the list: of all checkers -> has the checker of each file once, under the name of the file', () => {
    const names = allCheckers.map((create) => tested(create).checker.name);
    const files = readdirSync('src/simulation/checkers').map((file) => file.replace(/\.ts$/, ''));
    expect(names.sort()).toEqual(files.filter((file) => file !== 'index').sort());
  });
});
