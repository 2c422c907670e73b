import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type MemberState, newcomer } from '../../src/core/election-rule.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { LivenessTable, type Neighbor, type RelayedPresence, type SignsOfLife } from '../../src/core/liveness.js';

const intervalMs = 1_000;
const patienceMs = (limits.heartbeatsMissedMax + 1) * intervalMs;

function presence(counter: number, fields: Partial<MemberState> = {}) {
  return { ...newcomer, counter, ...fields };
}

function entry(nodeId: string, counter: number, fields: Partial<RelayedPresence> = {}): RelayedPresence {
  return { nodeId: nodeId as NodeId, boot: `boot-${nodeId}` as Boot, intervalMs, ...presence(counter), ...fields };
}

/** The table of a node `us`, in words. */
function setup() {
  const table = new LivenessTable('us' as NodeId);
  const meet = (nodeId: string, boot = `boot-${nodeId}`) =>
    table.meet({ nodeId: nodeId as NodeId, boot: boot as Boot });
  let counter = 0;
  const hear = (neighbor: Neighbor, nowMs: number, signs: Partial<SignsOfLife> = {}) => {
    counter += 1;
    table.hear(
      neighbor,
      { intervalMs, presence: presence(counter), relayed: [], neighbors: undefined, ...signs },
      nowMs,
    );
  };
  /** A neighbor that has been heard, and what it said. */
  const neighbor = (nodeId: string, signs: Partial<SignsOfLife> = {}) => {
    const met = meet(nodeId);
    hear(met, 0, signs);
    return met;
  };
  const live = () => [...table.live.keys()].sort();
  const told = (to: Neighbor) => table.relayTo(to).map(({ nodeId }) => nodeId as string);
  return { table, meet, hear, neighbor, live, told };
}

describe('a node with a session', () => {
  test('met, heard, parted -> live from its first sign of life to the end of the session', () => {
    const { table, meet, hear, live } = setup();
    const a = meet('a');
    expect(live()).toEqual([]);
    hear(a, 0, { presence: presence(1, { electionRole: 'leading' }) });
    expect([...table.live]).toEqual([['a', { ...newcomer, electionRole: 'leading' }]]);
    table.expire(1_000_000);
    expect(live()).toEqual(['a']);
    table.part(a, 1_000_000);
    expect(live()).toEqual([]);
  });

  test('it stops taking part -> is no longer live', () => {
    const { hear, neighbor, live } = setup();
    const a = neighbor('a');
    hear(a, 1, { presence: undefined });
    expect(live()).toEqual([]);
  });

  test('only counters rise -> no change; another memberState -> one change', () => {
    const { table, hear, neighbor } = setup();
    const a = neighbor('a');
    const before = [table.changes, table.routes];
    hear(a, 1);
    expect([table.changes, table.routes]).toEqual(before);
    hear(a, 2, { presence: presence(9, { uplink: 'failed' }) });
    expect(table.changes).toBe(1 + (before[0] ?? 0));
    expect(table.live.get('a' as NodeId)?.uplink).toBe('failed');
  });

  test('a second session takes over from the first -> stays live', () => {
    const { table, meet, hear, neighbor, live } = setup();
    const first = neighbor('a');
    const second = meet('a');
    hear(second, 1);
    table.part(first, 2);
    expect(live()).toEqual(['a']);
    table.part(second, 3);
    expect(live()).toEqual([]);
  });

  test("a relay disagrees with the node itself -> the node's own word counts", () => {
    const { table, hear, neighbor } = setup();
    const b = neighbor('b');
    const a = neighbor('a', { presence: presence(5) });
    hear(b, 1, { relayed: [entry('a', 9, { electionRole: 'leading' })] });
    expect(table.live.get('a' as NodeId)?.electionRole).toBe('following');
    hear(a, 2, { presence: presence(6, { electionRole: 'claiming' }) });
    expect(table.live.get('a' as NodeId)?.electionRole).toBe('claiming');
  });
});

