/**
 * What the inspector sees, one record for each event: the lines of a trace, and what a server sends to its viewers.
 *
 * The records have the form of Stately's inspection events (`@statelyai/inspect`). In addition they name the process,
 * the time and the cause. To stay small, a snapshot holds only its changes; the page rebuilds the events that Stately's
 * own page takes.
 */
import type { Chart } from './chart.js';
import type { Summary } from './summary.js';

/** The number, process and time of a record. */
export interface Stamp {
  /** Counts the records of one source, from 1. */
  readonly id: number;
  /** The process: for a real node the NodeId with which it started, for a simulated one the name of its machine. */
  readonly node: string;
  /** Ms since 1970; in a simulation, ms since the world began. */
  readonly atMs: number;
}

/** An actor was created. */
export interface ActorRecord extends Stamp {
  readonly type: '@xstate.actor';
  /** Unique across all processes. */
  readonly sessionId: string;
  readonly rootId: string;
  readonly parentId?: string;
  /** The actor's id within its parent; for the root, the id of its machine. */
  readonly name: string;
  /** The logic that it runs: the id of a machine, which is also the id of its chart, or the name of a service. */
  readonly logic: string;
  readonly isMachine: boolean;
  readonly snapshot: SnapshotChange;
  /** The event record that was being processed when the actor was created. */
  readonly cause?: number;
}

/** An event was sent to an actor. */
export interface EventRecord extends Stamp {
  readonly type: '@xstate.event';
  readonly sessionId: string;
  readonly rootId: string;
  /** The sender; absent when the event came from outside the actors. */
  readonly sourceId?: string;
  readonly event: EventSummary;
  /** The event record that the sender was processing; absent when there was none, as with timers and sockets. */
  readonly cause?: number;
}

/** An actor has processed an event. */
export interface SnapshotRecord extends Stamp {
  readonly type: '@xstate.snapshot';
  readonly sessionId: string;
  readonly rootId: string;
  readonly event: EventSummary;
  /** The event record. */
  readonly cause?: number;
  readonly snapshot: SnapshotChange;
  /** Ids of the transitions that were taken, in order. */
  readonly transitions?: readonly string[];
  /** All delays that run from now on, when they have changed: the time when each is due, in ms, by event type. */
  readonly delays?: Readonly<Record<string, number>>;
}

/** The statechart of a machine, sent before the first actor that runs it. */
export interface ChartRecord extends Stamp {
  readonly type: 'statemesh.chart';
  readonly chart: Chart;
}

/** The process of a node began or ended. */
export interface ProcessRecord extends Stamp {
  readonly type: 'statemesh.process';
  readonly what: 'began' | 'ended';
}

/** A change of the world: a fault, or the end of one. */
export interface WorldRecord extends Stamp {
  readonly type: 'statemesh.world';
  readonly what: string;
  /** Groups of processes that cannot hear each other; empty when all can. Absent when this has not changed. */
  readonly partition?: readonly (readonly string[])[];
}

/** One line of a trace, or one message to a viewer. */
export type InspectorRecord = ActorRecord | EventRecord | SnapshotRecord | ChartRecord | ProcessRecord | WorldRecord;

/** An event with its fields shortened: it holds no document, key or token. */
export interface EventSummary {
  readonly type: string;
  readonly [field: string]: Summary;
}

/** The changes of a snapshot. */
export interface SnapshotChange {
  readonly status?: 'active' | 'done' | 'error' | 'stopped';
  /** For a machine, when it has changed. */
  readonly value?: StateValue;
  /** Fields that have changed; `null` for a field that is gone. */
  readonly context?: Readonly<Record<string, Summary>>;
  readonly output?: Summary;
  readonly error?: Summary;
}

/** The state of a machine as XState writes it: a state, or the state of each region. */
export type StateValue = string | { readonly [state: string]: StateValue };

/** The version of this format, which servers announce. */
export const recordsVersion = 1;
