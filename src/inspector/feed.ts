/**
 * Turns what XState tells of the actors of one process into records, at once, while the actors are at work.
 *
 * Invariants: nothing is kept of an event or a context but its summary; what has not changed is not told again; every actor is told of
 * before anything that happens to it; an actor may be met at any time, since whoever looks may come late. Nothing here throws into
 * the actors: what cannot be summarised is told as such.
 *
 * The cause of an event is what its sender is at work on. XState has no word for that, but it works on one event after the other, so
 * the eldest event of an actor that has not led to a snapshot yet is the one. Services send without saying who they are; while actors are
 * at work, it is the one that has begun last, since all of it happens in one stretch of code.
 */

import type { AnyActorRef, AnyStateMachine, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import { delayIdsOf } from '../actors/delays.js';
import { own } from '../core/own.js';
import { type ChartOf, chartOf } from './chart.js';
import type { EventSummary, InspectorRecord, SnapshotChange, Stamp, StateValue } from './records.js';
import { type Summary, summarize, summarizeField } from './summary.js';

export interface FeedOptions {
  /** The name of the process in records. */
  readonly node: string;
  /** Tells this process from all others: what its actors are named by. */
  readonly origin: string;
  now(): number;
  sink(record: InspectorRecord): void;
}

/** What is known of an actor. */
interface Known {
  readonly sessionId: string;
  readonly isMachine: boolean;
  readonly chart: ChartOf | undefined;
  /** Events that it has been sent and has not worked on yet, the eldest first. */
  readonly pending: { readonly event: object; readonly id: number }[];
  /** As it was told last. */
  value: unknown;
  context: object | undefined;
  status: string | undefined;
  scheduled: readonly ScheduledEvent[];
  transitions: string[];
}

type Body = InspectorRecord extends infer Each ? (Each extends Stamp ? Omit<Each, keyof Stamp> : never) : never;

/** Beyond this, an actor that gets events but never works on them has none that count. */
const pendingMax = 256;

export class Feed {
  readonly #options: FeedOptions;
  readonly #known = new WeakMap<AnyActorRef, Known>();
  readonly #chartsOf = new WeakMap<object, ChartOf>();
  readonly #charts = new Set<string>();
  /** Actors at work at this moment, each within the work of the one before. */
  #working: Known[] = [];
  readonly #dueAtMs = new WeakMap<ScheduledEvent, number>();
  #records = 0;
  #actors = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** For `createActor({ inspect })`, or `system.inspect`. */
  readonly inspect = (event: InspectionEvent): void => {
    const actor = event.actorRef as AnyActorRef;
    switch (event.type) {
      case '@xstate.actor':
        // It has no state yet: it is told of when it is sent the first event, or has a snapshot.
        return;
      case '@xstate.event':
        this.#sent(actor, event.event, event.sourceRef as AnyActorRef | undefined);
        return;
      case '@xstate.microstep':
        this.#stepped(actor, event._transitions as readonly AnyTransitionDefinition[]);
        return;
      case '@xstate.snapshot':
        this.#finished(actor, event.event, event.snapshot);
        return;
    }
  };

  /** Tells of actors that are there already: an actor, and all below it. */
  meet(actor: AnyActorRef): void {
    this.#knownOf(actor);
    const { children } = actor.getSnapshot() as { children?: Readonly<Record<string, AnyActorRef | undefined>> };
    for (const child of Object.values(children ?? {})) if (child !== undefined) this.meet(child);
  }

  /** Something that no actor knows of. */
  tell(body: Body): void {
    this.#tell(body);
  }

  #sent(actor: AnyActorRef, event: { readonly type: string }, source: AnyActorRef | undefined): void {
    const sender = source === undefined ? this.#working.at(-1) : this.#knownOf(source);
    const cause = sender?.pending[0]?.id;
    const known = this.#knownOf(actor, cause);
    const id = this.#tell({
      type: '@xstate.event',
      sessionId: known.sessionId,
      rootId: this.#rootOf(actor),
      ...(sender !== undefined && { sourceId: sender.sessionId }),
      event: summarizeEvent(event),
      ...(cause !== undefined && { cause }),
    });
    // Who has ended works on nothing any more.
    if (known.status !== 'active') return;
    if (known.pending.length === 0) this.#begin(known);
    if (known.pending.length >= pendingMax) known.pending.shift();
    known.pending.push({ event, id });
  }

  #begin(known: Known): void {
    // Whatever is still there when this stretch of code is over was never worked on.
    if (this.#working.length === 0) queueMicrotask(() => this.#rest());
    this.#working.push(known);
  }

  #rest(): void {
    for (const known of this.#working) known.pending.length = 0;
    this.#working = [];
  }

  #stepped(actor: AnyActorRef, transitions: readonly AnyTransitionDefinition[]): void {
    // The first steps of an actor come while it is being made.
    const known = this.#known.get(actor);
    if (known?.chart === undefined) return;
    for (const transition of transitions) {
      const id = known.chart.idOf(transition);
      if (id !== undefined) known.transitions.push(id);
    }
  }

  #finished(actor: AnyActorRef, event: { readonly type: string }, snapshot: unknown): void {
    const known = this.#knownOf(actor);
    const index = known.pending.findIndex((each) => each.event === event);
    const cause = known.pending[index]?.id;
    known.pending.splice(0, index + 1);
    const at = this.#working.lastIndexOf(known);
    if (at >= 0) this.#working.splice(at, 1);
    if (known.pending.length > 0) this.#begin(known);
    const { transitions } = known;
    known.transitions = [];
    const change = this.#changeOf(known, snapshot);
    // Delays begin and end with states.
    const isMoved = transitions.length > 0 || change.status !== undefined || change.value !== undefined;
    const delays = known.isMachine && isMoved ? this.#delaysOf(actor, known) : undefined;
    this.#tell({
      type: '@xstate.snapshot',
      sessionId: known.sessionId,
      rootId: this.#rootOf(actor),
      event: cause === undefined ? summarizeEvent(event) : { type: event.type },
      ...(cause !== undefined && { cause }),
      snapshot: change,
      ...(transitions.length > 0 && { transitions }),
      ...(delays !== undefined && { delays }),
    });
  }

  /** Tells of an actor when it is first met: its parent before it, and its chart before both. */
  #knownOf(actor: AnyActorRef, cause?: number): Known {
    const met = this.#known.get(actor);
    if (met !== undefined) return met;
    const { _parent: parent, logic, src: source } = actor as { _parent?: AnyActorRef; logic?: unknown; src?: unknown };
    const src = typeof source === 'string' ? source : 'inline';
    const parentId = parent === undefined ? undefined : this.#knownOf(parent).sessionId;
    const machine = isMachine(logic) ? logic : undefined;
    const chart = machine === undefined ? undefined : this.#chartOf(machine);
    this.#actors += 1;
    const known: Known = {
      sessionId: `${this.#options.origin}.${this.#actors}`,
      ...{ isMachine: machine !== undefined, chart, pending: [] },
      ...{ value: undefined, context: undefined, status: undefined, scheduled: [], transitions: [] },
    };
    this.#known.set(actor, known);
    this.#tell({
      type: '@xstate.actor',
      sessionId: known.sessionId,
      rootId: parent === undefined ? known.sessionId : this.#rootOf(parent),
      ...(parentId !== undefined && { parentId }),
      name: parent === undefined && machine !== undefined ? machine.id : nameOf(actor.id, src),
      logic: machine?.id ?? src,
      isMachine: machine !== undefined,
      snapshot: this.#changeOf(known, (actor as { _snapshot?: unknown })._snapshot),
      ...(cause !== undefined && { cause }),
    });
    return known;
  }

  #rootOf(actor: AnyActorRef): string {
    let root = actor;
    for (let above = actor; above !== undefined; above = (above as { _parent?: AnyActorRef })._parent as AnyActorRef) {
      root = above;
    }
    return this.#knownOf(root).sessionId;
  }

  #chartOf(machine: AnyStateMachine): ChartOf {
    const known = this.#chartsOf.get(machine);
    if (known !== undefined) return known;
    const chart = chartOf(machine);
    this.#chartsOf.set(machine, chart);
    if (!this.#charts.has(machine.id)) {
      this.#charts.add(machine.id);
      this.#tell({ type: 'statemesh.chart', chart: chart.chart });
    }
    return chart;
  }

  /** What is new in a snapshot, field by field: what an actor has not replaced has not changed. */
  #changeOf(known: Known, snapshot: unknown): SnapshotChange {
    if (typeof snapshot !== 'object' || snapshot === null) return {};
    const { status, value, context, output, error } = snapshot as Record<string, unknown>;
    const change: { -readonly [Key in keyof SnapshotChange]: SnapshotChange[Key] } = {};
    if (status !== known.status) change.status = known.status = status as NonNullable<SnapshotChange['status']>;
    if (value !== undefined && !isSameValue(value, known.value)) {
      known.value = value;
      change.value = value as StateValue;
    }
    if (known.isMachine && typeof context === 'object' && context !== null && context !== known.context) {
      const changed = changedFields(known.context as Fields | undefined, context as Fields);
      if (changed !== undefined) change.context = changed;
      known.context = context;
    }
    if (output !== undefined) change.output = guarded(() => summarizeField('output', output) ?? null);
    if (error !== undefined) change.error = guarded(() => summarize(error) ?? null);
    return change;
  }

  /** The delays that an actor waits for, when they have changed. */
  #delaysOf(actor: AnyActorRef, known: Known): Readonly<Record<string, number>> | undefined {
    const inside = (actor.system as unknown as SystemInside)._snapshot?._scheduledEvents ?? {};
    const ids = delayIdsOf(actor);
    const scheduled =
      ids === undefined
        ? Object.values(inside).filter(({ source }) => source === actor)
        : [...ids].flatMap((id) => own(inside, `${actor.sessionId}.${id}`) ?? []);
    const { length } = scheduled;
    if (length === known.scheduled.length && scheduled.every((each, index) => each === known.scheduled[index])) {
      return undefined;
    }
    known.scheduled = scheduled;
    const delays = new Map<string, number>();
    for (const each of scheduled) {
      const dueAtMs = this.#dueAtMs.get(each) ?? this.#options.now() + each.delay;
      this.#dueAtMs.set(each, dueAtMs);
      delays.set(each.event.type, dueAtMs);
    }
    return Object.fromEntries(delays);
  }

  #tell(body: Body): number {
    this.#records += 1;
    const { node, now, sink } = this.#options;
    sink({ id: this.#records, node, atMs: now(), ...body } as InspectorRecord);
    return this.#records;
  }
}

