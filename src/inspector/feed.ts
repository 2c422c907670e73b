/**
 * Turns XState's inspection events about the actors of one process into records, synchronously, while the actors run.
 *
 * Invariants: of an event or a context, only its summary is kept. Unchanged fields are not reported again. Every actor
 * is reported before anything that happens to it. An actor may be met at any time, because a watcher may start late.
 * Nothing here throws into the actors: a value that cannot be summarized is reported as such.
 *
 * Intuition: the cause of an event is the event that its sender is processing. XState does not report that. But an
 * actor processes its events one after the other, so the cause is the sender's oldest event that has not led to a
 * snapshot yet. Services send events without a source. While actors run, the source is then the actor that started
 * last, because all of them run in one synchronous stretch of code.
 */

import type { AnyActorRef, AnyStateMachine, AnyTransitionDefinition, InspectionEvent } from 'xstate';
import { delayIdsOf } from '../actors/delays.js';
import {
  latestSnapshotOf,
  parentOf,
  rootOf,
  type ScheduledEvent,
  scheduledEventsOf,
  transitionsOf,
} from '../actors/xstate-internals.js';
import { own } from '../core/own.js';
import { type ChartOf, chartOf } from './chart.js';
import type { EventSummary, InspectorRecord, SnapshotChange, Stamp, StateValue } from './records.js';
import { type Summary, summarize, summarizeField } from './summary.js';

export interface FeedOptions {
  /** The name of the process in records. */
  readonly node: string;
  /** Distinguishes this process from all others; the actors' session ids contain it. */
  readonly origin: string;
  now(): number;
  sink(record: InspectorRecord): void;
}

/** What the feed knows about an actor. */
interface Known {
  readonly sessionId: string;
  readonly isMachine: boolean;
  readonly chart: ChartOf | undefined;
  /** Events that were sent to the actor and that it has not processed yet, oldest first. */
  readonly pending: { readonly event: object; readonly id: number }[];
  /** The values that were reported last. */
  value: unknown;
  context: object | undefined;
  status: string | undefined;
  scheduled: readonly ScheduledEvent[];
  transitions: string[];
}

type Body = InspectorRecord extends infer Each ? (Each extends Stamp ? Omit<Each, keyof Stamp> : never) : never;

/** An actor that receives events but never processes them remembers only the latest this many. */
const pendingMax = 256;

export class Feed {
  readonly #options: FeedOptions;
  readonly #known = new WeakMap<AnyActorRef, Known>();
  readonly #chartsOf = new WeakMap<object, ChartOf>();
  readonly #charts = new Set<string>();
  /** Actors that are processing an event at this moment; each runs within the one before it. */
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
        // The actor has no state yet. It is reported with its first event or snapshot.
        return;
      case '@xstate.event':
        this.#sent(actor, event.event, event.sourceRef as AnyActorRef | undefined);
        return;
      case '@xstate.microstep':
        this.#stepped(actor, transitionsOf(event));
        return;
      case '@xstate.snapshot':
        this.#finished(actor, event.event, event.snapshot);
        return;
    }
  };

  /** Reports actors that already run: an actor and all its descendants. */
  meet(actor: AnyActorRef): void {
    this.#knownOf(actor);
    const { children } = actor.getSnapshot() as { children?: Readonly<Record<string, AnyActorRef | undefined>> };
    for (const child of Object.values(children ?? {})) if (child !== undefined) this.meet(child);
  }

  /** Reports something that no actor knows of. */
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
    // An ended actor processes no more events.
    if (known.status !== 'active') return;
    if (known.pending.length === 0) this.#begin(known);
    if (known.pending.length >= pendingMax) known.pending.shift();
    known.pending.push({ event, id });
  }

  #begin(known: Known): void {
    // Events that are still pending when this synchronous stretch ends are never processed.
    if (this.#working.length === 0) queueMicrotask(() => this.#rest());
    this.#working.push(known);
  }

  #rest(): void {
    for (const known of this.#working) known.pending.length = 0;
    this.#working = [];
  }

  #stepped(actor: AnyActorRef, transitions: readonly AnyTransitionDefinition[]): void {
    // The first microsteps of an actor come while it is being created.
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
    // Delays start and end with states.
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

  /** Reports an actor when it is first met: first its parent, then its chart, then the actor. */
  #knownOf(actor: AnyActorRef, cause?: number): Known {
    const met = this.#known.get(actor);
    if (met !== undefined) return met;
    const parent = parentOf(actor);
    const source = (actor as { src?: unknown }).src;
    const src = typeof source === 'string' ? source : 'inline';
    const parentId = parent === undefined ? undefined : this.#knownOf(parent).sessionId;
    const machine = machineOf(actor);
    const chart = machine === undefined ? undefined : this.#chartOf(machine);
    this.#actors += 1;
    const known: Known = {
      sessionId: `${this.#options.origin}.${this.#actors}`,
      isMachine: machine !== undefined,
      chart,
      pending: [],
      value: undefined,
      context: undefined,
      status: undefined,
      scheduled: [],
      transitions: [],
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
      snapshot: this.#changeOf(known, latestSnapshotOf(actor)),
      ...(cause !== undefined && { cause }),
    });
    return known;
  }

  #rootOf(actor: AnyActorRef): string {
    return this.#knownOf(rootOf(actor)).sessionId;
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

  /** The changes of a snapshot, field by field. A field whose value was not replaced has not changed. */
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
    const inside = scheduledEventsOf(actor.system);
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

/** XState names an invoked actor without an id by its place, as in `0.node.listening`. Its logic's name says more. */
function nameOf(id: string, src: string): string {
  return /^\d+\./.test(id) ? src : id;
}

type Fields = Readonly<Record<string, unknown>>;

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

/** Every started actor gets the configuration as input; the context of the node shows it once. */
function withoutConfiguration({ type, input }: { readonly type: string; readonly input?: unknown }): object {
  if (typeof input !== 'object' || input === null) return { type };
  const { configuration: _, intervals: __, configured: ___, ...others } = input as Fields;
  return { type, input: others };
}

/** An unusual value must not break the actors: the record says that it cannot be shown. */
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

/** The machine that an actor runs. Logic that wraps a machine has it in its snapshots. */
function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const { machine } = Object(latestSnapshotOf(actor)) as { machine?: unknown };
  const { logic } = actor as { logic?: unknown };
  return [machine, logic].find(isMachine);
}

function isMachine(logic: unknown): logic is AnyStateMachine {
  return typeof logic === 'object' && logic !== null && 'root' in logic && 'definition' in logic;
}
