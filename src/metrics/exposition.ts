/**
 * The node's metrics in the Prometheus text format: https://prometheus.io/docs/instrumenting/exposition_formats/.
 * Counters and histograms start with the exposition; gauges are set from the node's status at each scrape.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { gatewayStates, peerStates } from '../core/states.js';
import type { Readings } from '../ports/meter.js';

/** The part of the node's status that is exposed. */
export interface NodeFigures {
  readonly nodeId: string | undefined;
  readonly role: string | undefined;
  readonly state: string;
  readonly leadership: { readonly isLeader: boolean; readonly term: number } | undefined;
  readonly clockAheadMs: number | undefined;
  /** Why the database takes no writes. */
  readonly impairment: object | undefined;
  readonly certificate: { readonly daysLeft: number } | undefined;
  readonly store:
    | {
        readonly documents: number;
        readonly tombstones: number;
        readonly entries: number;
        readonly authors: number;
        readonly fileBytes: number;
        readonly walBytes: number;
      }
    | undefined;
  /** Connections that were refused, by reason. */
  readonly refusals: readonly { readonly code: string; readonly count: number }[];
  /** File descriptors of the process. */
  readonly descriptors: { readonly open: number; readonly max: number } | undefined;
  readonly peers: readonly PeerFigures[];
  readonly quarantined: readonly unknown[];
  readonly gateways: readonly { readonly nodeId: string; readonly state: string }[];
}

interface PeerFigures {
  readonly nodeId: string;
  readonly state: string;
  readonly roundTripMs: number | undefined;
  readonly clockAheadMs: number | undefined;
  readonly backlog: number | undefined;
  readonly bytesPerSecond: number | undefined;
}

/** Delay of the event loop since the previous scrape, in seconds. */
export interface EventLoopDelay {
  readonly mean: number;
  readonly p99: number;
  readonly max: number;
}

/** From 0.1 ms to 10 s, in seconds. */
const buckets = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];

export class Exposition {
  readonly readings: Readings;
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #gauges: (figures: NodeFigures, delay: EventLoopDelay) => void;

  constructor() {
    this.readings = this.#counting();
    this.#gauges = this.#gauging();
  }

  /** All metrics as text, with the gauges set from `figures`. */
  text(figures: NodeFigures, delay: EventLoopDelay): Promise<string> {
    this.#gauges(figures, delay);
    return this.#registry.metrics();
  }

  #counting(): Readings {
    const registers = [this.#registry];
    const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
      new Counter({ name: `statemesh_${name}`, help, labelNames, registers });
    const histogram = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Histogram({ name: `statemesh_${name}`, help, labelNames, buckets, registers });
    const bytes = counter('bytes_total', 'Bytes of frames, before encryption.', ['direction']);
    const frames = counter('frames_total', 'Frames; a batch counts as one frame.', ['direction', 'type']);
    const commits = counter('commits_total', 'Transactions that committed entries.', ['from']);
    const entries = counter(
      'entries_committed_total',
      'Entries committed, written by this node (local) or received from others (remote).',
      ['from'],
    );
    const writing = histogram('write_duration_seconds', "Time from a local write's request to its commit on disk.");
    const committing = histogram('commit_duration_seconds', 'Duration of a database transaction.', ['from']);
    const travelling = histogram(
      'batch_round_trip_seconds',
      'Time from sending a batch until the peer reports it committed to disk.',
    );
    return {
      bytes: (direction, count) => bytes.inc({ direction }, count),
      frame: (direction, type) => frames.inc({ direction, type: type.slice('frame.'.length) }),
      batchAcknowledged: (seconds) => travelling.observe(seconds),
      written: (seconds) => writing.observe(seconds),
      committed: (count, from, seconds) => {
        commits.inc({ from });
        entries.inc({ from }, count);
        committing.observe({ from }, seconds);
      },
    };
  }

