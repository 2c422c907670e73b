/**
 * The state of all actors after a sequence of records. A server folds the records that it forgets; the page folds up to
 * the moment that it shows.
 *
 * Invariant: the state of an actor is a value that is replaced, never changed. So a copy of the maps is a snapshot that
 * stays valid.
 */
import type { Chart } from './chart.js';
import type { EventSummary, InspectorRecord, SnapshotChange, StateValue } from './records.js';
import type { Summary } from './summary.js';

export interface ActorState {
  readonly sessionId: string;
  readonly rootId: string;
  readonly parentId: string | undefined;
  readonly node: string;
  readonly name: string;
  readonly logic: string;
  readonly isMachine: boolean;
  readonly status: NonNullable<SnapshotChange['status']>;
  /** Undefined for a service. */
  readonly value: StateValue | undefined;
  readonly context: Readonly<Record<string, Summary>>;
  readonly output: Summary | undefined;
  readonly error: Summary | undefined;
  /** Fields of the context that the latest snapshot replaced. */
  readonly changed: readonly string[];
  /** The event that was processed last, and the transitions that it caused. */
  readonly lastEvent: EventSummary | undefined;
  readonly lastEventId: number | undefined;
  readonly transitions: readonly string[];
  /** Running delays: the time when each is due, in ms, by event type. */
  readonly delays: Readonly<Record<string, number>>;
  readonly startedAtMs: number;
  readonly changedAtMs: number;
}

export interface ProcessState {
  readonly node: string;
  readonly isUp: boolean;
  readonly sinceMs: number;
}

/** The state after some records. */
export class Fold {
  readonly actors: Map<string, ActorState>;
  readonly processes: Map<string, ProcessState>;
  /** By machine id. Charts are never forgotten. */
  readonly charts: Map<string, Chart>;
  /** Groups of processes that cannot hear each other; empty when all can. */
  partition: readonly (readonly string[])[];
  /** The time of the latest record. */
  atMs: number;
  /** The living children of each actor. */
  readonly #children = new Map<string, Set<string>>();

  constructor(from?: Fold) {
    this.actors = new Map(from?.actors);
    for (const { sessionId, parentId } of this.actors.values()) this.#adopt(sessionId, parentId);
    this.processes = new Map(from?.processes);
    this.charts = from?.charts ?? new Map();
    this.partition = from?.partition ?? [];
    this.atMs = from?.atMs ?? 0;
  }

  add(record: InspectorRecord): void {
    // Processes of one machine may report the same moment in a different order.
    this.atMs = Math.max(this.atMs, record.atMs);
    switch (record.type) {
      case '@xstate.actor': {
        const { sessionId, rootId, parentId, node, name, logic, isMachine, snapshot, atMs } = record;
        this.#begin(node, atMs);
        this.#adopt(sessionId, parentId);
        this.actors.set(sessionId, {
          sessionId,
          rootId,
          parentId,
          node,
          name,
          logic,
          isMachine,
          status: snapshot.status ?? 'active',
          value: snapshot.value,
          context: snapshot.context ?? {},
          output: snapshot.output,
          error: snapshot.error,
          changed: [],
          lastEvent: undefined,
          lastEventId: undefined,
          transitions: [],
          delays: {},
          startedAtMs: atMs,
          changedAtMs: atMs,
        });
        return;
      }
      case '@xstate.snapshot': {
        const actor = this.actors.get(record.sessionId);
        if (actor !== undefined) this.actors.set(record.sessionId, after(actor, record));
        // The state of an ended actor is dropped (its records remain), so that the fold of a long run does not grow
        // forever.
        if (
          record.snapshot.status !== undefined &&
          record.snapshot.status !== 'active' &&
          actor?.parentId !== undefined
        )
          this.#remove(record.sessionId);
        return;
      }
      case 'statemesh.chart':
        this.charts.set(record.chart.id, record.chart);
        return;
      case 'statemesh.process':
        this.#processEvent(record.node, record.what === 'began', record.atMs);
        return;
      case 'statemesh.world':
        if (record.partition !== undefined) this.partition = record.partition;
        return;
    }
  }

