import { describe, expect, it } from '@jest/globals';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Heartbeats } from '../../src/services/heartbeat.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { simulatedTime } from '../../src/simulation/node-ports.js';
import type { Heartbeat } from '../../src/wire/messages.js';

function setup() {
  const clock = new VirtualClock();
  const heartbeats = new Heartbeats(simulatedTime(clock));
  const start = (peerId: string, intervalMs = 1_000) => {
    const sent: number[] = [];
    const beats: Heartbeat[] = [];
    const missed: number[] = [];
    const handle = heartbeats.start({
      peerId: peerId as NodeId,
      boot: `boot-${peerId}` as Boot,
      isLocal: true,
      intervalMs,
      send: (heartbeat) => {
        sent.push(clock.nowMs);
        beats.push(heartbeat);
      },
      digest: () => '',
      missed: (silentMs) => missed.push(silentMs),
    });
    return { handle, sent, beats, missed };
  };
  const run = (untilMs: number) => {
    while ((clock.nextAtMs ?? Number.POSITIVE_INFINITY) <= untilMs) clock.step();
    clock.advanceTo(untilMs);
  };
  return { clock, start, run };
}

const beat: Heartbeat = {
  type: 'frame.heartbeat',
  sequence: 1,
  echo: 0,
  heldMs: 0,
  wallMs: 0,
  intervalMs: 1_000,
  digest: '',
  neighbors: undefined,
  presence: undefined,
  relayed: [],
};

describe('heartbeats', () => {
  it('three missed -> the other side is gone; any sign of life -> it is not', () => {
    const { start, run } = setup();
    const silent = start('a');
    const alive = start('b');
    silent.handle.alive();
    run(2_500);
    alive.handle.alive();
    run(4_500);
    expect(silent.missed.length).toBeGreaterThan(0);
    expect(alive.missed).toEqual([]);
  });

  it('the other side beats more slowly -> is judged by its own interval', () => {
    const { start, run } = setup();
    const { handle, missed } = start('a', 200);
    handle.heard({ ...beat, intervalMs: 2_000 });
    run(5_900);
    expect(missed).toEqual([]);
    run(6_500);
    expect(missed.length).toBeGreaterThan(0);
  });

  it('nothing has come yet -> the other side may have been admitted one long round trip later', () => {
    const { start, run } = setup();
    const { handle, missed } = start('a');
    run(limits.firstBeatMs + 2_000);
    expect(missed).toEqual([]);
    handle.alive();
    run(limits.firstBeatMs + 7_000);
    expect(missed.length).toBeGreaterThan(0);
  });

  it('several heartbeats in flight -> each echo measures its own round trip, once', () => {
    const { start, run } = setup();
    const { handle } = start('a');
    run(5_500);
    expect(handle.heard({ ...beat, echo: 1, heldMs: 500 })).toBe(5_000);
    expect(handle.heard({ ...beat, sequence: 2, echo: 1, heldMs: 1_500 })).toBeUndefined();
    expect(handle.heard({ ...beat, sequence: 3, echo: 7 })).toBeUndefined();
    run(5_900);
    expect(handle.heard({ ...beat, sequence: 4, echo: 2, heldMs: 0 })).toBe(4_900);
    for (let second = 7; second < limits.beatsRememberedMax + 9; second += 1) {
      handle.alive();
      run(second * 1_000);
    }
    expect(handle.heard({ ...beat, sequence: 5, echo: 3 })).toBeUndefined();
  });

  it('a long line -> silence is judged by its round trip', () => {
    const { start, run } = setup();
    const { handle, missed } = start('a');
    run(5_500);
    handle.heard({ ...beat, echo: 1 });
    run(5_500 + 3_000 + 10_000);
    expect(missed).toEqual([]);
    run(21_000);
    expect(missed.length).toBeGreaterThan(0);
  });

  it('this process was late -> no peer is judged, and heartbeats go out at once', () => {
    const { clock, start, run } = setup();
    const { sent, missed } = start('a');
    clock.advanceTo(3_500);
    run(3_500);
    expect(missed).toEqual([]);
    expect(sent).toEqual([0, 3_500]);
  });

  it('a connection ends and another begins within one tick -> one ticker, which ends with the last of them', () => {
    const { clock, start, run } = setup();
    let next: ReturnType<typeof start> | undefined;
    const first = start('a');
    first.handle.alive();
    first.missed.push = () => {
      first.handle.stop();
      next = start('a');
      return 0;
    };
    run(4_000);
    expect(next).toBeDefined();
    next?.handle.stop();
    expect(clock.nextAtMs).toBeUndefined();
  });

  it('another interval -> a heartbeat at once that announces it, and from then on at that interval', () => {
    const { start, run } = setup();
    const { handle, sent, beats } = start('a');
    run(1_200);
    handle.adjust(5_000);
    run(12_000);
    expect(sent).toEqual([0, 1_000, 1_200, 6_200, 11_200]);
    expect(beats.map(({ intervalMs }) => intervalMs)).toEqual([1_000, 1_000, 5_000, 5_000, 5_000]);
  });

  it('a shorter interval -> the next heartbeat does not wait for the old one, and silence is judged by the longer of both', () => {
    const { start, run } = setup();
    const { handle, sent, missed } = start('a', 10_000);
    run(1_000);
    handle.adjust(1_000);
    run(3_500);
    expect(sent).toEqual([0, 1_000, 2_000, 3_000]);
    expect(missed).toEqual([]);
  });
});