describe('a node without a session', () => {
  test('a neighbor names it, then stops -> live, then at once not live', () => {
    const { hear, neighbor, live } = setup();
    const a = neighbor('a', { relayed: [entry('x', 1)] });
    expect(live()).toEqual(['a', 'x']);
    hear(a, 1);
    expect(live()).toEqual(['a']);
  });

  test('the neighbor that names it leaves -> both are gone', () => {
    const { table, neighbor, live } = setup();
    const a = neighbor('a', { relayed: [entry('x', 1)] });
    const b = neighbor('b', { relayed: [entry('x', 1)] });
    table.part(a, 1);
    expect(live()).toEqual(['b', 'x']);
    table.part(b, 2);
    expect(live()).toEqual([]);
  });

  test('its counter stands still -> live for three missed heartbeats and one more, at the slowest interval on the path', () => {
    const { table, hear, neighbor, live } = setup();
    const a = neighbor('a');
    const named = (counter: number) => ({ relayed: [entry('x', counter, { intervalMs: 5_000 })], intervalMs: 2_000 });
    hear(a, 0, named(1));
    hear(a, 1_000, named(2));
    hear(a, 20_000, named(2));
    table.expire(21_000);
    expect(live()).toEqual(['a', 'x']);
    table.expire(21_001);
    expect(live()).toEqual(['a']);
    hear(a, 22_000, named(2));
    expect(live()).toEqual(['a']);
    hear(a, 23_000, named(3));
    expect(live()).toEqual(['a', 'x']);
  });

  test('its session has ended, other neighbors name it -> live again only with a counter above all heard before', () => {
    const { table, hear, neighbor, live } = setup();
    const b = neighbor('b');
    const x = neighbor('x', { presence: presence(3) });
    hear(x, 1, { presence: presence(7) });
    table.part(x, 2);
    expect(live()).toEqual(['b']);
    hear(b, 3, { relayed: [entry('x', 7)] });
    expect(live()).toEqual(['b']);
    hear(b, 4, { relayed: [entry('x', 8)] });
    expect(live()).toEqual(['b', 'x']);
  });

  test('relayed during its session -> proves nothing after the session ends', () => {
    const { table, hear, neighbor, live } = setup();
    const b = neighbor('b');
    const x = neighbor('x', { presence: presence(7) });
    hear(b, 1, { relayed: [entry('x', 8)] });
    table.part(x, 2);
    expect(live()).toEqual(['b']);
    hear(b, 3, { relayed: [entry('x', 9)] });
    expect(live()).toEqual(['b', 'x']);
  });

  test('restarted -> live as the new process, once no neighbor names the old one', () => {
    const { hear, neighbor, table, told } = setup();
    const again = entry('x', 1, { boot: 'boot-2' as Boot, uplink: 'ok' });
    const a = neighbor('a', { relayed: [entry('x', 90)] });
    const b = neighbor('b', { relayed: [again] });
    expect(table.live.get('x' as NodeId)?.uplink).toBe('unknown');
    hear(a, 1, { relayed: [again] });
    expect(table.live.get('x' as NodeId)?.uplink).toBe('ok');
    expect(told(b)).toEqual(['a', 'x']);
  });

  test('more named processes of one NodeId than are remembered -> the last one waits for room', () => {
    const { hear, neighbor, live } = setup();
    const named = (boot: number) => ({ relayed: [entry('x', 1, { boot: `boot-${boot}` as Boot })] });
    const boots = Array.from({ length: limits.bootsRememberedMax + 1 }, (_, boot) => boot);
    const met = boots.map((boot) => neighbor(`n${boot}`, named(boot)));
    for (const silent of met.slice(0, -1)) hear(silent, 1);
    expect(live()).not.toContain('x');
    hear(met.at(-1) as Neighbor, 2, named(boots.length - 1));
    expect(live()).toContain('x');
  });

  test('a list that names us, or its sender -> ignored', () => {
    const { neighbor, live } = setup();
    neighbor('a', { presence: undefined, relayed: [entry('us', 1), entry('a', 1)] });
    expect(live()).toEqual([]);
  });

  test('more NodeIds and processes than can be remembered -> those that are gone make room', () => {
    const { hear, neighbor, live } = setup();
    const a = neighbor('a');
    const many = (prefix: string) => Array.from({ length: limits.peersMax }, (_, n) => entry(`${prefix}${n}`, 1));
    hear(a, 1, { relayed: many('x') });
    expect(live()).toHaveLength(limits.peersMax);
    hear(a, 2, { relayed: many('y') });
    // Earlier names leave the list only with this heartbeat, so they take up room once more.
    hear(a, 3, { relayed: many('y') });
    expect(live()).toHaveLength(limits.peersMax);
    expect(live()).toContain('y0');
    for (let boot = 0; boot < 20; boot += 1) {
      hear(a, 4 + boot, { relayed: [entry('y0', 1, { boot: `boot-${boot}` as Boot })] });
    }
    expect(live()).toEqual(['a', 'y0']);
  });
});

