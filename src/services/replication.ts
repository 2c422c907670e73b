/**
 * The store operations of sender and receiver. Reading and applying wait for a turn of the event loop; otherwise queued
 * batches would starve it.
 */
import { fromCallback, fromPromise } from 'xstate';
import type { ApplierCommand, ApplierReport, FeedCommand } from '../actors/mailboxes.js';
import type { ApplierInput, OplogFeedInput } from '../actors/slots.js';
import { type AuthorKey, authorKeyOf } from '../core/author.js';
import type { Run } from '../core/entry.js';
import { failureOf } from '../core/errors.js';
import type { Time } from '../ports/ports.js';
import type { Commit, ReadOptions, ReadResult, Store } from '../ports/store.js';

export function createReadBatch({ time }: { time: Time }) {
  return fromPromise<ReadResult, ReadOptions & { store: Store }>(async ({ input: { store, ...options } }) => {
    await time.turn();
    return store.read(options);
  });
}

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

/**
 * Reports local commits at once, and commits from a peer one turn later, because watchers of the documents come before
 * the peers that they are relayed to. Either way the commits of one author stay in order.
 *
 * In a mesh of n nodes each node would relay to n - 2 others entries that they all have already: such a commit is
 * dropped here, before it costs an event.
 */
export function createOplogFeed({ time }: { time: Time }) {
  return fromCallback<FeedCommand, OplogFeedInput>(({ input: { store, origin, parent }, receive }) => {
    let isStopped = false;
    let leftOut: ReadonlySet<AuthorKey> = new Set();
    receive(({ authors }) => {
      leftOut = authors;
    });
    const report = (commit: Commit): void => {
      if (!isStopped) parent.send({ type: 'oplog.appended', commit });
    };
    const unsubscribe = store.subscribe((commit) => {
      if (commit.origin === undefined) report(commit);
      else if (commit.origin === origin || !isLeftOut(commit.runs, leftOut)) time.soon(() => report(commit));
    });
    return () => {
      isStopped = true;
      unsubscribe();
    };
  });
}

function isLeftOut(runs: readonly Run[], authors: ReadonlySet<AuthorKey>): boolean {
  return authors.size > 0 && runs.every(({ author }) => authors.has(authorKeyOf(author)));
}
