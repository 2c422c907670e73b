/**
 * Which records are rows of the sequence, and the ends of their arrows. Pure; grows with the records, in pieces, so
 * that no filter ever blocks the page.
 */
import type { EventRecord, InspectorRecord } from '../../../src/inspector/records.js';
import type { ActorName } from '../model/timeline.js';

export interface Filter {
  /** An actor; its descendants count, too. */
  readonly actor: string | undefined;
  /** An event type; `*` stands for anything. */
  readonly type: string;
  /** Anywhere in the shown event. */
  readonly text: string;
  /** XState's own events and periodic ones. */
  readonly showsNoise: boolean;
}

export const everything: Filter = { actor: undefined, type: '', text: '', showsNoise: false };

/** Periodic events, and XState's own. */
const noise = /^(xstate\.(init|stop)|heartbeat\.|link\.send|memberState\.changed|liveness\.changed)/;

export function matches(
  { actor, type, text, showsNoise }: Filter,
  record: InspectorRecord,
  directory: ReadonlyMap<string, ActorName>,
): boolean {
  if (record.type === 'statemesh.world' || record.type === 'statemesh.process')
    return actor === undefined && type === '' && text === '';
  if (record.type !== '@xstate.event') return false;
  if (!showsNoise && type === '' && text === '' && noise.test(record.event.type)) return false;
  if (
    actor !== undefined &&
    !isWithin(record.sessionId, actor, directory) &&
    !isWithin(record.sourceId, actor, directory)
  )
    return false;
  if (type !== '' && !patternOf(type).test(record.event.type)) return false;
  return text === '' || JSON.stringify(record.event).toLowerCase().includes(text.toLowerCase());
}

function isWithin(sessionId: string | undefined, above: string, directory: ReadonlyMap<string, ActorName>): boolean {
  for (let id = sessionId; id !== undefined; id = directory.get(id)?.parentId) if (id === above) return true;
  return false;
}

/** The whole type when it has a `*`, otherwise a part of it. */
function patternOf(type: string): RegExp {
  const escaped = type.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return type.includes('*') ? new RegExp(`^${escaped.join('.*')}$`, 'i') : new RegExp(escaped.join(''), 'i');
}

/** Positions of records, in order. */
export class Rows {
  readonly positions: number[] = [];
  #next = 0;

  constructor(readonly filter: Filter) {}

