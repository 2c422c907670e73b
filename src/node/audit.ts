/**
 * The audit log: who connected, who was refused and why, and who changed what.
 *
 * Invariants: a line holds no secret and no document, and foreign text only as {@link foreignText} lets it through.
 * Strangers cannot fill a disk with it: each window writes a few lines of the same event, reason and network, and one
 * more line with the number of lines left out.
 */
import type { ActorRefFrom } from 'xstate';
import type { NodeEvent } from '../actors/mailboxes.js';
import type { ControlCall, ControlCommands } from '../control/protocol.js';
import { hostIn, neighborhood } from '../core/address-range.js';
import { foreignText } from '../core/foreign-text.js';
import { limits } from '../core/limits.js';
import type { NodeMachine } from '../machines/node.machine.js';
import type { Time, Timer } from '../ports/ports.js';
import type { Commit, Store } from '../ports/store.js';
import { remotePeersCollection, removedPeersCollection } from '../remote-peers/stored-peers.js';

/** One line: what happened, and to whom. Fields that do not apply are left out. */
export interface AuditRecord {
  readonly event:
    | 'session.opened'
    | 'session.closed'
    | 'session.refused'
    | 'connection.refused'
    | 'gateway.opened'
    | 'gateway.closed'
    | 'gateway.failed'
    | 'leadership.changed'
    | 'configuration.changed'
    | 'configuration.refused'
    | 'remotePeer.changed'
    | 'control.called';
  readonly nodeId?: string;
  readonly address?: string;
  /** The client that the access token names. */
  readonly subject?: string;
  /** An error code. */
  readonly reason?: string;
  /** The names of the fields of the configuration that have changed. */
  readonly fields?: readonly string[];
  readonly command?: string;
  readonly collection?: string;
  /** Who asked for the change: a NodeId, or the user that owns the control socket. */
  readonly by?: string;
  readonly change?: string;
  readonly isLeader?: boolean;
  readonly term?: number;
  /** Number of similar lines that the window left out. */
  readonly suppressed?: number;
}

/** The destination of the lines: any pino-like logger. */
export interface AuditLogger {
  info(fields: object, message: string): void;
  /**
   * Like `info`, for an event that has a line in the other log, too: a log that receives both can hide one of the two.
   * Default: `info`.
   */
  infoBeside?(fields: object, message: string): void;
}

/**
 * Commands that change nothing, and copy documents nowhere but to their caller. Every other command is audited, so that
 * a new one cannot be forgotten.
 */
const unaudited: ReadonlySet<string> = new Set([
  ...['status', 'peers', 'remotePeers', 'databasesLeftBehind', 'digest', 'logs'],
  ...['get', 'find', 'count', 'collections', 'changes', 'export'],
]);

interface Window {
  readonly record: AuditRecord;
  readonly isLogged: boolean;
  readonly timer: Timer;
  count: number;
}

export class Audit {
  readonly #logger: AuditLogger;
  readonly #time: Pick<Time, 'after'>;
  /** The key consists of the fields that similar lines share. */
  readonly #windows = new Map<string, Window>();

  constructor(logger: AuditLogger, time: Pick<Time, 'after'>) {
    this.#logger = logger;
    this.#time = time;
  }

  /** @param isLogged Whether the other log has a line for this event, too */
  note(record: AuditRecord, isLogged = false): void {
    const key = this.#keyOf(record);
    const window = this.#windows.get(key) ?? this.#open(key, record, isLogged);
    window.count += 1;
    if (window.count <= limits.auditRepeatsMax) this.#write(record, isLogged);
    // The record may itself stand for suppressed ones.
    else window.count += record.suppressed ?? 0;
  }

  /** Writes how many lines were left out. */
  close(): void {
    for (const key of [...this.#windows.keys()]) this.#close(key);
  }

  #open(key: string, record: AuditRecord, isLogged: boolean): Window {
    const timer = this.#time.after(limits.auditWindowMs, () => this.#close(key));
    const window = { record, isLogged, timer, count: 0 };
    this.#windows.set(key, window);
    return window;
  }

  #close(key: string): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    window?.timer.cancel();
    const suppressed = (window?.count ?? 0) - limits.auditRepeatsMax;
    if (window === undefined || suppressed <= 0) return;
    const { event, reason, command } = window.record;
    const address = rangeOf(window.record.address);
    this.#write({ event, ...given({ reason, command, address }), suppressed }, window.isLogged);
  }

  #keyOf({ event, reason, command, address, nodeId, collection }: AuditRecord): string {
    const key = JSON.stringify([event, reason, command, rangeOf(address) ?? nodeId, collection]);
    if (this.#windows.has(key) || this.#windows.size < limits.auditKeysMax) return key;
    // Strangers arrive from too many networks. From here on, all lines of one event count as similar.
    return JSON.stringify([event]);
  }

  #write(record: AuditRecord, isLogged: boolean): void {
    const fields = { component: 'audit', ...record };
    try {
      if (isLogged && this.#logger.infoBeside !== undefined) this.#logger.infoBeside(fields, messageOf(record));
      else this.#logger.info(fields, messageOf(record));
    } catch {
      // A logger that throws loses its line, and does not harm the node.
    }
  }
}

