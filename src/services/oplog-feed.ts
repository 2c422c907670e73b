/** Reports each commit of the store that may be news to the other side of a session. */
import { fromCallback } from 'xstate';
import type { FeedCommand } from '../actors/mailboxes.js';
import type { OplogFeedInput } from '../actors/slots.js';
import { type AuthorKey, authorKeyOf } from '../core/author.js';
import type { Run } from '../core/entry.js';
import type { Time } from '../ports/ports.js';
import type { Commit } from '../ports/store.js';

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