  /**
   * Processes up to `recordsMax` more records.
   *
   * @returns whether all were processed
   */
  advance(records: readonly InspectorRecord[], directory: ReadonlyMap<string, ActorName>, recordsMax: number): boolean {
    const end = Math.min(records.length, this.#next + recordsMax);
    for (; this.#next < end; this.#next++) {
      if (matches(this.filter, records[this.#next] as InspectorRecord, directory)) this.positions.push(this.#next);
    }
    return this.#next === records.length;
  }

  /** The last row at or before a position. */
  rowBefore(position: number): number {
    let [low, high] = [0, this.positions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.positions[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/**
 * Causes and effects: each record names the event record that caused it by its number within one process, which the
 * root actor identifies.
 */
export class Causes {
  readonly #positions = new Map<string, number>();
  readonly #effects = new Map<string, number[]>();
  readonly #peers = new Map<string, string>();
  readonly #types = new Map<string, number>();
  #next = 0;

  /** Event types with their counts. */
  get types(): ReadonlyMap<string, number> {
    return this.#types;
  }

  advance(records: readonly InspectorRecord[], recordsMax: number): boolean {
    const end = Math.min(records.length, this.#next + recordsMax);
    for (; this.#next < end; this.#next++) this.#take(records[this.#next] as InspectorRecord, this.#next);
    return this.#next === records.length;
  }

  /** The position of an event's cause. */
  causeOf(record: InspectorRecord): number | undefined {
    if (!('cause' in record) || record.cause === undefined) return undefined;
    return this.#positions.get(keyOf(record.rootId, record.cause));
  }

  /** Positions of an event's effects: events, new actors, and the snapshot. */
  effectsOf({ rootId, id }: EventRecord): readonly number[] {
    return this.#effects.get(keyOf(rootId, id)) ?? [];
  }

  /** The NodeId of the other end of a session. */
  peerOf(sessionId: string): string | undefined {
    return this.#peers.get(sessionId);
  }

  #take(record: InspectorRecord, position: number): void {
    if (!('rootId' in record)) return;
    if (record.type === '@xstate.event') {
      this.#positions.set(keyOf(record.rootId, record.id), position);
      this.#types.set(record.event.type, (this.#types.get(record.event.type) ?? 0) + 1);
    } else {
      const { peer } = (record.snapshot.context ?? {}) as { peer?: { nodeId?: unknown } };
      if (typeof peer?.nodeId === 'string') this.#peers.set(record.sessionId, peer.nodeId);
    }
    if (record.cause === undefined) return;
    const key = keyOf(record.rootId, record.cause);
    const effects = this.#effects.get(key);
    if (effects === undefined) this.#effects.set(key, [position]);
    else effects.push(position);
  }
}

function keyOf(rootId: string, id: number): string {
  return `${rootId} ${id}`;
}

/** A column: a process, or one of its actors. */
export interface Lane {
  readonly key: string;
  readonly node: string;
  readonly title: string;
  readonly actor: string | undefined;
}

/** The numbers of the lanes of both ends; undefined is outside. */
export interface Arrow {
  readonly from: number | undefined;
  readonly to: number;
  /** Whether it came over the network. */
  readonly isRemote: boolean;
  readonly isTimer: boolean;
}

export interface Places {
  readonly lanes: ReadonlyMap<string, number>;
  readonly directory: ReadonlyMap<string, ActorName>;
  readonly causes: Causes;
  /** The process that has a NodeId. */
  processOf(nodeId: string): string | undefined;
}

export function arrowOf(record: EventRecord, { lanes, directory, causes, processOf }: Places): Arrow | undefined {
  const to = laneOf(record.sessionId, lanes, directory);
  if (to === undefined) return undefined;
  const { sourceId } = record;
  const isTimer = sourceId === record.sessionId;
  if (isTimer) return { from: to, to, isRemote: false, isTimer };
  // A frame comes from the node at the other end, not from the socket that delivered it.
  if (record.event.type.startsWith('frame.') && (sourceId === undefined || directory.get(sourceId)?.logic === 'link')) {
    const peer = causes.peerOf(record.sessionId);
    const process = peer === undefined ? undefined : processOf(peer);
    const from = process === undefined ? undefined : lanes.get(process);
    return { from, to, isRemote: true, isTimer: false };
  }
  return {
    from: sourceId === undefined ? undefined : laneOf(sourceId, lanes, directory),
    to,
    isRemote: false,
    isTimer: false,
  };
}

/** The lane of an actor, or of an ancestor. */
function laneOf(
  sessionId: string,
  lanes: ReadonlyMap<string, number>,
  directory: ReadonlyMap<string, ActorName>,
): number | undefined {
  const node = directory.get(sessionId)?.node;
  for (let id: string | undefined = sessionId; id !== undefined; id = directory.get(id)?.parentId) {
    const lane = lanes.get(id);
    if (lane !== undefined) return lane;
  }
  return node === undefined ? undefined : lanes.get(node);
}

/** An actor within its node: `membership/session-1`. */
export function pathOf(sessionId: string, directory: ReadonlyMap<string, ActorName>): string {
  const names: string[] = [];
  for (let actor = directory.get(sessionId); actor !== undefined; actor = directory.get(actor.parentId ?? '')) {
    names.unshift(actor.name);
  }
  return names.length > 1 ? names.slice(1).join('/') : (names[0] ?? sessionId);
}
