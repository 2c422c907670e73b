/**
 * The planted bugs. Each is a plausible mistake: it compiles, and a test that looks at one node would pass.
 *
 * A change of the source may make one stale, which the tests report: then find where the bug would stand now.
 */
import type { Mutant, Plans } from './mutant.js';

type Plan = Partial<Plans>;

/** A world without faults. */
const quiet: Plan = { faults: [] };
/** So few nodes that no other node delivers what one holds back. */
const quietPairs: Plan = { nodes: [2, 3], durationMs: 60_000, faults: [] };
const badNetworks: Plan = { nodes: [2, 3], durationMs: 60_000, faults: ['network'] };
/** Narrow and long lines, and large documents. */
const slowLines: Plan = { nodes: [2, 3], durationMs: 60_000, faults: ['links'] };
const badDisks: Plan = { nodes: [2, 3], durationMs: 60_000, faults: ['disk'] };
const badClocks: Plan = { durationMs: 60_000, faults: ['clock'] };
const restartsWithBadClocks: Plan = { nodes: [2, 3], durationMs: 60_000, faults: ['clock', 'crash'] };

export const mutants: readonly Mutant[] = [
  // --- Which write wins
  {
    name: 'tombstone-loses',
    bug: 'Last write wins ignoring deletes: any put replaces a tombstone, however old it is.',
    edits: [
      {
        file: 'store/transaction.ts',
        find: 'WHERE excluded.hlc > hlc OR (',
        replace: 'WHERE deleted = 1 OR excluded.hlc > hlc OR (',
      },
    ],
    breaks: ['safety'],
    seedsMax: 30,
  },
  {
    name: 'counter-ignored',
    bug: 'Equal wall times are compared without the counter: the author decides.',
    edits: [
      {
        file: 'store/transaction.ts',
        find: 'WHERE excluded.hlc > hlc OR (excluded.hlc = hlc AND author_wins(excluded.author, author))`),',
        replace:
          'WHERE excluded.hlc / 4096 > hlc / 4096\n         OR (excluded.hlc / 4096 = hlc / 4096 AND author_wins(excluded.author, author))`),',
      },
    ],
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'tie-by-number',
    bug: 'Equal stamps are decided by the interned numbers of the authors, which differ from node to node.',
    edits: [
      {
        file: 'store/transaction.ts',
        find: '{ hlc, ...present.author }) > 0;',
        replace: '{ hlc, ...present.author }) !== 0 && candidate.id > present.id;',
      },
    ],
    breaks: ['safety'],
    seedsMax: 30,
  },

  // --- Clocks
  {
    name: 'hlc-not-persisted',
    bug: 'The hybrid clock starts again with each process: stamps may go back across a restart.',
    edits: [
      {
        file: 'store/store-state.ts',
        find: '    if (position.hlc > hlcZero) state.move(key, position);\n  }\n',
        replace: '    if (position.hlc > hlcZero) state.move(key, position);\n  }\n  state.lastHlc = hlcZero;\n',
      },
    ],
    plan: restartsWithBadClocks,
    breaks: ['safety'],
    seedsMax: 25,
  },
  {
    name: 'hlc-goes-back',
    bug: 'The hybrid clock follows the wall clock, also backwards.',
    edits: [
      {
        file: 'core/hlc.ts',
        find: 'return (atWall > last ? atWall : last + 1) as Hlc;',
        replace: 'return (atWall === last ? last + 1 : atWall) as Hlc;',
      },
    ],
    plan: badClocks,
    breaks: ['safety'],
    seedsMax: 15,
  },
  {
    name: 'digest-of-names',
    bug: 'The digest of a vector clock covers its authors, but not their positions.',
    edits: [
      {
        file: 'core/vector-clock.ts',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: source text.
        find: '`${author} ${position.hlc} ${position.hash}`',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: source text.
        replace: '`${author} ${position.hlc > 0}`',
      },
    ],
    plan: badClocks,
    breaks: ['safety', 'latency', 'liveness'],
    seedsMax: 30,
  },

  // --- What is on disk
  {
    name: 'acknowledged-before-commit',
    bug: 'COMMIT waits for more transactions: callers are answered although only every fourth transaction is on disk.',
    edits: [
      {
        file: 'store/transaction.ts',
        find: '      this.begin.run();\n      this.state.inTransaction = true;',
        replace: '      if (!this.database.inTransaction) this.begin.run();\n      this.state.inTransaction = true;',
      },
      {
        file: 'store/transaction.ts',
        find: '      this.commit.run();\n',
        replace: '      if (this.state.commits % 4 === 3) this.commit.run();\n',
      },
    ],
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'position-of-first-entry',
    bug: 'A process that starts takes the first entry of each chain for the last one.',
    edits: [
      {
        file: 'store/store-state.ts',
        find: 'WHERE author = ? ORDER BY hlc DESC LIMIT 1',
        replace: 'WHERE author = ? ORDER BY hlc LIMIT 1',
      },
    ],
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'batch-without-transaction',
    bug: 'Entries from peers are applied statement by statement, without a transaction around them.',
    edits: [
      {
        file: 'store/transaction.ts',
        find: '      this.committed(() => body(transaction));',
        replace:
          '      if (origin === undefined) this.committed(() => body(transaction));\n      else body(transaction);',
      },
    ],
    plan: badDisks,
    breaks: ['safety'],
    seedsMax: 40,
  },
  {
    name: 'backup-keeps-chain',
    bug: 'A database that is opened continues its old chain: one restored from a backup forks it.',
    edits: [
      {
        file: 'store/local-writes.ts',
        find: '    for (let attempt = 0; attempt < drawsMax; attempt += 1) {\n',
        replace: `    for (const { author } of this.options.state.authors.values()) {
      if (author.nodeId !== this.options.nodeId) continue;
      return { cluster: ownAuthor({ ...author, scope: 'cluster' }), shared: ownAuthor({ ...author, scope: 'shared' }) };
    }
    for (let attempt = 0; attempt < drawsMax; attempt += 1) {
`,
      },
    ],
    plan: badDisks,
    breaks: ['safety'],
    seedsMax: 40,
  },
  {
    name: 'own-entries-refused',
    bug: 'A node that has lost its tail refuses its own entries when its peers bring them back.',
    edits: [
      {
        file: 'store/local-writes.ts',
        find: '      author.incarnation === this.own.shared.author.incarnation &&\n      author.nodeId === this.options.nodeId\n',
        replace: '      author.nodeId === this.options.nodeId\n',
      },
    ],
    plan: badDisks,
    breaks: ['safety'],
    seedsMax: 40,
  },

  {
    name: 'impaired-leads',
    bug: 'A node whose database is impaired continues to lead.',
    edits: [
      {
        file: 'core/election-rule.ts',
        find: 'return isEligible && impairment === undefined;',
        replace: "return isEligible && impairment !== 'internal';",
      },
    ],
    plan: badDisks,
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'failed-apply-closes',
    bug: 'A batch that cannot be written ends the session.',
    edits: [
      {
        file: 'machines/receiver.machine.ts',
        find: '=> isImpairment(failure.code),',
        replace: "=> isImpairment(failure.code) && failure.code === 'databaseInUse',",
      },
    ],
    plan: badDisks,
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'impaired-for-ever',
    bug: 'A node whose disk has recovered still considers its database impaired.',
    edits: [
      {
        file: 'store/health.ts',
        find: "if (code === 'databaseCorrupt') return false;",
        replace: "if (code !== 'internal') return false;",
      },
    ],
    plan: badDisks,
    breaks: ['liveness'],
    seedsMax: 20,
  },

  // --- What peers send
  {
    name: 'gap-taken',
    bug: 'The vector clock advances over a gap: entries are taken although those before them are missing.',
    edits: [
      {
        file: 'store/remote-runs.ts',
        find: "if (after.hlc > position.hlc) return 'gap';",
        replace: 'if (after.hlc > position.hlc) return 0;',
      },
    ],
    plan: badClocks,
    breaks: ['safety'],
    seedsMax: 30,
  },
  {
    name: 'known-applied-again',
    bug: 'Entries that are already known are applied once more.',
    edits: [
      {
        file: 'store/remote-runs.ts',
        find: "return ours === pruned || ours === end.hash ? entries.length : 'diverged';",
        replace: "return ours === pruned || ours === end.hash ? 0 : 'diverged';",
      },
    ],
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'parked-forgotten',
    bug: 'Entries from the future are dropped for good: the position moves over them.',
    edits: [
      {
        file: 'store/sqlite-store.ts',
        find: '    const applied = accepted.reduce(',
        replace: `    for (const run of runs) {
      const [key, last] = [authorKeyOf(run.author), run.entries.at(-1)];
      if (last !== undefined && rest.parked.includes(key) && this.state.authors.has(key)) this.state.move(key, last);
    }
    const applied = accepted.reduce(`,
      },
    ],
    plan: badClocks,
    breaks: ['safety'],
    seedsMax: 15,
  },
  {
    name: 'relay-dropped',
    bug: 'Entries from a peer are never passed on: a node that cannot reach their author waits for anti-entropy.',
    edits: [
      {
        file: 'core/replication.ts',
        find: 'if (context.origin !== undefined && reachesOtherwise(run.author, context)) {',
        replace: 'if (context.origin !== undefined) {',
      },
    ],
    plan: quiet,
    breaks: ['latency', 'liveness'],
    seedsMax: 20,
  },
  {
    name: 'window-never-reopened',
    bug: 'A sender whose window was full stays silent when it is acknowledged.',
    edits: [
      {
        file: 'machines/sender.machine.ts',
        find: "'frame.acknowledgement': { target: 'caughtUp', actions: { type: 'settleBatch', params: itsEvent } },",
        replace: "'frame.acknowledgement': { actions: { type: 'settleBatch', params: itsEvent } },",
      },
    ],
    plan: quietPairs,
    breaks: ['latency', 'liveness'],
    seedsMax: 25,
  },
  {
    name: 'wake-up-lost',
    bug: 'A change that comes while the sender is about to rest in caughtUp does not wake it.',
    edits: [
      {
        file: 'machines/sender.machine.ts',
        find: "        { guard: 'isStale', target: 'reading' },\n",
        replace: '',
      },
    ],
    breaks: ['latency', 'liveness'],
    seedsMax: 15,
  },
  {
    name: 'wake-up-lost-while-reading',
    bug: 'A change that comes while the sender reads is forgotten when what was read is sent.',
    edits: [
      {
        file: 'machines/sender.machine.ts',
        find: 'stale: context.stale || !read.complete',
        replace: 'stale: !read.complete',
      },
    ],
    // Without other faults, a write that waits for the next one is late.
    plan: { faults: [], durationMs: 60_000 },
    breaks: ['latency', 'liveness'],
    seedsMax: 40,
  },

  // --- Peers and sessions
  {
    name: 'two-sessions',
    bug: 'Two connections between the same two processes are both accepted.',
    edits: [
      {
        file: 'machines/peer-context.ts',
        find: 'if (session.direction === newcomer.direction) return false;',
        replace: 'if (session.sessionId !== newcomer.sessionId) return false;',
      },
      {
        file: 'machines/peer-actions.ts',
        find: "        enqueue.sendTo(context.session.session, { type: 'session.close', refusal: duplicateConnection });\n",
        replace: '',
      },
    ],
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'heartbeat-never-missed',
    bug: 'A peer that falls silent is never given up.',
    edits: [
      {
        file: 'services/heartbeat.ts',
        find: '      if (silentMs > patienceMsOf(row)) row.pulse.missed(silentMs);\n      else this.#beat(row, now);',
        replace: '      if (silentMs < patienceMsOf(row)) row.pulse.digest();\n      this.#beat(row, now);',
      },
    ],
    plan: badNetworks,
    breaks: ['latency', 'liveness', 'safety'],
    seedsMax: 30,
  },
  {
    name: 'never-dials-again',
    bug: 'A peer that could not be reached is not dialed again.',
    edits: [{ file: 'machines/peer.machine.ts', find: "      after: { backoff: 'dialing' },\n", replace: '' }],
    breaks: ['liveness'],
    seedsMax: 30,
  },
  {
    name: 'goodbye-unknown',
    bug: 'The goodbye of a peer that stops gracefully counts as a violation of the protocol.',
    edits: [
      {
        file: 'machines/session.machine.ts',
        find: `    'frame.goodbye': {
      target: '.closed',
      actions: { type: 'recordFailure', params: ({ event }) => toldFailureOf(event) },
    },
    'frame.*'`,
        replace: "    'frame.*'",
      },
    ],
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'session-never-reaped',
    bug: 'Sessions that have ended stay children of the membership.',
    edits: [
      {
        file: 'machines/membership-actions.ts',
        find: '        enqueue.stopChild(actorId);\n        if (output === undefined) {\n',
        replace: '        if (output === undefined) {\n          enqueue.stopChild(actorId);\n',
      },
    ],
    breaks: ['safety', 'liveness'],
    seedsMax: 20,
  },
  {
    name: 'ticker-never-stopped',
    bug: 'The heartbeats of a connection continue after its end.',
    edits: [
      {
        file: 'services/heartbeat.ts',
        find: 'if (!this.#rows.delete(row)) return;',
        replace: 'if (!this.#rows.has(row)) return;',
      },
    ],
    breaks: ['leak'],
    seedsMax: 10,
  },
  {
    name: 'beacon-never-stopped',
    bug: 'A node that has stopped continues to announce itself.',
    edits: [
      {
        file: 'services/discovery.ts',
        find: '      timer?.cancel();\n      datagrams?.close();',
        replace: '      if (datagrams === undefined) timer?.cancel();\n      datagrams?.close();',
      },
    ],
    breaks: ['leak', 'safety'],
    seedsMax: 10,
  },

  // --- Leaders and the cloud
  {
    name: 'everybody-connects',
    bug: 'Gateways open whether the node leads or not.',
    edits: [
      {
        file: 'machines/uplink.machine.ts',
        find: "const type = context.isLeader ? 'gateway.open' : 'gateway.idle';",
        replace: "const type = context.leftOut < 0 ? 'gateway.idle' : 'gateway.open';",
      },
    ],
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'rivals-both-stay',
    bug: 'Two leaders that meet after a partition both continue to lead.',
    edits: [
      {
        file: 'core/election-rule.ts',
        find: "      other.electionRole === 'leading' &&\n      precedes(view, other) &&",
        replace: "      other.electionRole === 'leading' &&\n      view.term < 0 &&\n      precedes(view, other) &&",
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['network', 'crash'] },
    breaks: ['safety', 'liveness'],
    seedsMax: 30,
  },
  {
    name: 'claim-ignored',
    bug: 'A leader does not step down when the rightful leader claims.',
    edits: [
      {
        file: 'core/election-rule.ts',
        find: "mayLead(other) && other.electionRole === 'claiming' && precedes(other, view),",
        replace: "mayLead(other) && other.electionRole === 'claiming' && precedes(view, other),",
      },
    ],
    breaks: ['liveness'],
    seedsMax: 20,
  },
  {
    name: 'gateway-gives-up',
    bug: 'A gateway whose attempt has failed waits for a new leadership, and does not try again.',
    edits: [
      {
        file: 'machines/gateway.machine.ts',
        find: "after: { backoff: 'authorizing' },",
        replace: "after: { backoff: 'idle' },",
      },
    ],
    plan: { nodes: [2, 3], durationMs: 60_000, faults: ['cloud'] },
    breaks: ['liveness', 'safety'],
    seedsMax: 40,
  },
  {
    name: 'settings-cross',
    bug: 'Documents of cluster scope are offered to the cloud, too.',
    edits: [
      {
        file: 'machines/gateway-context.ts',
        find: "const scopes: readonly Scope[] = ['shared'];",
        replace: "const scopes: readonly Scope[] = ['cluster', 'shared'];",
      },
    ],
    breaks: ['safety', 'liveness'],
    seedsMax: 10,
  },

  // --- Reconfiguration
  {
    name: 'old-listener-stays',
    bug: 'A listener that was replaced continues to accept.',
    edits: [
      {
        file: 'machines/reconfiguration.machine.ts',
        find: 'listenings: defined([listening && present?.listening]),',
        replace: 'listenings: defined<Listening>([]),',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 30_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'old-database-stays',
    bug: 'The database of an identity that was given up is not closed.',
    edits: [
      {
        file: 'machines/reconfiguration.machine.ts',
        find: 'stores: defined([replacedStoreOf(context)]),',
        replace: 'stores: defined<Store>([]),',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 30_000, faults: ['reconfiguration'] },
    breaks: ['safety', 'crash', 'leak'],
    seedsMax: 10,
  },
  {
    name: 'failure-is-kept',
    bug: 'The new configuration is in force before it has been checked.',
    edits: [
      {
        file: 'machines/node-actions.ts',
        find: "      enqueue.assign(troubled(context, failure));\n      enqueue.emit({ type: 'reconfiguration.failed'",
        replace:
          "      enqueue.assign({ configured: undefined });\n      enqueue.emit({ type: 'reconfiguration.failed'",
      },
    ],
    plan: { nodes: [3, 5], durationMs: 30_000, faults: ['reconfiguration'] },
    breaks: ['safety', 'crash', 'liveness'],
    seedsMax: 10,
  },
  {
    name: 'new-key-is-untold',
    bug: 'Peers are dialed with the first cluster key, even after it has changed.',
    edits: [
      {
        file: 'machines/peer-actions.ts',
        find: '    secure: assign((_, { security }: { security: ConnectionSecurity }) => ({ security })),',
        replace: '    secure: assign((_, __: { security: ConnectionSecurity }) => ({})),',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['liveness', 'safety'],
    seedsMax: 20,
  },
  {
    name: 'old-key-lives-on',
    bug: 'Connections by a dropped cluster key continue.',
    edits: [
      {
        file: 'machines/membership-actions.ts',
        find: 'if (!isInForce(protection, security)) enqueue',
        replace: "if (protection.kind === 'server') enqueue",
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'change-during-change-is-lost',
    bug: 'A request that comes during a reconfiguration is forgotten with it.',
    edits: [
      {
        file: 'machines/node-actions.ts',
        find: 'forgetUnderway: assign({ underway: undefined }),',
        replace: 'forgetUnderway: assign({ underway: undefined, wanted: undefined }),',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['crash', 'liveness', 'safety'],
    seedsMax: 40,
  },
  {
    name: 'writes-not-held',
    bug: 'Local writes continue into the old database while the new one is opened.',
    edits: [
      {
        file: 'machines/reconfiguration.machine.ts',
        find: "      entry: 'holdWrites',\n",
        replace: '',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'adopted-before-drained',
    bug: 'The new database is adopted with what was copied while the old one was written to.',
    edits: [
      {
        file: 'machines/reconfiguration.machine.ts',
        find: "        onDone: 'draining',",
        replace: "        onDone: 'switching',",
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'writes-stay-behind',
    bug: 'Only the first entry of the old database is copied into the new one.',
    edits: [
      {
        file: 'services/copy-store.ts',
        find: 'if (complete) return;',
        replace: 'return;',
      },
      {
        file: 'services/copy-store.ts',
        find: 'const portion = { scopes: allScopes, entriesMax: 1_000, bytesMax: 2 ** 20 };',
        replace: 'const portion = { scopes: allScopes, entriesMax: 1, bytesMax: 1 };',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 20,
  },
  {
    name: 'identity-keeps-boot',
    bug: 'A node that continues under another NodeId keeps the boot of its old one.',
    edits: [
      {
        file: 'machines/node.machine.ts',
        find: "on: { 'service.begin': { target: 'starting', actions: 'drawBoot' } },",
        replace: "on: { 'service.begin': { target: 'starting' } },",
      },
    ],
    plan: { nodes: [3, 5], durationMs: 30_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 10,
  },
  {
    name: 'undone-listener-stays',
    bug: 'A reconfiguration that fails leaves open the listener that was made for it.',
    edits: [
      {
        file: 'machines/reconfiguration.machine.ts',
        find: 'listenings: defined([context.listening]),',
        replace: 'listenings: defined<Listening>([]),',
      },
    ],
    plan: { nodes: [3, 5], durationMs: 60_000, faults: ['reconfiguration'] },
    breaks: ['safety'],
    seedsMax: 30,
  },

  // --- Narrow and long lines
  {
    name: 'patience-fixed',
    bug: 'A connection on which nothing arrives for 5 s counts as dead, whatever the link carries.',
    edits: [
      {
        file: 'core/link-rate.ts',
        find: 'return clamp(4 * ((this.#roundTripMs ?? 0) + onItsWayMs), min, max);',
        replace: 'return Math.min(5_000, onItsWayMs + min + max);',
      },
    ],
    plan: slowLines,
    breaks: ['safety'],
    seedsMax: 30,
  },
  {
    name: 'window-unbounded',
    bug: 'All waiting bytes are written at once, however many are in flight.',
    edits: [
      {
        file: 'core/link-rate.ts',
        find: 'if (this.inFlightBytes < this.windowBytes) return true;',
        replace: 'if (this.inFlightBytes < Number.MAX_SAFE_INTEGER) return true;',
      },
    ],
    plan: slowLines,
    breaks: ['safety'],
    seedsMax: 30,
  },
  {
    name: 'heartbeats-wait',
    bug: 'A heartbeat waits until the link has carried bytes that could wait themselves.',
    edits: [
      {
        file: 'services/link.ts',
        find: "this.#write({ ...heartbeat, intervalMs, received: this.#received }, 'urgent');",
        replace:
          "if (this.#rate.mayWrite()) this.#write({ ...heartbeat, intervalMs, received: this.#received }, 'urgent');",
      },
    ],
    plan: slowLines,
    breaks: ['safety'],
    seedsMax: 30,
  },
  {
    name: 'sent-again',
    bug: 'A sender forgets what it has sent, and reads it again with the next commit.',
    edits: [
      {
        file: 'core/replication.ts',
        find: 'theirs: furthest(progress.theirs, ends),\n    inFlight: [',
        replace: 'theirs: progress.theirs,\n    inFlight: [',
      },
    ],
    breaks: ['liveness'],
    seedsMax: 20,
  },
];
