/** What sender and receiver ask of the store. Reading and applying wait a turn of the event loop, or queued batches starve it. */
import { type EventObject, fromCallback, fromPromise } from 'xstate';
import { failureOf } from '../core/errors.js';
import type { ApplierCommand, ApplierReport, Mailbox, OplogReport } from '../protocol/events.js';
import type { Time } from '../protocol/ports.js';
import type { ApplierInput } from '../protocol/services.js';
import type { Commit, ReadOptions, ReadResult, Store } from '../protocol/store.js';

export function createReadBatch({ time }: { time: Time }) {
  return fromPromise<ReadResult, ReadOptions & { store: Store }>(async ({ input: { store, ...options } }) => {
    await time.turn();
    return store.read(options);
  });
}

/** Answers a turn after the commit: who watches the documents is served first, then the other side is acknowledged. */
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

/**
 * Local commits at once; what came from a peer a turn later, since who watches the documents comes before whoever it is
 * relayed to. Either way the commits of one author stay in order.
 */
export function createOplogFeed({ time }: { time: Time }) {
  return fromCallback<EventObject, { store: Store; parent: Mailbox<OplogReport> }>(({ input: { store, parent } }) => {
    let isStopped = false;
    const report = (commit: Commit): void => {
      if (!isStopped) parent.send({ type: 'oplog.appended', commit });
    };
    const unsubscribe = store.subscribe((commit) => {
      if (commit.origin === undefined) report(commit);
      else time.soon(() => report(commit));
    });
    return () => {
      isStopped = true;
      unsubscribe();
    };
  });
}
