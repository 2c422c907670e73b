/**
 * The heartbeats of all connections, by one ticker a node. Machines hear of them only when something has changed.
 *
 * Each carries the digest of our vector clock, so that full clocks travel only between nodes that differ, and the list of
 * our neighbours when it has changed, so that others know what they need not relay.
 */
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import type { Heartbeat } from '../protocol/messages.js';
import type { Time, Timer } from '../protocol/ports.js';

/** One connection, as the ticker sees it. */
export interface Pulse {
  readonly peerId: NodeId;
  readonly intervalMs: number;
  send(heartbeat: Heartbeat): void;
  digest(): string;
  /** The other side has been silent for too long. */
  missed(silentMs: number): void;
}

/** What a connection does with what it hears. */
export interface PulseHandle {
  /** Takes in a heartbeat; gives the round trip in ms when it can be told. */
  heard(heartbeat: Heartbeat): number | undefined;
  /** Any frame shows that the other side lives. */
  alive(): void;
  stop(): void;
}

interface Row {
  readonly pulse: Pulse;
  sequence: number;
  sentAtMs: number;
  heardSequence: number;
  heardAtMs: number;
  aliveAtMs: number;
  /** How often the other side beats, as it says. */
  theirIntervalMs: number;
  neighboursVersion: number;
}

export class Heartbeats {
  readonly #time: Time;
  readonly #rows = new Set<Row>();
  #neighboursVersion = 0;
  #timer: Timer | undefined;
  #tickedAtMs = 0;

  constructor(time: Time) {
    this.#time = time;
  }

  start(pulse: Pulse): PulseHandle {
    const now = this.#time.monotonicMs();
    const row: Row = {
      pulse,
      sequence: 0,
      sentAtMs: 0,
      heardSequence: 0,
      heardAtMs: now,
      aliveAtMs: now,
      theirIntervalMs: pulse.intervalMs,
      neighboursVersion: -1,
    };
    this.#rows.add(row);
    this.#neighboursVersion += 1;
    this.#beat(row, now);
    if (this.#timer === undefined) {
      this.#tickedAtMs = now;
      this.#schedule(pulse.intervalMs);
    }
    return {
      heard: (heartbeat) => this.#heard(row, heartbeat),
      alive: () => {
        row.aliveAtMs = this.#time.monotonicMs();
      },
      stop: () => this.#stop(row),
    };
  }

  #schedule(intervalMs: number): void {
    this.#timer = this.#time.after(intervalMs, () => {
      this.#timer = undefined;
      this.#tick(intervalMs);
      // A tick may end one connection and begin another, which then has started the ticker already.
      if (this.#rows.size > 0 && this.#timer === undefined) this.#schedule(intervalMs);
    });
  }

  #tick(intervalMs: number): void {
    const now = this.#time.monotonicMs();
    // When we ourselves were late (a long pause of this process), what they sent in time waits unread: judge no one yet.
    const wasLate = now - this.#tickedAtMs > 2 * intervalMs;
    this.#tickedAtMs = now;
    for (const row of [...this.#rows]) {
      if (wasLate) row.aliveAtMs = Math.max(row.aliveAtMs, now - intervalMs);
      const silentMs = now - row.aliveAtMs;
      const patienceMs = limits.heartbeatsMissedMax * Math.max(row.pulse.intervalMs, row.theirIntervalMs);
      if (silentMs > patienceMs) row.pulse.missed(silentMs);
      else this.#beat(row, now);
    }
  }

  #beat(row: Row, now: number): void {
    const isNews = row.neighboursVersion !== this.#neighboursVersion;
    row.neighboursVersion = this.#neighboursVersion;
    row.sequence += 1;
    row.sentAtMs = now;
    row.pulse.send({
      type: 'frame.heartbeat',
      sequence: row.sequence,
      echo: row.heardSequence,
      heldMs: Math.round(now - row.heardAtMs),
      intervalMs: row.pulse.intervalMs,
      digest: row.pulse.digest(),
      neighbours: isNews ? [...this.#rows].map(({ pulse }) => pulse.peerId) : undefined,
      presence: undefined,
      relayed: [],
    });
  }

  #heard(row: Row, heartbeat: Heartbeat): number | undefined {
    const now = this.#time.monotonicMs();
    row.heardSequence = heartbeat.sequence;
    row.heardAtMs = now;
    row.aliveAtMs = now;
    row.theirIntervalMs = heartbeat.intervalMs;
    if (heartbeat.echo !== row.sequence) return undefined;
    return Math.max(0, now - row.sentAtMs - heartbeat.heldMs);
  }

  #stop(row: Row): void {
    if (!this.#rows.delete(row)) return;
    this.#neighboursVersion += 1;
    if (this.#rows.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
  }
}