/** The whole record in words: a terminal shows the message only. */
function messageOf({ event, ...fields }: AuditRecord): string {
  const words = Object.entries(fields).map(([name, value]) => `${name} ${value}`);
  return `Audit: ${[event, ...words].join(', ')}.`;
}

/** Logs the events of a node until the node ends. */
export function auditEvents(actor: ActorRefFrom<NodeMachine>, audit: Audit): void {
  let followed: Store | undefined;
  let unfollow = (): void => {};
  const follow = (store: Store | undefined): void => {
    if (store === followed) return;
    unfollow();
    followed = store;
    unfollow = store?.subscribe((commit) => notePeerChanges(commit, store.nodeId, audit)) ?? (() => {});
  };
  const end = (): void => {
    follow(undefined);
    audit.close();
  };
  actor.subscribe({ next: ({ context }) => follow(context.store), complete: end, error: end });
  actor.on('*', (event) => {
    const record = recordOf(event as NodeEvent);
    // The other log has no line for a refused guest.
    if (record !== undefined) audit.note(record, (event as NodeEvent).type !== 'guest.refused');
  });
}

/**
 * Wraps the commands of the control socket. Each call of a command that changes something gets an audit line, whether
 * it succeeds or fails.
 */
export function auditCommands(commands: ControlCommands, audit: Audit, user: string): ControlCommands {
  const entries = Object.entries(commands).map(([name, command]) => {
    if (unaudited.has(name)) return [name, command] as const;
    const noting = (call: ControlCall): ReturnType<typeof command> => {
      audit.note({ event: 'control.called', command: name, by: user, ...namedIn(call) });
      return command(call);
    };
    return [name, noting] as const;
  });
  return Object.fromEntries(entries);
}

/** The names in a call, never its content. */
function namedIn({ body, parameters }: ControlCall): Partial<AuditRecord> {
  const { nodeId, collection = parameters.collection, partial } = Object(body) as Record<string, unknown>;
  const text = (value: unknown) =>
    typeof value === 'string' ? foreignText(value, { lengthMax: namesMax }) : undefined;
  const fields = typeof partial === 'object' && partial !== null ? Object.keys(partial).slice(0, namesMax) : undefined;
  return given({
    nodeId: text(nodeId),
    collection: text(collection),
    fields: fields?.map((field) => foreignText(field, { lengthMax: namesMax })),
  });
}

/** The longest name in a line, and the maximum of names. */
const namesMax = 128;

function notePeerChanges({ runs, collections, origin }: Commit, own: string, audit: Audit): void {
  if (!collections.has(remotePeersCollection) && !collections.has(removedPeersCollection)) return;
  for (const { author, entries } of runs) {
    for (const { collection, key, operation } of entries) {
      if (collection !== remotePeersCollection) continue;
      const by = origin === undefined && author.nodeId === own ? own : author.nodeId;
      audit.note({ event: 'remotePeer.changed', nodeId: foreignText(key), change: operation, by: foreignText(by) });
    }
  }
}

function recordOf(event: NodeEvent): AuditRecord | undefined {
  switch (event.type) {
    case 'peer.connected': {
      const { nodeId, remoteAddress: address, subject } = event;
      return { event: 'session.opened', nodeId, address, ...subjectOf(subject) };
    }
    case 'peer.disconnected': {
      const { nodeId, failure, subject } = event;
      return { event: 'session.closed', nodeId, reason: failure.code, ...subjectOf(subject) };
    }
    case 'peer.refused':
      return { event: 'session.refused', nodeId: event.nodeId, reason: event.failure.code };
    case 'guest.refused':
      return { event: 'connection.refused', address: event.remoteAddress, reason: event.failure.code };
    case 'connection.refused': {
      const { remoteAddress: address, failure, suppressed } = event;
      return { event: 'connection.refused', address, reason: failure.code, ...(suppressed > 0 && { suppressed }) };
    }
    case 'gateway.connected':
      return { event: 'gateway.opened', nodeId: event.nodeId };
    case 'gateway.disconnected':
      return { event: 'gateway.closed', nodeId: event.nodeId, reason: event.failure.code };
    case 'gateway.failed':
    case 'gateway.rejected':
      return { event: 'gateway.failed', nodeId: event.nodeId, reason: event.failure.code };
    case 'leadership.changed': {
      const { leaderId, isLeader, term } = event;
      return { event: 'leadership.changed', isLeader, term, ...given({ nodeId: leaderId }) };
    }
    case 'reconfiguration.finished': {
      const fields = event.changes.map(({ field }) => field);
      return fields.length === 0 ? undefined : { event: 'configuration.changed', fields };
    }
    case 'reconfiguration.failed':
      return { event: 'configuration.refused', reason: event.failure.code };
    default:
      return undefined;
  }
}

function subjectOf(subject: string | undefined): Pick<AuditRecord, 'subject'> {
  return subject === undefined ? {} : { subject: foreignText(subject, { lengthMax: limits.tokenSubjectLengthMax }) };
}

/** The network of an address, without the port: a stranger may have many addresses in one network. */
function rangeOf(address: string | undefined): string | undefined {
  return address === undefined ? undefined : neighborhood(hostIn(address));
}

/** A copy without the fields that are undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
