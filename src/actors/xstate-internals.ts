/**
 * The private fields of XState that statemesh reads, all of them: XState 5.33 has no public way to the same. The
 * package takes no other minor version, and a test says which field a new version lacks.
 */
import type { AnyActorRef, AnyTransitionDefinition } from 'xstate';

/** A delay that an actor waits for. */
export interface ScheduledEvent {
  readonly source: AnyActorRef;
  readonly id: string;
  readonly event: { readonly type: string };
  /** ms. */
  readonly delay: number;
}

export function parentOf(actor: AnyActorRef): AnyActorRef | undefined {
  return (actor as { _parent?: AnyActorRef })._parent;
}

/** The actor without a parent, above the given one. */
export function rootOf(actor: AnyActorRef): AnyActorRef {
  let root = actor;
  for (let above: AnyActorRef | undefined = actor; above !== undefined; above = parentOf(above)) root = above;
  return root;
}

/** The snapshot that an actor has, also before it is started: `getSnapshot()` throws for some that are not. */
export function latestSnapshotOf(actor: AnyActorRef): unknown {
  return (actor as { _snapshot?: unknown })._snapshot;
}

/** The delays of all actors of a system, by `sessionId.id`. */
export function scheduledEventsOf(system: AnyActorRef['system']): Readonly<Record<string, ScheduledEvent>> {
  const inside = system as unknown as { _snapshot?: { _scheduledEvents?: Readonly<Record<string, ScheduledEvent>> } };
  return inside._snapshot?._scheduledEvents ?? {};
}

/** The transitions of a microstep, as an inspector sees it. */
export function transitionsOf(microstep: object): readonly AnyTransitionDefinition[] {
  return (microstep as { _transitions?: readonly AnyTransitionDefinition[] })._transitions ?? [];
}