/** XState names what is invoked without an id by its place, as in `0.node.listening`: what it runs says more. */
function nameOf(id: string, src: string): string {
  return /^\d+\./.test(id) ? src : id;
}

type Fields = Readonly<Record<string, unknown>>;

interface ScheduledEvent {
  readonly source: AnyActorRef;
  readonly event: { readonly type: string };
  readonly delay: number;
}

/** What XState keeps of its timers; there is no other way to see them. */
interface SystemInside {
  readonly _snapshot?: { readonly _scheduledEvents: Readonly<Record<string, ScheduledEvent>> };
}

function changedFields(before: Fields | undefined, after: Fields): Readonly<Record<string, Summary>> | undefined {
  const changed = new Map<string, Summary>();
  for (const [field, value] of Object.entries(after)) {
    const valueBefore = own(before, field);
    if (before !== undefined && valueBefore === value) continue;
    const summary = guarded(() => summarizeField(field, value));
    if (summary === undefined && valueBefore === undefined) continue;
    changed.set(field, summary ?? null);
  }
  return changed.size === 0 ? undefined : Object.fromEntries(changed);
}

function summarizeEvent(event: { readonly type: string }): EventSummary {
  return guarded(() =>
    summarize(event.type === 'xstate.init' ? withoutConfiguration(event) : event, 0),
  ) as EventSummary;
}

/** Whatever is started is given the configuration: the context of the node shows it once. */
function withoutConfiguration({ type, input }: { readonly type: string; readonly input?: unknown }): object {
  if (typeof input !== 'object' || input === null) return { type };
  const { configuration: _, intervals: __, configured: ___, ...others } = input as Fields;
  return { type, input: others };
}

/** An exotic value must not take the actors down: it is told of as one that cannot be shown. */
function guarded<T extends Summary | undefined>(make: () => T): T | string {
  try {
    return make();
  } catch {
    return '[cannot be shown]';
  }
}

function isSameValue(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const keys = Object.keys(one);
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => isSameValue(own(one as Fields, key), own(other as Fields, key)));
}

function isMachine(logic: unknown): logic is AnyStateMachine {
  return typeof logic === 'object' && logic !== null && 'root' in logic && 'definition' in logic;
}
