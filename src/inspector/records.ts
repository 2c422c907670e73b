/**
 * What the inspector sees, one record for each thing that happens: the lines of a trace, and what a server sends to its viewers.
 *
 * The records have the form of Stately's inspection events (`@statelyai/inspect`), and besides it which process they are of, when
 * they happened and what caused them. To stay small, a snapshot has only what is new in it; the page makes of
 * them the events that Stately's own page takes.
 */
import type { Chart } from './chart.js';
import type { Summary } from './summary.js';

/** Which record this is, whose, and when it happened. */
export interface Stamp {
  /** Counts the records of one source, from 1. */
  readonly id: number;
  /** The process: of a real node the NodeId with which it began, of a simulated one the name of its machine. */
  readonly node: string;
  /** Ms since 1970; in a simulation ms since the world began. */
  readonly atMs: number;
}

/** An actor has come to be. */
export interface ActorRecord extends Stamp {
  readonly type: '@xstate.actor';
  /** Of this actor and no other, in whatever process. */
  readonly sessionId: string;
  readonly rootId: string;
  readonly parentId?: string;
  /** Its id below its parent; of the root, that of its machine. */
  readonly name: string;
  /** What it runs: the id of a machine, which is that of its chart, or the name of a service. */
  readonly logic: string;
  readonly isMachine: boolean;
  readonly snapshot: SnapshotChange;
  /** The event record during which it was made. */
  readonly cause?: number;
}

/** An event was sent to an actor. */
export interface EventRecord extends Stamp {
  readonly type: '@xstate.event';
  readonly sessionId: string;
  readonly rootId: string;
  /** Who sent it; absent when it came from outside the actors. */
  readonly sourceId?: string;
  readonly event: EventSummary;
  /** The event record that the sender was at work on; absent when it was none, as with timers and sockets. */
  readonly cause?: number;
}

/** An actor has finished its work on an event. */
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
  /** The delays that run from now on, all of them, when they have changed: due when, in ms, by event type. */
  readonly delays?: Readonly<Record<string, number>>;
}

/** The statechart of a machine, before the first actor that runs it. */
export interface ChartRecord extends Stamp {
  readonly type: 'statemesh.chart';
  readonly chart: Chart;
}

/** A process of a node has begun or ended; `killed` where that is known. */
export interface ProcessRecord extends Stamp {
  readonly type: 'statemesh.process';
  readonly what: 'began' | 'ended';
}

/** Something was done to the world: a fault, or the end of one. */
export interface WorldRecord extends Stamp {
  readonly type: 'statemesh.world';
  readonly what: string;
  /** Groups of processes that cannot hear each other; empty when all can. Absent when this has not changed. */
  readonly partition?: readonly (readonly string[])[];
}

/** One line of a trace, one thing that a viewer is told. */
export type InspectorRecord = ActorRecord | EventRecord | SnapshotRecord | ChartRecord | ProcessRecord | WorldRecord;

/** An event with its fields shortened: no document, key or token is in it. */
export interface EventSummary {
  readonly type: string;
  readonly [field: string]: Summary;
}

/** What is new in a snapshot. */
export interface SnapshotChange {
  readonly status?: 'active' | 'done' | 'error' | 'stopped';
  /** Of a machine, when it has changed. */
  readonly value?: StateValue;
  /** Fields that have changed; `null` when one is gone. */
  readonly context?: Readonly<Record<string, Summary>>;
  readonly output?: Summary;
  readonly error?: Summary;
}

/** Where a machine is, as XState has it: a state, or the state of each region. */
export type StateValue = string | { readonly [state: string]: StateValue };

/** The version of this format, told by servers. */
export const recordsVersion = 1;
