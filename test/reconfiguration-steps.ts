/** Follows a reconfiguration of a node step by step. The reconfiguration is an actor below the node's. */
import type { AnyActorRef, AnyMachineSnapshot } from 'xstate';

/**
 * The current step: `settled`, `copying`, `retiring.closing`; the state of the region while no reconfiguration is under
 * way; '' while the node does not run.
 */
export function stepOf(actor: AnyActorRef): string {
  const snapshot = actor.getSnapshot() as AnyMachineSnapshot;
  const region = (snapshot.value as { running?: { reconfiguration?: unknown } }).running?.reconfiguration;
  if (region !== 'changing') return pathOf(region);
  return pathOf((snapshot.children.reconfiguration?.getSnapshot() as AnyMachineSnapshot | undefined)?.value);
}

/** Calls the listener after each step of the node or of its reconfiguration. Ends with the node. */
export function followSteps(actor: AnyActorRef, listener: (step: string) => void): { unsubscribe(): void } {
  const followed = new Set<unknown>();
  const subscriptions = [
    actor.subscribe({
      next: (snapshot: AnyMachineSnapshot) => {
        const reconfiguration = snapshot.children.reconfiguration;
        if (reconfiguration !== undefined && !followed.has(reconfiguration)) {
          followed.add(reconfiguration);
          subscriptions.push(reconfiguration.subscribe({ next: () => listener(stepOf(actor)), error: () => {} }));
        }
        listener(stepOf(actor));
      },
      error: () => {},
    }),
  ];
  return { unsubscribe: () => subscriptions.forEach((subscription) => void subscription.unsubscribe()) };
}

function pathOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .map(([name, inner]) => `${name}.${pathOf(inner)}`)
    .join(' ');
}