  #begin(node: string, atMs: number): void {
    if (this.processes.get(node)?.isUp !== true) this.processes.set(node, { node, isUp: true, sinceMs: atMs });
  }

  #processEvent(node: string, isUp: boolean, atMs: number): void {
    // When a process begins or ends, all actors of its predecessor are gone.
    for (const { sessionId, node: of } of this.actors.values()) if (of === node) this.#remove(sessionId);
    this.processes.set(node, { node, isUp, sinceMs: atMs });
  }

  #adopt(sessionId: string, parentId: string | undefined): void {
    if (parentId === undefined) return;
    const siblings = this.#children.get(parentId);
    if (siblings === undefined) this.#children.set(parentId, new Set([sessionId]));
    else siblings.add(sessionId);
  }

  #remove(sessionId: string): void {
    const parentId = this.actors.get(sessionId)?.parentId;
    if (parentId !== undefined) this.#children.get(parentId)?.delete(sessionId);
    this.actors.delete(sessionId);
    const children = this.#children.get(sessionId) ?? [];
    this.#children.delete(sessionId);
    for (const child of children) this.#remove(child);
  }
}

/**
 * The state of a fold as records that lead to it. A history whose earlier part was forgotten begins with them. The fold
 * may go on while they are taken.
 */
export function recordsOf({ actors, processes, charts, partition, atMs }: Fold): Iterable<InspectorRecord> {
  return recordsIn({
    actors: [...actors.values()],
    processes: [...processes.values()],
    charts: [...charts.values()],
    partition,
    atMs,
  });
}

interface State extends Pick<Fold, 'partition' | 'atMs'> {
  readonly actors: readonly ActorState[];
  readonly processes: readonly ProcessState[];
  readonly charts: readonly Chart[];
}

function* recordsIn({ actors, processes, charts, partition, atMs }: State): Generator<InspectorRecord> {
  const stamp = { id: 0, atMs };
  for (const chart of charts) yield { ...stamp, node: '', type: 'statemesh.chart', chart };
  for (const { node, isUp, sinceMs } of processes) {
    yield { id: 0, atMs: sinceMs, node, type: 'statemesh.process', what: isUp ? 'began' : 'ended' };
  }
  for (const actor of actors) yield* recordsOfActor(actor);
  if (partition.length > 0) yield { ...stamp, node: '', type: 'statemesh.world', what: 'partition', partition };
}

function recordsOfActor(actor: ActorState): InspectorRecord[] {
  const { sessionId, rootId, parentId, node, name, logic, isMachine, status, value, context, output, error } = actor;
  const { lastEvent, lastEventId, transitions, delays, startedAtMs, changedAtMs } = actor;
  const snapshot: SnapshotChange = {
    status,
    context,
    ...(value !== undefined && { value }),
    ...(output !== undefined && { output }),
    ...(error !== undefined && { error }),
  };
  const begun: InspectorRecord = {
    id: 0,
    atMs: startedAtMs,
    node,
    type: '@xstate.actor',
    sessionId,
    rootId,
    name,
    logic,
    isMachine,
    snapshot,
    ...(parentId !== undefined && { parentId }),
  };
  if (lastEvent === undefined) return [begun];
  const worked: InspectorRecord = {
    id: 0,
    atMs: changedAtMs,
    node,
    type: '@xstate.snapshot',
    sessionId,
    rootId,
    event: lastEvent,
    snapshot: {},
    ...(lastEventId !== undefined && { cause: lastEventId }),
    transitions,
    delays,
  };
  return [begun, worked];
}

function after(actor: ActorState, record: Extract<InspectorRecord, { type: '@xstate.snapshot' }>): ActorState {
  const { snapshot, event, cause, transitions, delays, atMs } = record;
  const { status, value, context, output, error } = snapshot;
  return {
    ...actor,
    status: status ?? actor.status,
    value: value ?? actor.value,
    context: context === undefined ? actor.context : patched(actor.context, context),
    output: output ?? actor.output,
    error: error ?? actor.error,
    changed: context === undefined ? [] : Object.keys(context),
    lastEvent: event,
    lastEventId: cause,
    transitions: transitions ?? [],
    delays: delays ?? actor.delays,
    changedAtMs: atMs,
  };
}

function patched(
  context: Readonly<Record<string, Summary>>,
  change: Readonly<Record<string, Summary>>,
): Readonly<Record<string, Summary>> {
  const next = new Map(Object.entries(context));
  for (const [field, value] of Object.entries(change)) {
    if (value === null) next.delete(field);
    else next.set(field, value);
  }
  return Object.fromEntries(next);
}