describe('what is relayed', () => {
  test('a full mesh -> nothing is relayed', () => {
    const { neighbor, told } = setup();
    const met = ['a', 'b', 'c'].map((id) =>
      neighbor(id, { neighbors: ['us', 'a', 'b', 'c'].filter((other) => other !== id) as NodeId[] }),
    );
    expect(met.map(told)).toEqual([[], [], []]);
  });

  test('a neighbor without a session with a third node -> hears of it, with its counter and interval', () => {
    const { table, neighbor } = setup();
    const a = neighbor('a', { presence: presence(5, { uplink: 'ok' }), intervalMs: 3_000 });
    const b = neighbor('b');
    expect(table.relayTo(b)).toEqual([entry('a', 5, { uplink: 'ok', intervalMs: 3_000 })]);
    expect(table.relayTo(a).map(({ nodeId }) => nodeId)).toEqual(['b']);
  });

  test('relayed on -> with the longest interval on its path', () => {
    const { table, neighbor } = setup();
    neighbor('a', { intervalMs: 2_000, relayed: [entry('x', 1), entry('y', 1, { intervalMs: 4_000 })] });
    const b = neighbor('b');
    expect(table.relayTo(b).map(({ nodeId, intervalMs }) => [nodeId, intervalMs])).toEqual([
      ['a', 2_000],
      ['x', 2_000],
      ['y', 4_000],
    ]);
  });

  test('news from one neighbor only -> not relayed back to it, nor to nodes that have it as a neighbor', () => {
    const { neighbor, told } = setup();
    const bridge = neighbor('bridge', { relayed: [entry('x', 1)], neighbors: ['us', 'a'] as NodeId[] });
    const a = neighbor('a', { neighbors: ['us', 'bridge'] as NodeId[] });
    const c = neighbor('c', { neighbors: ['us'] as NodeId[] });
    expect(told(bridge)).toEqual(['c']);
    expect(told(a)).toEqual(['c']);
    expect(told(c)).toEqual(['bridge', 'x', 'a']);
  });

  test('news: a node comes, changes, leaves -> each is news; counters, and what the neighbor now hears itself -> none', () => {
    const { table, hear, neighbor } = setup();
    const a = neighbor('a');
    const b = neighbor('b');
    const news = () => {
      const isNews = table.hasNewsFor(b);
      table.relayTo(b);
      return isNews;
    };
    expect([news(), news()]).toEqual([true, false]);
    hear(a, 1);
    expect(news()).toBe(false);
    hear(a, 2, { presence: presence(50, { electionRole: 'claiming' }) });
    expect(news()).toBe(true);
    hear(b, 3, { neighbors: ['a' as NodeId] });
    expect([news(), table.relayTo(b)]).toEqual([false, []]);
    hear(b, 4, { neighbors: [] });
    expect(news()).toBe(true);
    table.part(a, 5);
    expect(news()).toBe(true);
  });
});

/** Nodes that beat each second, each at its own moment, over links with delays that come and go. */
class Gossip {
  readonly tables: LivenessTable[];
  readonly #counters: number[];
  readonly #sessions = new Map<string, Neighbor>();
  readonly #dead = new Set<number>();
  #queue: { atMs: number; deliver: () => void }[] = [];
  nowMs = 0;

  constructor(
    readonly count: number,
    links: readonly (readonly [number, number])[],
    readonly delayMs: (from: number, to: number) => number,
  ) {
    this.tables = Array.from({ length: count }, (_, index) => new LivenessTable(`n${index}` as NodeId));
    this.#counters = this.tables.map(() => 0);
    for (const [x, y] of links) this.link(x, y);
  }

