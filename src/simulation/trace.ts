/**
 * The record of a run: always a hash over it, and its lines if a sink takes them.
 *
 * A line tells what happened when and where, in the words of the protocol: frames that arrived, states that changed,
 * commits, events that nodes emitted, and changes of the world. No line depends on the process: actors are named by
 * their path, not by XState's counted ids.
 */
import type { AnyActorRef, InspectionEvent } from 'xstate';
import type { NodeEvent } from '../actors/mailboxes.js';
import { parentOf } from '../actors/xstate-internals.js';
import { authorKeyOf } from '../core/author.js';
import { type ErrorCode, type Failure, messageOf } from '../core/errors.js';
import { type Hlc, logicOf, wallMsOf } from '../core/hlc.js';
import { limits } from '../core/limits.js';
import type { VectorClock } from '../core/vector-clock.js';
import type { Commit } from '../ports/store.js';
import { FrameDecoder } from '../wire/framing.js';
import type { Frame, Identity } from '../wire/messages.js';
import type { Delivery } from './network/delivery.js';
import type { Acknowledged, Heard, NodeProcess } from './node.js';
import { worldEpochMs } from './node-ports.js';
import type { Observer } from './observer.js';
import { TraceHash } from './trace-hash.js';

/** One line of a trace. */
export type TraceLine = { readonly atMs: number } & (
  | { readonly kind: 'world'; readonly what: string }
  | { readonly kind: 'beacon'; readonly from: string; readonly to: string }
  | {
      readonly kind: 'frame';
      readonly from: string;
      readonly to: string;
      /** Counts the connections of the world. */
      readonly connection: number | undefined;
      readonly frame: string;
      readonly about: string;
    }
  | {
      readonly kind: 'connection';
      readonly from: string;
      readonly to: string;
      readonly connection: number | undefined;
      readonly what: 'accepted' | 'refused' | 'closed' | 'reset';
    }
  /** A request to a web server, with method and URL, or its answer, with the status. */
  | {
      readonly kind: 'request';
      readonly from: string;
      readonly to: string;
      readonly connection: number | undefined;
      readonly about: string;
    }
  | {
      readonly kind: 'state';
      readonly node: string;
      readonly actor: string;
      readonly from: string;
      readonly to: string;
      /** The other side of a session, once it is known. */
      readonly peer: string | undefined;
      /** What caused an unwanted state. */
      readonly cause: ErrorCode | undefined;
    }
  /** The process is gone: stopped gracefully, or killed. */
  | { readonly kind: 'end'; readonly node: string }
  | { readonly kind: 'commit'; readonly node: string; readonly about: string }
  | { readonly kind: 'acknowledgement'; readonly node: string; readonly hlc: number }
  | { readonly kind: 'event'; readonly node: string; readonly nodeEvent: NodeEvent }
);

/** Takes the lines of a trace. */
export type TraceSink = (line: TraceLine) => void;

export interface TraceOptions {
  nowMs(): number;
  /** The name of the machine at an address. */
  nameOf(address: string): string;
  /** The directory of the simulated disks: a path that the system chooses. */
  readonly diskRoot: string;
  /** Takes the lines. Without a sink no lines are made, because making them costs more than the run. */
  readonly sink: TraceSink | undefined;
}

export class Trace implements Observer {
  readonly #options: TraceOptions;
  readonly #hash = new TraceHash();
  /** By stream and direction. */
  readonly #decoders = new Map<string, FrameDecoder>();
  readonly #states = new WeakMap<AnyActorRef, string>();

  constructor(options: TraceOptions) {
    this.#options = options;
  }

  get hash(): string {
    return this.#hash.toString();
  }

  meddled(what: string): void {
    this.#hash.number(this.#options.nowMs());
    this.#hash.text(what);
    this.#say(() => [{ kind: 'world', what }]);
  }

  delivered(delivery: Delivery): void {
    this.#hash.number(this.#options.nowMs());
    this.#hash.text(delivery.from);
    this.#hash.text(delivery.to);
    this.#hash.text(delivery.kind);
    if (delivery.bytes !== undefined) this.#hash.bytes(delivery.bytes);
    this.#say(() => this.#linesOf(delivery));
  }

  committed({ name }: NodeProcess, commit: Commit): void {
    const about = aboutCommit(commit);
    this.#hash.number(this.#options.nowMs());
    this.#hash.text(about);
    this.#say(() => [{ kind: 'commit', node: name, about }]);
  }

  acknowledged({ name }: NodeProcess, { hlc }: Acknowledged): void {
    this.#hash.number(hlc);
    this.#say(() => [{ kind: 'acknowledgement', node: name, hlc }]);
  }

