/**
 * Records as the events that Stately's own inspector takes (`@statelyai/inspect`): with whole snapshots, which records
 * do not have, and with machines in its format.
 */
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import type { Chart, ChartState, ChartTransition } from '../../../src/inspector/chart.js';
import { type ActorState, Fold } from '../../../src/inspector/fold.js';
import type { InspectorRecord } from '../../../src/inspector/records.js';

/** The version of the package whose format this is. */
const version = '0.7.2';

export class StatelyConverter {
  readonly #fold = new Fold();

  /** Takes records of the past: they become the initial state. */
  begin(records: readonly InspectorRecord[]): StatelyInspectionEvent[] {
    for (const record of records) this.#fold.add(record);
    return [...this.#fold.actors.values()].map((actor) => this.#actorEvent(actor, actor.startedAtMs));
  }

  convert(record: InspectorRecord): StatelyInspectionEvent[] {
    const before = 'sessionId' in record ? this.#fold.actors.get(record.sessionId) : undefined;
    this.#fold.add(record);
    switch (record.type) {
      case '@xstate.actor': {
        const actor = this.#fold.actors.get(record.sessionId);
        return actor === undefined ? [] : [this.#actorEvent(actor, record.atMs)];
      }
      case '@xstate.event':
        return [{ ...this.#stamp(record), type: record.type, event: { ...record.event }, sourceId: record.sourceId }];
      case '@xstate.snapshot': {
        const actor = this.#fold.actors.get(record.sessionId) ?? before;
        if (actor === undefined) return [];
        const status = record.snapshot.status ?? actor.status;
        const snapshot = { ...snapshotOf(actor), status } as never;
        return [{ ...this.#stamp(record), type: record.type, event: { ...record.event }, snapshot }];
      }
      default:
        return [];
    }
  }

  #actorEvent(actor: ActorState, atMs: number): StatelyInspectionEvent {
    const { sessionId, rootId, parentId, name, logic } = actor;
    const chart = actor.isMachine ? this.#fold.charts.get(logic) : undefined;
    return {
      ...this.#stamp({ sessionId, rootId, atMs, id: 0 }),
      type: '@xstate.actor',
      name,
      parentId,
      snapshot: snapshotOf(actor),
      definition: JSON.stringify(chart === undefined ? { id: logic } : definitionOf(chart)),
    };
  }

  #stamp({ sessionId, rootId, atMs, id }: { sessionId: string; rootId: string; atMs: number; id: number }) {
    return { sessionId, rootId, id: `${rootId} ${id}`, createdAt: String(Math.round(atMs)), _version: version };
  }
}

function snapshotOf({ status, value, context, output, error }: ActorState) {
  return { status, value, context, output, error };
}

/** A machine as `createMachine` takes it, without implementations. */
export function definitionOf({ id, root, transitions }: Chart): object {
  const bySource = new Map<string, ChartTransition[]>();
  for (const transition of transitions) {
    bySource.set(transition.source, [...(bySource.get(transition.source) ?? []), transition]);
  }
  return { id, ...stateDefinition(root, bySource) };
}

function stateDefinition(state: ChartState, bySource: ReadonlyMap<string, readonly ChartTransition[]>): object {
  const { id, kind, initial, entry, exit, invokes, states } = state;
  const on = new Map<string, object[]>();
  const always: object[] = [];
  for (const transition of bySource.get(id) ?? []) {
    const described = transitionDefinition(transition);
    if (transition.kind === 'always') always.push(described);
    else on.set(transition.eventType, [...(on.get(transition.eventType) ?? []), described]);
  }
  return {
    ...(kind === 'parallel' || kind === 'final' || kind === 'history' ? { type: kind } : {}),
    ...(initial !== undefined && { initial }),
    ...(entry.length > 0 && { entry: entry.map(named) }),
    ...(exit.length > 0 && { exit: exit.map(named) }),
    ...(invokes.length > 0 && { invoke: invokes.map(({ id: each, logic }) => ({ id: each, src: logic })) }),
    ...(always.length > 0 && { always }),
    ...(on.size > 0 && { on: Object.fromEntries(on) }),
    ...(states.length > 0 && {
      states: Object.fromEntries(
        states.map((child) => [child.key, { id: child.id, ...stateDefinition(child, bySource) }]),
      ),
    }),
  };
}

function transitionDefinition({ targets, guard, actions, reenter }: ChartTransition): object {
  return {
    ...(targets.length > 0 && { target: targets.map((target) => `#${target}`) }),
    ...(guard !== undefined && { guard: { type: guard } }),
    ...(actions.length > 0 && { actions: actions.map(named) }),
    ...(reenter && { reenter }),
  };
}

function named(type: string): { type: string } {
  return { type };
}