  #gauging(): (figures: NodeFigures, delay: EventLoopDelay) => void {
    const registers = [this.#registry];
    const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Gauge({ name, help, labelNames, registers });
    const node = gauge('statemesh_node_info', 'Identity of this node; the value is always 1.', ['node_id', 'role']);
    const running = gauge('statemesh_running', '1 while the node is running.');
    const leader = gauge('statemesh_leader', '1 while this node leads its cluster.');
    const term = gauge(
      'statemesh_leadership_term',
      'Leadership term; it grows with each change of leader that this node sees.',
    );
    const impaired = gauge('statemesh_database_impaired', '1 while the database cannot be read or written.');
    const ahead = gauge(
      'statemesh_clock_ahead_seconds',
      "How far this node's clock is ahead of the connected peers' clocks.",
    );
    const certificate = gauge('statemesh_certificate_days_left', 'Days until a certificate of this node expires.', [
      'field',
    ]);
    const store = [
      ['documents', gauge('statemesh_documents', 'Documents in the database, without deleted ones.')],
      ['tombstones', gauge('statemesh_tombstones', 'Tombstones of deleted documents.')],
      ['entries', gauge('statemesh_entries', 'Entries in the oplog.')],
      ['authors', gauge('statemesh_authors', 'Authors with entries in the oplog; each has one chain.')],
      ['fileBytes', gauge('statemesh_database_bytes', 'Size of the database, including its write-ahead log.')],
      ['walBytes', gauge('statemesh_wal_bytes', 'Size of the write-ahead log that is not yet in the database file.')],
    ] as const;
    const refused = gauge('statemesh_refused_connections', 'Connections refused since the node started.', ['reason']);
    const quarantined = gauge('statemesh_quarantined_documents', 'Unusable documents in _system_ collections.');
    const peers = gauge('statemesh_peers', 'Peers by state.', ['state']);
    const gateways = gauge('statemesh_gateways', 'Cloud peers by state.', ['state']);
    const backlog = gauge('statemesh_peer_backlog_entries', 'Entries that a connected peer lacks.', ['peer']);
    const trip = gauge('statemesh_peer_round_trip_seconds', 'Smoothed round-trip time of heartbeats.', ['peer']);
    const rate = gauge(
      'statemesh_peer_bytes_per_second',
      'Measured rate of the link to a peer, when the link was the bottleneck.',
      ['peer'],
    );
    const peerAhead = gauge(
      'statemesh_peer_clock_ahead_seconds',
      "How far the peer's clock is ahead of this node's clock.",
      ['peer'],
    );
    const late = gauge('statemesh_event_loop_delay_seconds', 'Delay of the event loop since the previous scrape.', [
      'statistic',
    ]);
    const openFiles = gauge('process_open_fds', 'Number of open file descriptors.');
    const maxFiles = gauge('process_max_fds', 'Maximum number of open file descriptors.');
    const memory = gauge('process_resident_memory_bytes', 'Resident memory size in bytes.');
    const cpu = gauge('process_cpu_seconds', 'User and system CPU time of the process.');
    return (figures, delay) => {
      for (const each of [node, backlog, trip, rate, peerAhead, refused]) each.reset();
      node.set({ node_id: figures.nodeId ?? '', role: figures.role ?? '' }, 1);
      running.set(figures.state === 'running' ? 1 : 0);
      leader.set(figures.leadership?.isLeader ? 1 : 0);
      term.set(figures.leadership?.term ?? 0);
      impaired.set(figures.impairment === undefined ? 0 : 1);
      ahead.set(seconds(figures.clockAheadMs ?? 0));
      certificate.reset();
      if (figures.certificate !== undefined) certificate.set({ field: 'tlsCert' }, figures.certificate.daysLeft);
      for (const [name, each] of store) each.set(figures.store?.[name] ?? 0);
      for (const { code, count } of figures.refusals) refused.set({ reason: code }, count);
      if (figures.descriptors !== undefined) {
        openFiles.set(figures.descriptors.open);
        maxFiles.set(figures.descriptors.max);
      }
      quarantined.set(figures.quarantined.length);
      countStates(peers, peerStates, figures.peers);
      countStates(gateways, gatewayStates, figures.gateways);
      for (const { nodeId: peer, backlog: lacking, roundTripMs, clockAheadMs, bytesPerSecond } of figures.peers) {
        if (lacking !== undefined) backlog.set({ peer }, lacking);
        if (roundTripMs !== undefined) trip.set({ peer }, seconds(roundTripMs));
        if (bytesPerSecond !== undefined) rate.set({ peer }, bytesPerSecond);
        if (clockAheadMs !== undefined) peerAhead.set({ peer }, seconds(clockAheadMs));
      }
      for (const [statistic, value] of Object.entries(delay)) late.set({ statistic }, value);
      memory.set(process.memoryUsage.rss());
      const { user, system } = process.cpuUsage();
      cpu.set((user + system) / 1_000_000);
    };
  }
}

function countStates(gauge: Gauge<'state'>, states: readonly string[], all: readonly { readonly state: string }[]) {
  for (const state of states) gauge.set({ state }, all.filter((each) => each.state === state).length);
}

function seconds(milliseconds: number): number {
  return milliseconds / 1_000;
}