  link(x: number, y: number): void {
    if (x === y || this.#dead.has(x) || this.#dead.has(y) || this.#sessions.has(`${x}-${y}`)) return;
    for (const [own, other] of [
      [x, y],
      [y, x],
    ] as [number, number][]) {
      const session = this.tables[own]?.meet({ nodeId: `n${other}` as NodeId, boot: `boot-${other}` as Boot });
      this.#sessions.set(`${own}-${other}`, session as Neighbor);
    }
    this.beat(x);
    this.beat(y);
  }

  cut(x: number, y: number): void {
    for (const [own, other] of [
      [x, y],
      [y, x],
    ] as [number, number][]) {
      const session = this.#sessions.get(`${own}-${other}`);
      this.#sessions.delete(`${own}-${other}`);
      if (session !== undefined) this.tables[own]?.part(session, this.nowMs);
    }
  }

  kill(dead: number): void {
    for (let other = 0; other < this.count; other += 1) this.cut(dead, other);
    this.#dead.add(dead);
  }

  beat(from: number): void {
    if (this.#dead.has(from)) return;
    this.#counters[from] = (this.#counters[from] ?? 0) + 1;
    const presence = { ...newcomer, counter: this.#counters[from] ?? 0 };
    const to = this.#neighborsOf(from);
    const neighbors = to.map((index) => `n${index}` as NodeId);
    this.tables[from]?.expire(this.nowMs);
    for (const other of to) {
      const session = this.#sessions.get(`${from}-${other}`) as Neighbor;
      const relayed = this.tables[from]?.relayTo(session) ?? [];
      const theirs = this.#sessions.get(`${other}-${from}`) as Neighbor;
      this.#queue.push({
        atMs: this.nowMs + this.delayMs(from, other),
        deliver: () => this.tables[other]?.hear(theirs, { intervalMs, presence, relayed, neighbors }, this.nowMs),
      });
    }
  }

  /** Lets time pass. A connection keeps the order of its messages, because each connection has one fixed delay. */
  run(forMs: number, phases: readonly number[], everyMs: (nowMs: number) => void = () => {}): void {
    const endMs = this.nowMs + forMs;
    for (; this.nowMs < endMs; this.nowMs += 50) {
      const due = this.#queue.filter(({ atMs }) => atMs <= this.nowMs).sort((p, q) => p.atMs - q.atMs);
      this.#queue = this.#queue.filter(({ atMs }) => atMs > this.nowMs);
      for (const { deliver } of due) deliver();
      for (let index = 0; index < this.count; index += 1) {
        if (this.nowMs % intervalMs === phases[index]) this.beat(index);
      }
      everyMs(this.nowMs);
    }
  }

  seers(of: number): number[] {
    return this.tables.flatMap((table, index) => (table.live.has(`n${of}` as NodeId) ? [index] : []));
  }

  #neighborsOf(own: number): number[] {
    return Array.from({ length: this.count }, (_, other) => other).filter((x) => this.#sessions.has(`${own}-${x}`));
  }
}

const count = 6;
const delayMaxMs = 200;
const indexes = fc.nat(count - 1);
const pairs = fc.tuple(indexes, indexes);
const phases = fc.array(
  fc.nat(19).map((n) => n * 50),
  { minLength: count, maxLength: count },
);
const delays = fc.array(fc.integer({ min: 1, max: delayMaxMs }), {
  minLength: count * count,
  maxLength: count * count,
});
/** A tree, so that all nodes are connected, plus further links at random. */
const graphs = fc
  .tuple(fc.array(fc.nat(count), { minLength: count, maxLength: count }), fc.array(pairs, { maxLength: 4 }))
  .map(([parents, more]) => [
    ...Array.from({ length: count - 1 }, (_, n) => [n + 1, (parents[n] ?? 0) % (n + 1)] as [number, number]),
    ...more,
  ]);

describe('gossip', () => {
  test('any connected cluster -> each node finds all others live, and a dead node dead', () => {
    fc.assert(
      fc.property(graphs, phases, delays, indexes, (links, phase, delay, dead) => {
        const gossip = new Gossip(count, links, (x, y) => delay[x * count + y] ?? 1);
        const hopMs = intervalMs + delayMaxMs + 50;
        gossip.run(count * hopMs, phase);
        expect(gossip.tables.map(({ live }) => live.size)).toEqual(Array(count).fill(count - 1));
        gossip.run(20_000, phase);
        expect(gossip.tables.map(({ live }) => live.size)).toEqual(Array(count).fill(count - 1));
        gossip.kill(dead);
        // Its last counter may reach the farthest node, which then waits for the next one.
        gossip.run(patienceMs + count * hopMs, phase);
        expect(gossip.seers(dead)).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('links between survivors come and go -> the dead node stays dead', () => {
    const flaps = fc.array(fc.tuple(pairs, fc.boolean()), { maxLength: 60 });
    fc.assert(
      fc.property(graphs, phases, delays, indexes, flaps, (links, phase, delay, dead, changes) => {
        const gossip = new Gossip(count, links, (x, y) => delay[x * count + y] ?? 1);
        gossip.run(8_000, phase);
        gossip.kill(dead);
        const left = [...changes];
        // Each node that its last counter reaches may wait once, however the links change.
        const boundMs = count * (patienceMs + intervalMs + delayMaxMs + 50);
        gossip.run(boundMs, phase, (nowMs) => {
          if (nowMs % 350 !== 0) return;
          const [[x, y], isLinked] = left.shift() ?? [[0, 0], false];
          if (isLinked) gossip.link(x, y);
          else gossip.cut(x, y);
        });
        expect(gossip.seers(dead)).toEqual([]);
        gossip.run(10_000, phase, () => expect(gossip.seers(dead)).toEqual([]));
      }),
      { numRuns: 60 },
    );
  });
});
