/** Names for what machines say again and again, each typed once. */
import type { AnyActorRef } from 'xstate';
import { type Failure, failureOf } from '../core/errors.js';
import type { Mailbox, NodeEvent, Notice } from './mailboxes.js';

/** The event of a transition as the params of its action or guard: `params: itsEvent`. */
export function itsEvent<E>({ event }: { readonly event: E }): E {
  return event;
}

/**
 * The failure of a child as params, in the words of our errors:
 * `onError: { actions: { type: 'fail', params: itsFailure } }`.
 */
export function itsFailure({ event }: { readonly event: { readonly error: unknown } }): { failure: Failure } {
  return { failure: failureOf(event.error) };
}

/** The failure of a child, and which child it was, as params. */
export function itsActorsFailure({ event }: { readonly event: { readonly actorId: string; readonly error: unknown } }) {
  return { where: event.actorId, failure: failureOf(event.error) };
}

/**
 * An actor as the mailbox that it gives to another actor. The compiler does not check that the actor takes these
 * events: the machine that calls this has to list them in its own events.
 */
export function mailboxOf<E extends { type: string }>(actor: AnyActorRef): Mailbox<E> {
  return actor as Mailbox<E>;
}

/** Carries what an actor has noticed to the root, which emits it. */
export function noticeOf(event: NodeEvent): Notice {
  return { type: 'notice', nodeEvent: event };
}
