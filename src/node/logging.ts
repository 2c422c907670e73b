/** Log lines for the events of a node, in plain words. Without a logger, the library logs nothing. */
import type { ActorRefFrom } from 'xstate';
import type { NodeEvent } from '../actors/mailboxes.js';
import { describeChanges } from '../configuration/reconfiguration.js';
import type { Logger } from '../control/recent-log.js';
import { addressRange, hostIn } from '../core/address-range.js';
import type { AuthorKey } from '../core/author.js';
import { shortText } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { plural } from '../core/plural.js';
import type { NodeMachine } from '../machines/node.machine.js';
import { nodeStateOf } from './actor-tree.js';

/** @param monotonicMs A clock that never goes back, ms */
export function logEvents(actor: ActorRefFrom<NodeMachine>, logger: Logger, monotonicMs: () => number): void {
  const warned = new WarnedOf();
  const kinds = new KindsOfLines();
  let before: string | undefined;
  actor.subscribe({
    next: (snapshot) => {
      const state = nodeStateOf(snapshot);
      if (state === before) return;
      before = state;
      const { configured, listening, failure } = snapshot.context;
      const configuration = configured?.configuration;
      const fields = { nodeId: configuration?.nodeId, host: listening?.host, port: listening?.port };
      if (state === 'failed') logger.error({ ...fields, ...failure }, failure?.message ?? 'The node failed.');
      else logger.info(fields, `Node ${state}.`);
      if (state === 'running' && configuration?.security === 'none') {
        logger.warn(
          fields,
          'Security is off: no encryption, and everyone who can connect reads and writes everything.',
        );
      }
    },
    error: () => {},
  });
  actor.on('*', (event) => {
    follow(logger, event as NodeEvent);
    const { level, message } = describe(event as NodeEvent);
    const isKnown = warned.isRepeated(event as NodeEvent, monotonicMs());
    const more = isKnown ? undefined : kinds.countedBefore(event as NodeEvent, monotonicMs());
    if (more === undefined) logger.debug(event, message);
    else logger[level](event, more === 0 ? message : `${message} (${more} more like it before)`);
  });
}

/**
 * The warnings of the last hour; repeats are logged at level debug. An operator does not correct a cluster key between
 * two attempts, so the log warns of a wrong one once for each peer or address.
 */
class WarnedOf {
  readonly #atMs = new Map<string, number>();

  isRepeated(event: NodeEvent, nowMs: number): boolean {
    if (event.type !== 'peer.refused' && event.type !== 'connection.refused') return false;
    if (event.failure.code !== 'wrongClusterKey') return false;
    const who = event.type === 'peer.refused' ? event.nodeId : addressRange(hostIn(event.remoteAddress));
    const key = `${event.type} ${who}`;
    const atMs = this.#atMs.get(key);
    if (atMs !== undefined && nowMs - atMs < limits.refusalNewsMs) return true;
    // Moves the entry to the end of the map, so that the first one is the oldest.
    this.#atMs.delete(key);
    this.#atMs.set(key, nowMs);
    const [oldest] = this.#atMs.keys();
    if (this.#atMs.size > limits.refusalsRememberedMax && oldest !== undefined) this.#atMs.delete(oldest);
    return false;
  }
}

/**
 * Counts the lines of each kind. A member may connect, leave and write as often as it likes: it cannot fill a disk.
 *
 * Invariant: the number of kinds is that of event types and error codes.
 */
class KindsOfLines {
  readonly #windows = new Map<string, { readonly sinceMs: number; readonly count: number }>();