  happened({ name }: NodeProcess, { nodeEvent }: Heard): void {
    // A failure of the database names its file, whose path differs from run to run.
    const text = JSON.stringify(nodeEvent).replaceAll(this.#options.diskRoot, '');
    this.#hash.number(this.#options.nowMs());
    this.#hash.text(text);
    this.#say(() => [{ kind: 'event', node: name, nodeEvent: JSON.parse(text) as NodeEvent }]);
  }

  ended({ name }: NodeProcess): void {
    this.#say(() => [{ kind: 'end', node: name }]);
  }

  /** For `createActor`: records each state that an actor enters. */
  inspected({ name }: NodeProcess, event: InspectionEvent): void {
    if (event.type !== '@xstate.snapshot') return;
    const { value, context } = event.snapshot as { value?: unknown; context?: unknown };
    if (value === undefined) return;
    const to = typeof value === 'string' ? value : JSON.stringify(value).replace(/"/g, '');
    const actor = event.actorRef as AnyActorRef;
    const from = this.#states.get(actor) ?? '';
    if (from === to) return;
    this.#states.set(actor, to);
    const { peer, failure, lastFailure } = (context ?? {}) as ContextOfAny;
    const cause = isUnhappy.test(to) ? (failure ?? lastFailure)?.code : undefined;
    this.#say(() => [{ kind: 'state', node: name, actor: pathOf(actor), from, to, peer: peer?.nodeId, cause }]);
  }

  #linesOf(delivery: Delivery): Line[] {
    const from = this.#options.nameOf(delivery.from);
    const to = this.#options.nameOf(delivery.to);
    // Nodes send no other datagrams.
    if (delivery.kind === 'datagram') return [{ kind: 'beacon', from, to }];
    const { stream: connection } = delivery;
    if (delivery.kind === 'http') {
      return [{ kind: 'request', from, to, connection, about: firstLineOf(delivery.bytes) }];
    }
    if (delivery.kind === 'noise') return [];
    if (delivery.kind !== 'bytes') return [{ kind: 'connection', from, to, connection, what: delivery.kind }];
    const key = `${connection} ${delivery.from}`;
    const decoder = this.#decoders.get(key) ?? new FrameDecoder(limits.frameBytesMax);
    this.#decoders.set(key, decoder);
    const lines: Line[] = [];
    try {
      for (const frame of decoder.push(delivery.bytes ?? new Uint8Array())) {
        const name = frame.type.slice('frame.'.length);
        lines.push({ kind: 'frame', from, to, connection, frame: name, about: aboutFrame(frame) });
      }
    } catch (error) {
      lines.push({ kind: 'frame', from, to, connection, frame: 'malformed', about: messageOf(error) });
    }
    return lines;
  }

  #say(lines: () => readonly Line[]): void {
    const { sink, nowMs } = this.#options;
    if (sink === undefined) return;
    for (const line of lines()) sink({ atMs: nowMs(), ...line });
  }
}

type Without<Line, Key extends string> = Line extends unknown ? Omit<Line, Key> : never;
type Line = Without<TraceLine, 'atMs'>;

/** The ids from below the root to an actor. */
function pathOf(actor: AnyActorRef): string {
  const parent = parentOf(actor);
  if (parent === undefined) return 'node';
  const above = pathOf(parent);
  return above === 'node' ? actor.id : `${above}/${actor.id}`;
}

/** What the contexts of statemesh's machines have in common, as far as they have it. */
interface ContextOfAny {
  readonly peer?: Identity | undefined;
  readonly failure?: Failure | undefined;
  readonly lastFailure?: Failure | undefined;
}

/** States that have a cause. */
const isUnhappy = /^(closed|backingOff|refused|forgotten|failed)$/;

function aboutFrame(frame: Frame): string {
  switch (frame.type) {
    case 'frame.handshakeRequest':
      return frame.identity.nodeId;
    case 'frame.handshakeResponse':
      return frame.refusal === undefined ? frame.identity.nodeId : `refused: ${frame.refusal.code}`;
    case 'frame.vectorClock':
      return `${aboutClock(new Map(frame.clock))}, after batch ${frame.received}`;
    case 'frame.batch':
      return `${frame.sequence}: ${aboutRuns(frame.runs)}`;
    case 'frame.acknowledgement':
      return String(frame.sequence);
    case 'frame.heartbeat':
      return frame.neighbors === undefined ? '' : `neighbors ${frame.neighbors.join(' ')}`;
    case 'frame.goodbye':
      return frame.code;
    default:
      return '';
  }
}

/** The first line of an HTTP message: its headers and body may hold secrets. */
function firstLineOf(bytes: Uint8Array | undefined): string {
  return (
    Buffer.from(bytes ?? [])
      .toString()
      .split('\n', 1)[0] ?? ''
  );
}

function aboutClock(clock: VectorClock): string {
  const positions = [...clock].slice(0, authorsShown).map(([author, { hlc }]) => `${author}@${stampText(hlc)}`);
  const more = clock.size > authorsShown ? ` and ${clock.size - authorsShown} more` : '';
  return positions.length === 0 ? 'nothing' : `${positions.join(' ')}${more}`;
}

/** Ms since the world began by the wall clock of the writer, and the count within the ms if there is one. */
function stampText(hlc: Hlc): string {
  const logic = logicOf(hlc);
  return `${wallMsOf(hlc) - worldEpochMs}${logic === 0 ? '' : `+${logic}`}`;
}

function aboutCommit({ runs, origin, cursor }: Commit): string {
  return `${aboutRuns(runs)}${origin === undefined ? '' : ` from ${origin}`}, cursor ${cursor}`;
}

function aboutRuns(runs: Commit['runs']): string {
  return runs
    .map(({ author, entries }) => {
      const keys = entries
        .slice(0, keysShown)
        .map(({ operation, key }) => `${operation === 'delete' ? '-' : ''}${key}`);
      const more = entries.length > keysShown ? ` and ${entries.length - keysShown} more` : '';
      return `${authorKeyOf(author)} ${keys.join(' ')}${more}`;
    })
    .join('; ');
}

const keysShown = 5;
const authorsShown = 5;
