/**
 * The cluster as its actors describe it: nodes, sessions between them, leaders, gateways. Everything is read from the
 * actors' contexts.
 */
import type { ActorState, Fold } from '../../../src/inspector/fold.js';
import type { StateValue } from '../../../src/inspector/records.js';
import type { Summary } from '../../../src/inspector/summary.js';
import { count } from '../parts/format.js';
import type { Identity } from './identities.js';

export interface NodeSight {
  /** The process. */
  readonly node: string;
  readonly nodeId: string;
  readonly rootId: string | undefined;
  readonly isUp: boolean;
  /** `running`, `stopping`, … */
  readonly state: string;
  readonly role: string;
  readonly address: string;
  /** `observer`, `follower`, `candidate`, `leader`; undefined where there is no election. */
  readonly election: string | undefined;
  readonly leaderId: string | undefined;
  readonly term: number | undefined;
  readonly uplink: string | undefined;
  readonly reconfiguration: string | undefined;
  readonly lastFailure: string | undefined;
  readonly peers: readonly PeerSight[];
  readonly sessions: readonly SessionSight[];
  readonly gateways: readonly GatewaySight[];
  /** Statemesh's own documents that the node cannot use. */
  readonly quarantined: readonly QuarantinedSight[];
}

export interface QuarantinedSight {
  readonly collection: string;
  readonly documentKey: string;
  readonly reason: string;
}

export interface PeerSight {
  readonly sessionId: string;
  readonly nodeId: string;
  readonly state: string;
  readonly attempt: number;
  readonly lastFailure: string | undefined;
}

export interface SessionSight {
  readonly sessionId: string;
  /** The NodeId of the other side, once it is known. */
  readonly peerId: string | undefined;
  readonly state: string;
  /**
   * A readable state: `up to date`, `sending 1,200`, `receiving`; the state's name while the session does not
   * synchronize.
   */
  readonly memberState: string;
  readonly roundTripMs: number | undefined;
  readonly entriesSent: number;
  readonly entriesReceived: number;
  readonly isCaughtUp: boolean;
  readonly backlog: string;
  readonly isOfGateway: boolean;
}

export interface GatewaySight {
  readonly sessionId: string;
  readonly nodeId: string;
  readonly address: string;
  readonly state: string;
  readonly lastFailure: string | undefined;
  readonly attempt: number;
}

/** @param identities For processes that are down */
export function nodesOf(fold: Fold, identities: ReadonlyMap<string, Identity>): NodeSight[] {
  const byNode = new Map<string, ActorState[]>();
  for (const actor of fold.actors.values()) {
    const actors = byNode.get(actor.node);
    if (actors === undefined) byNode.set(actor.node, [actor]);
    else actors.push(actor);
  }
  const names = new Set([...fold.processes.keys(), ...byNode.keys()]);
  return [...names]
    .filter((node) => node !== '')
    .sort()
    .map((node) => nodeOf(node, fold, byNode.get(node) ?? [], identities.get(node)));
}

function nodeOf(node: string, fold: Fold, actors: readonly ActorState[], identity: Identity | undefined): NodeSight {
  const root = actors.find(({ parentId, logic }) => parentId === undefined && logic === 'node');
  const election = actors.find(({ logic }) => logic === 'election');
  const uplink = actors.find(({ logic }) => logic === 'uplink');
  const configuration = record(record(root?.context.configured)?.configuration);
  const listening = record(root?.context.listening);
  const parents = new Map(actors.map((actor) => [actor.sessionId, actor]));
  const halves = new Map(
    actors
      .filter(({ logic }) => logic === 'sender' || logic === 'receiver')
      .map((actor) => [`${actor.logic} of ${actor.parentId}`, actor]),
  );
  return {
    node,
    nodeId: text(configuration?.nodeId) ?? identity?.nodeId ?? node,
    rootId: root?.sessionId,
    isUp: (fold.processes.get(node)?.isUp ?? true) && root !== undefined && root.status === 'active',
    state: stateName(root?.value) ?? 'down',
    role: text(configuration?.role) ?? identity?.role ?? 'member',
    address: listening === undefined ? '' : `${text(listening.host) ?? ''}:${number(listening.port) ?? ''}`,
    election: stateName(election?.value),
    leaderId: text(election?.context.leaderId),
    term: number(election?.context.term),
    uplink: text(uplink?.context.uplink),
    reconfiguration: reconfigurationOf(root, actors),
    lastFailure: failureOf(root),
    peers: actors.filter(({ logic }) => logic === 'peer').map(peerOf),
    sessions: actors.filter(({ logic }) => logic === 'session').map((actor) => sessionOf(actor, halves, parents)),
    gateways: actors.filter(({ logic }) => logic === 'gateway').map(gatewayOf),
    quarantined: quarantinedOf(actors.find(({ logic }) => logic === 'membership')),
  };
}

/** The step of the reconfiguration under way, else the state of the node's region. */
function reconfigurationOf(root: ActorState | undefined, actors: readonly ActorState[]): string | undefined {
  const region = stateName(record(record(root?.value)?.running)?.reconfiguration);
  if (region !== 'changing') return region;
  const running = actors.find(({ logic, status }) => logic === 'reconfiguration' && status === 'active');
  return stateName(running?.value) ?? region;
}

