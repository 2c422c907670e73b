/**
 * An index of the delays that actors wait for.
 *
 * XState keeps the delays of all actors in one table, and scans all of it whenever an actor stops. A cloud node has
 * thousands of sessions with delays of their own, and an actor stops with each verified token and each batch read.
 * Without an index, the node would spend most of its time on these scans.
 *
 * Invariant: a row names every delay that its actor waits for. It may also name delays that have passed.
 */
import type { AnyActorRef } from 'xstate';
import { scheduledEventsOf } from './xstate-internals.js';

type AnyActorSystem = AnyActorRef['system'];

/** The ids of each actor's delays, by the actor that waits. */
const rows = new WeakMap<AnyActorRef, Set<string>>();
/** Actors with delays that have no id. Their delays are looked up as XState does. */
const withUnnamed = new WeakSet<AnyActorRef>();
const indexed = new WeakSet<AnyActorSystem>();

/** From now on, an actor of this system that stops looks up its own delays only. */
export function indexDelays(system: AnyActorSystem): void {
  if (indexed.has(system)) return;
  indexed.add(system);
  for (const { source, id } of Object.values(scheduledEventsOf(system))) rowOf(source).add(id);
  const { scheduler } = system;
  const { schedule, cancel, cancelAll } = scheduler;
  scheduler.schedule = (source, target, event, delayMs, id) => {
    if (id === undefined) withUnnamed.add(source);
    else rowOf(source).add(id);
    schedule(source, target, event, delayMs, id);
  };
  scheduler.cancel = (source, id) => {
    rows.get(source)?.delete(id);
    cancel(source, id);
  };
  scheduler.cancelAll = (actor) => {
    if (withUnnamed.has(actor)) cancelAll(actor);
    for (const id of rows.get(actor) ?? []) cancel(actor, id);
    rows.delete(actor);
  };
}

/** The ids of an actor's delays, possibly with some that have passed; undefined if its system has no index. */
export function delayIdsOf(actor: AnyActorRef): Iterable<string> | undefined {
  return indexed.has(actor.system) && !withUnnamed.has(actor) ? (rows.get(actor) ?? []) : undefined;
}

function rowOf(actor: AnyActorRef): Set<string> {
  const row = rows.get(actor) ?? new Set<string>();
  rows.set(actor, row);
  return row;
}
