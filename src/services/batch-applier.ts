/** Applies the batches of the other side to the store. */
import { fromCallback } from 'xstate';
import type { ApplierCommand, ApplierReport } from '../actors/mailboxes.js';
import type { ApplierInput } from '../actors/slots.js';
import { failureOf } from '../core/errors.js';
import type { Time } from '../ports/ports.js';

/**
 * Answers one turn after the commit: watchers of the documents are served first, then the other side receives the
 * acknowledgement.
 */
export function createBatchApplier({ time }: { time: Time }) {
  return fromCallback<ApplierCommand, ApplierInput>(({ input: { parent, store, origin }, receive }) => {
    let isStopped = false;
    const report = (event: ApplierReport): void => {
      if (!isStopped) parent.send(event);
    };
    receive(({ runs }) => {
      store.apply(runs, origin).then(
        (result) => time.soon(() => report({ type: 'batch.applied', result })),
        (error: unknown) => report({ type: 'batch.failed', failure: failureOf(error) }),
      );
    });
    return () => {
      isStopped = true;
    };
  });
}