function quarantinedOf(membership: ActorState | undefined): QuarantinedSight[] {
  const listed = membership?.context.quarantined;
  if (!Array.isArray(listed)) return [];
  return listed.map((each: unknown) => {
    const document = record(each);
    return {
      collection: text(document?.collection) ?? '',
      documentKey: text(document?.documentKey) ?? '',
      // How many more there are.
      reason: text(document?.reason) ?? text(each) ?? '',
    };
  });
}

function peerOf(actor: ActorState): PeerSight {
  return {
    sessionId: actor.sessionId,
    nodeId: text(actor.context.nodeId) ?? actor.name.replace(/^peer-/, ''),
    state: stateName(actor.value) ?? '',
    attempt: number(actor.context.attempt) ?? 0,
    lastFailure: failureOf(actor),
  };
}

function sessionOf(
  actor: ActorState,
  /** The sender and the receiver of each session. */
  halves: ReadonlyMap<string, ActorState>,
  parents: ReadonlyMap<string, ActorState>,
): SessionSight {
  const sender = halves.get(`sender of ${actor.sessionId}`);
  const receiver = halves.get(`receiver of ${actor.sessionId}`);
  const outbox = text(sender?.context.outbox);
  const inFlight = text(record(sender?.context.progress)?.inFlight) ?? '';
  return {
    sessionId: actor.sessionId,
    peerId: text(record(actor.context.peer)?.nodeId) ?? text(actor.context.expected),
    state: stateName(actor.value) ?? '',
    memberState: memberStateOf(actor, sender, receiver),
    roundTripMs: number(actor.context.roundTripMs),
    entriesSent: number(sender?.context.entriesSent) ?? 0,
    entriesReceived: number(receiver?.context.entriesApplied) ?? 0,
    isCaughtUp: stateName(sender?.value) === 'caughtUp',
    backlog:
      outbox === undefined || /^\[0 /.test(outbox) ? inFlight.replace(/^\[|\]$/g, '') : outbox.replace(/^\[|\]$/g, ''),
    isOfGateway: parents.get(actor.parentId ?? '')?.logic === 'gateway',
  };
}

function memberStateOf(session: ActorState, sender: ActorState | undefined, receiver: ActorState | undefined): string {
  const state = stateName(session.value) ?? '';
  if (state !== 'synchronizing') return state;
  const entries = countIn(sender?.context.outbox);
  if (entries > 0) return `sending ${count(entries)}`;
  if ((stateName(receiver?.value) ?? 'waiting') !== 'waiting') return 'receiving';
  return stateName(sender?.value) === 'caughtUp' ? 'up to date' : 'sending';
}

/** The length of a list that is summarized: `[1200 entries of 2 authors]`. */
function countIn(summary: Summary | undefined): number {
  return Number(/^\[(\d+) /.exec(text(summary) ?? '')?.[1] ?? 0);
}

function gatewayOf(actor: ActorState): GatewaySight {
  const peer = record(actor.context.peer);
  return {
    sessionId: actor.sessionId,
    nodeId: text(peer?.nodeId) ?? actor.name,
    address: text(peer?.address) ?? '',
    state: stateName(actor.value) ?? '',
    lastFailure: failureOf(actor),
    attempt: number(actor.context.attempt) ?? 0,
  };
}

/** A connection between two nodes, as both sides see it. */
export interface Link {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly sessions: readonly (SessionSight & { readonly node: string })[];
  readonly isOfGateway: boolean;
}

/** Pairs of nodes that have sessions. A peer that is not watched itself is named by its NodeId. */
export function linksOf(nodes: readonly NodeSight[]): Link[] {
  const processOf = new Map(nodes.map(({ nodeId, node }) => [nodeId, node]));
  const links = new Map<string, Link>();
  for (const { node, sessions } of nodes) {
    for (const session of sessions) {
      if (session.peerId === undefined) continue;
      const other = processOf.get(session.peerId) ?? session.peerId;
      const [from, to] = [node, other].sort() as [string, string];
      const key = `${from} ${to}`;
      const link = links.get(key);
      links.set(key, {
        key,
        from,
        to,
        sessions: [...(link?.sessions ?? []), { ...session, node }],
        isOfGateway: (link?.isOfGateway ?? false) || session.isOfGateway,
      });
    }
  }
  return [...links.values()];
}

export function stateName(value: StateValue | Summary | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.keys(value)[0];
}

/** A state as one line: `running.service.member`, or its regions separated by commas. */
export function stateText(value: StateValue | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  const parts = Object.entries(value).map(([key, below]) => {
    const text = stateText(below);
    return text === '' ? key : `${key}.${text.includes(', ') ? `(${text})` : text}`;
  });
  return parts.join(', ');
}

function failureOf(actor: ActorState | undefined): string | undefined {
  const failure = record(actor?.context.failure) ?? record(actor?.context.lastFailure);
  return text(failure?.message);
}

type Fields = Readonly<Record<string, Summary>>;

function record(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
