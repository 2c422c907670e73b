/**
 * The heartbeats of all connections, driven by one ticker per node. Machines receive an event only when something has
 * changed.
 *
 * Each heartbeat carries the digest of this node's vector clock, so that full clocks travel only between nodes that
 * differ. It carries the list of neighbors when that has changed, so that other nodes know what they need not relay.
 * Within the cluster, heartbeats also carry this node's own member state and the other live nodes, as long as this node
 * takes part in elections; news of those does not wait for the next tick.
 */
import { isSameMemberState, type MemberState } from '../core/election-rule.js';
import type { Boot, NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { LivenessTable, type Neighbor, type Presence } from '../core/liveness.js';
import type { Time, Timer } from '../ports/ports.js';
import type { Heartbeat } from '../wire/messages.js';

/** One connection, as the ticker sees it. */
export interface Pulse {
  readonly peerId: NodeId;
  readonly boot: Boot;
  /**
   * Whether the other side is a node of this cluster. A cloud node is no neighbor, and exchanges no liveness with this
   * node.
   */
  readonly isLocal: boolean;
  readonly intervalMs: number;
  send(heartbeat: Heartbeat): void;
  digest(): string;
  /** The other side has been silent for too long. */
  missed(silentMs: number): void;
}

/** The methods through which a connection passes on what it receives. */
export interface PulseHandle {
  /** Takes in a heartbeat; returns the round trip in ms when it can be computed. */
  heard(heartbeat: Heartbeat): number | undefined;
  /** Any frame shows that the other side is alive. */
  alive(): void;
  /** Changes the interval from now on. The other side judges this node by the interval, so it is told at once. */
  adjust(intervalMs: number): void;
  stop(): void;
}

export interface ParticipationOptions {
  readonly selfId: NodeId;
  /** Called when the set of live nodes, or a member state in it, has changed. */
  changed(): void;
}

/** A node's part in elections. */
export interface Participation {
  /** The other live nodes. The map changes in place. */
  readonly live: ReadonlyMap<NodeId, MemberState>;
  /** Sets this node's member state from now on. */
  say(memberState: MemberState): void;
  stop(): void;
}

interface Row {
  readonly pulse: Pulse;
  intervalMs: number;
  sequence: number;
  /** When the last heartbeats were sent, by their sequence: on a long line many are in flight at a time. */
  readonly sentAtMs: Float64Array;
  /** Smoothed as in RFC 6298; 0 before it was measured. */
  roundTripMs: number;
  /** Whether anything has come since the heartbeats began. */
  isHeard: boolean;
  /** The last heartbeat of this node that was echoed. */
  echoed: number;
  heardSequence: number;
  heardAtMs: number;
  aliveAtMs: number;
  /** The heartbeat interval that the other side announces. */
  theirIntervalMs: number;
  neighborsVersion: number;
  theirNeighbors: readonly NodeId[];
  lastHeard: Heartbeat | undefined;
  /** Its place in the table of live nodes, while this node takes part in elections. */
  neighbor: Neighbor | undefined;
  /** Whether there is news of this node that does not wait for the next tick. */
  isOwed: boolean;
}

interface Participant {
  readonly table: LivenessTable;
  readonly changed: () => void;
  memberState: MemberState | undefined;
  changesTold: number;
  routesTold: number;
}

export class Heartbeats {
  readonly #time: Time;
  readonly #rows = new Set<Row>();
  #neighborsVersion = 0;
  #timer: Timer | undefined;
  /** The interval of the ticker. */
  #intervalMs = 0;
  #tickedAtMs = 0;
  #participant: Participant | undefined;
  #counter = 0;
  #presence: Presence | undefined;
  #promptTimer: Timer | undefined;

  constructor(time: Time) {
    this.#time = time;
  }

  start(pulse: Pulse): PulseHandle {
    const now = this.#time.monotonicMs();
    const row: Row = {
      pulse,
      intervalMs: pulse.intervalMs,
      sequence: 0,
      sentAtMs: new Float64Array(limits.beatsRememberedMax),
      roundTripMs: 0,
      isHeard: false,
      echoed: 0,
      heardSequence: 0,
      heardAtMs: now,
      aliveAtMs: now,
      theirIntervalMs: pulse.intervalMs,
      neighborsVersion: -1,
      theirNeighbors: [],
      lastHeard: undefined,
      neighbor: undefined,
      isOwed: false,
    };
    this.#rows.add(row);
    if (pulse.isLocal) this.#neighborsVersion += 1;
    if (this.#participant !== undefined) this.#enter(row, this.#participant, now);
    this.#count();
    this.#beat(row, now);
    if (this.#timer === undefined) {
      this.#tickedAtMs = now;
      this.#schedule(pulse.intervalMs);
    }
    return {
      heard: (heartbeat) => this.#heard(row, heartbeat),
      alive: () => {
        row.aliveAtMs = this.#time.monotonicMs();
        row.isHeard = true;
      },
      adjust: (intervalMs) => this.#adjust(row, intervalMs),
      stop: () => this.#stop(row),
    };
  }

  /** Takes part in elections, on present and future connections. Replaces the previous participant. */
  participate({ selfId, changed }: ParticipationOptions): Participation {
    const now = this.#time.monotonicMs();
    const table = new LivenessTable(selfId);
    const participant: Participant = { table, changed, memberState: undefined, changesTold: 0, routesTold: 0 };
    this.#participant = participant;
    this.#presence = undefined;
    for (const row of this.#rows) this.#enter(row, participant, now);
    participant.changesTold = table.changes;
    return {
      live: table.live,
      say: (memberState) => this.#say(participant, memberState),
      stop: () => {
        if (this.#participant !== participant) return;
        this.#participant = undefined;
        this.#presence = undefined;
        for (const row of this.#rows) row.neighbor = undefined;
        this.#oweAll();
      },
    };
  }

  #say(participant: Participant, memberState: MemberState): void {
    if (this.#participant !== participant) return;
    if (participant.memberState !== undefined && isSameMemberState(participant.memberState, memberState)) return;
    participant.memberState = memberState;
    this.#oweAll();
  }

  /** What a connection received before this node took part counts, too. */
  #enter(row: Row, { table }: Participant, now: number): void {
    const { peerId, boot, isLocal } = row.pulse;
    if (!isLocal) return;
    row.neighbor = table.meet({ nodeId: peerId, boot });
    if (row.lastHeard !== undefined) {
      table.hear(row.neighbor, { ...row.lastHeard, neighbors: row.theirNeighbors }, now);
    }
  }

  #adjust(row: Row, intervalMs: number): void {
    if (!this.#rows.has(row) || row.intervalMs === intervalMs) return;
    row.intervalMs = intervalMs;
    const now = this.#time.monotonicMs();
    this.#beat(row, now);
    if (this.#intervalMs === intervalMs) return;
    this.#timer?.cancel();
    this.#tickedAtMs = now;
    this.#schedule(intervalMs);
  }

  #schedule(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#timer = this.#time.after(intervalMs, () => {
      this.#timer = undefined;
      this.#tick(intervalMs);
      // A tick may end one connection and start another, which then has started the ticker already.
      if (this.#rows.size > 0 && this.#timer === undefined) this.#schedule(intervalMs);
    });
  }

  #tick(intervalMs: number): void {
    const now = this.#time.monotonicMs();
    // When this process itself was late (a long pause), timely heartbeats may wait unread: judge no peer yet.
    const wasLate = now - this.#tickedAtMs > 2 * intervalMs;
    this.#tickedAtMs = now;
    if (!wasLate) this.#participant?.table.expire(now);
    this.#tell();
    this.#count();
    for (const row of [...this.#rows]) {
      if (wasLate) row.aliveAtMs = Math.max(row.aliveAtMs, now - intervalMs);
      const silentMs = now - row.aliveAtMs;
      if (silentMs > patienceMsOf(row)) row.pulse.missed(silentMs);
      else this.#beat(row, now);
    }
  }

  /** One sign of life for all heartbeats that are sent now. */
  #count(): void {
    const memberState = this.#participant?.memberState;
    if (memberState === undefined) return;
    this.#counter += 1;
    this.#presence = { ...memberState, counter: this.#counter };
  }

  #beat(row: Row, now: number): void {
    const { isLocal } = row.pulse;
    const isNews = isLocal && row.neighborsVersion !== this.#neighborsVersion;
    row.neighborsVersion = this.#neighborsVersion;
    row.isOwed = false;
    row.sequence += 1;
    row.sentAtMs[row.sequence % row.sentAtMs.length] = now;
    row.pulse.send({
      type: 'frame.heartbeat',
      sequence: row.sequence,
      echo: row.heardSequence,
      heldMs: Math.round(now - row.heardAtMs),
      wallMs: Math.max(0, Math.round(this.#time.now())),
      intervalMs: row.intervalMs,
      digest: row.pulse.digest(),
      neighbors: isNews ? this.#neighbors() : undefined,
      presence: isLocal ? this.#presence : undefined,
      relayed: row.neighbor === undefined ? nobody : (this.#participant?.table.relayTo(row.neighbor) ?? nobody),
    });
  }

  #neighbors(): NodeId[] {
    return [...this.#rows].filter(({ pulse }) => pulse.isLocal).map(({ pulse }) => pulse.peerId);
  }

  #heard(row: Row, heartbeat: Heartbeat): number | undefined {
    const now = this.#time.monotonicMs();
    row.heardSequence = heartbeat.sequence;
    row.heardAtMs = now;
    row.aliveAtMs = now;
    row.isHeard = true;
    row.theirIntervalMs = heartbeat.intervalMs;
    row.lastHeard = heartbeat;
    if (heartbeat.neighbors !== undefined) row.theirNeighbors = heartbeat.neighbors;
    if (row.neighbor !== undefined && this.#participant !== undefined) {
      this.#participant.table.hear(row.neighbor, heartbeat, now);
      // A node that lost a session may from now on need entries that this node did not relay.
      if (heartbeat.neighbors !== undefined) this.#hurry();
      this.#tell();
    }
    return measured(row, heartbeat, now);
  }

  #stop(row: Row): void {
    if (!this.#rows.delete(row)) return;
    if (row.pulse.isLocal) this.#neighborsVersion += 1;
    if (this.#rows.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#promptTimer?.cancel();
      this.#promptTimer = undefined;
    }
    if (row.neighbor === undefined || this.#participant === undefined) return;
    this.#participant.table.part(row.neighbor, this.#time.monotonicMs());
    // Nodes that still have a session with it will relay it to this node, once they know.
    this.#oweAll();
    this.#tell();
  }

  /** Reports changes of the table to the participant and, soon, to the peers that they concern. */
  #tell(): void {
    const participant = this.#participant;
    if (participant === undefined) return;
    const { table } = participant;
    if (participant.routesTold !== table.routes) {
      participant.routesTold = table.routes;
      this.#hurry();
    }
    if (participant.changesTold === table.changes) return;
    participant.changesTold = table.changes;
    this.#hurry();
    participant.changed();
  }

  #oweAll(): void {
    for (const row of this.#rows) row.isOwed = row.pulse.isLocal;
    this.#hurry();
  }

  /** Sends news soon, together with all news that comes until then. */
  #hurry(): void {
    if (this.#promptTimer !== undefined || this.#rows.size === 0) return;
    this.#promptTimer = this.#time.after(limits.promptBeatMs, () => {
      this.#promptTimer = undefined;
      this.#beatPromptly();
    });
  }

  #beatPromptly(): void {
    const table = this.#participant?.table;
    const due = [...this.#rows].filter(
      ({ isOwed, neighbor }) => isOwed || (neighbor !== undefined && table?.hasNewsFor(neighbor)),
    );
    if (due.length === 0) return;
    const now = this.#time.monotonicMs();
    this.#count();
    for (const row of due) this.#beat(row, now);
  }
}

const nobody: Heartbeat['relayed'] = [];

/** A peer that is far away, or has been admitted here but not yet there, gets more time. */
function patienceMsOf({ intervalMs, theirIntervalMs, roundTripMs, isHeard }: Row): number {
  const expectedMs = limits.heartbeatsMissedMax * Math.max(intervalMs, theirIntervalMs) + 2 * roundTripMs;
  return isHeard ? expectedMs : expectedMs + limits.firstBeatMs;
}

/** The round trip, when the echoed heartbeat is remembered and has not been echoed before. */
function measured(row: Row, { echo, heldMs }: Heartbeat, now: number): number | undefined {
  const { sequence, sentAtMs } = row;
  if (echo <= Math.max(row.echoed, sequence - sentAtMs.length) || echo > sequence) return undefined;
  row.echoed = echo;
  const milliseconds = Math.max(0, now - (sentAtMs[echo % sentAtMs.length] as number) - heldMs);
  row.roundTripMs = row.roundTripMs === 0 ? milliseconds : (7 * row.roundTripMs + milliseconds) / 8;
  return milliseconds;
}