  /**
   * Counts a line. Returns undefined when the line is one too many; otherwise the number of lines that the previous
   * window left out.
   */
  countedBefore(event: NodeEvent, nowMs: number): number | undefined {
    const kind = `${event.type} ${'failure' in event ? event.failure.code : ''}`;
    const before = this.#windows.get(kind) ?? { sinceMs: nowMs, count: 0 };
    const isOver = nowMs - before.sinceMs >= limits.logWindowMs;
    const window = isOver ? { sinceMs: nowMs, count: 1 } : { ...before, count: before.count + 1 };
    this.#windows.set(kind, window);
    if (window.count > limits.logRepeatsMax) return undefined;
    return isOver ? Math.max(0, before.count - limits.logRepeatsMax) : 0;
  }
}

function follow(logger: Logger, event: NodeEvent): void {
  if (event.type !== 'reconfiguration.finished' || logger.level === undefined) return;
  const change = event.changes.find(({ field }) => field === 'logLevel');
  if (change !== undefined) logger.level = change.to as string;
}

type Level = 'debug' | 'info' | 'warn' | 'error';

function describe(event: NodeEvent): { level: Level; message: string } {
  switch (event.type) {
    case 'peer.connected':
      return { level: 'info', message: `Connected with ${event.nodeId} at ${event.remoteAddress}.` };
    case 'peer.disconnected':
      return { level: 'info', message: `Disconnected from ${event.nodeId}: ${event.failure.message}` };
    case 'peer.refused':
      return { level: 'warn', message: `No session with ${event.nodeId}: ${event.failure.message}` };
    case 'peer.unreachable':
      return {
        level: 'warn',
        message: `${event.nodeId} cannot be reached at ${event.address}, after ${event.attempts} ${plural(event.attempts, 'attempt')}: ${event.failure.message}`,
      };
    case 'peer.diverged':
      return { level: 'error', message: `${event.nodeId} has another history of ${listed(event.authors)}.` };
    case 'node.duplicated':
      return { level: 'error', message: event.failure.message };
    case 'connection.refused':
      return {
        level: 'warn',
        message: `Refused ${event.remoteAddress}${others(event)}: ${event.failure.message}`,
      };
    case 'guest.refused':
      // The audit log has this event, with its own limit.
      return { level: 'debug', message: `Refused ${event.remoteAddress}: ${event.failure.message}` };
    case 'clock.drift':
      return {
        level: 'warn',
        message: `${event.nodeId} passed on entries from the future, of ${listed(event.authors)}: check the clocks.`,
      };
    case 'leadership.changed':
      return { level: 'info', message: leadership(event) };
    case 'gateway.connected':
      return { level: 'info', message: `Connected with the cloud peer ${event.nodeId}.` };
    case 'gateway.disconnected':
      return {
        level: 'info',
        message: `Disconnected from the cloud peer ${event.nodeId}: ${event.failure.message}`,
      };
    case 'gateway.failed':
    case 'gateway.rejected':
      return { level: 'warn', message: `No way to the cloud peer ${event.nodeId}: ${event.failure.message}` };
    case 'uplink.changed':
      return {
        level: event.uplink === 'failed' ? 'warn' : 'info',
        message: `The way to the cloud: ${event.uplink}.`,
      };
    case 'store.impaired':
      return { level: 'error', message: `The database is impaired: ${event.failure.message}` };
    case 'store.recovered':
      return { level: 'info', message: 'The database takes writes again.' };
    case 'reconfiguration.finished':
      return { level: 'info', message: reconfigured(event) };
    case 'reconfiguration.failed':
      return { level: 'error', message: `Nothing was reconfigured: ${event.failure.message}` };
    case 'document.quarantined':
      return { level: 'warn', message: quarantined(event) };
    case 'failure':
      return { level: 'error', message: `${event.where}: ${event.failure.message}` };
  }
}

/** More authors are only counted. */
const authorsListedMax = 10;

function listed(authors: readonly AuthorKey[]): string {
  const more = authors.length - authorsListedMax;
  return `${authors.slice(0, authorsListedMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function others({ suppressed }: Extract<NodeEvent, { type: 'connection.refused' }>): string {
  return suppressed === 0 ? '' : ` and ${suppressed} more`;
}

function quarantined({
  collection,
  documentKey,
  reason,
}: Extract<NodeEvent, { type: 'document.quarantined' }>): string {
  return `${collection} has ${JSON.stringify(shortText(documentKey))}, which cannot be used and is left alone: ${reason}`;
}

function reconfigured({
  changes,
  tookMs,
  writesHeldMs,
}: Extract<NodeEvent, { type: 'reconfiguration.finished' }>): string {
  if (changes.length === 0) return 'Nothing to reconfigure: the configuration is in force already.';
  const held = writesHeldMs > 0 ? `; writes waited ${Math.round(writesHeldMs)} ms` : '';
  return `Reconfigured in ${Math.round(tookMs)} ms: ${describeChanges(changes)}${held}.`;
}

function leadership({ isLeader, leaderId, term }: Extract<NodeEvent, { type: 'leadership.changed' }>): string {
  if (isLeader) return `This node leads (term ${term}).`;
  return leaderId === undefined ? 'Nobody leads.' : `${leaderId} leads (term ${term}).`;
}
