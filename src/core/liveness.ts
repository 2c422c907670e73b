/**
 * Which nodes are live, as far as one node can tell from heartbeats: its own neighbors, and the nodes for which its
 * neighbors vouch. It has no clock and no timers: each call passes the time.
 *
 * Intuition: a neighbor is live because we hear it. A distant node is live because a neighbor still names it and its
 * heartbeat counter still rises, so its process must still be beating somewhere.
 *
 * - A session that has been heard shows that its peer is live, until the session ends.
 * - A distant node is live while a neighbor's latest list names it and its counter keeps rising. Each counter value
 *   counts once, whichever path it came by. Nodes that tell each other about a dead node never see its counter rise
 *   again, so a dead node outlives its last heartbeat by at most the patience at each node that the heartbeat reaches.
 * - A neighbor is not told what it already hears from the same nodes. In a full mesh nothing is relayed; where two
 *   meshes share a bridge, only the bridge relays. So a loss is known everywhere as soon as the node that saw it has
 *   reported it, except in rings.
 */
import { isSameMemberState, type MemberState, memberStateOf } from './election-rule.js';
import type { Boot, NodeId } from './ids.js';
import { limits } from './limits.js';

/** A sign of life of one process. */
export interface Presence extends MemberState {
  /** Rises with each heartbeat of that process, to any receiver. */
  readonly counter: number;
}

/** A sign of life of a node that is not a neighbor, as a neighbor relayed it. */
export interface RelayedPresence extends Presence {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  /** The longest heartbeat interval on its path so far: signs of life cannot be expected more often. */
  readonly intervalMs: number;
}

/** The part of one heartbeat that concerns liveness. */
export interface SignsOfLife {
  /** How often the neighbor sends heartbeats. */
  readonly intervalMs: number;
  /** Undefined from a node that takes no part. */
  readonly presence: Presence | undefined;
  /** Every node for which the sender vouches to us. */
  readonly relayed: readonly RelayedPresence[];
  /** The nodes with which the sender has sessions, if they changed. */
  readonly neighbors: readonly NodeId[] | undefined;
}

/** A session of ours, as `meet` returns it. Its other fields belong to the table. */
export interface Neighbor {
  readonly nodeId: NodeId;
  readonly boot: Boot;
}

const nobody: readonly RelayedPresence[] = [];

export class LivenessTable {
  readonly #selfId: NodeId;
  readonly #nodes = new Map<NodeId, Known>();
  readonly #live = new Map<NodeId, MemberState>();
  #changes = 0;
  #routes = 0;
  #vouches = 0;

  constructor(selfId: NodeId) {
    this.#selfId = selfId;
  }

  /** The live nodes, without this one. The map changes in place. */
  get live(): ReadonlyMap<NodeId, MemberState> {
    return this.#live;
  }

  /** Rises with each change of `live`. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * Rises with each change that may alter which nodes are relayed to which neighbors. That is more often than
   * `changes`, but not for counters alone.
   */
  get routes(): number {
    return this.#routes;
  }

  /** Records that a session with a peer begins. It counts from its first sign of life. */
  meet({ nodeId, boot }: Neighbor): Neighbor {
    const known = this.#nodes.get(nodeId);
    // Sessions have a maximum of their own.
    if (known === undefined) this.#makeRoom();
    const node = known ?? this.#remember(nodeId);
    const session = new Session(node, boot);
    node.sessions.add(session);
    return session;
  }

  /** Records that a session ends. All knowledge that rested on it alone ends at once. */
  part(neighbor: Neighbor, nowMs: number): void {
    const session = neighbor as Session;
    if (!session.node.sessions.delete(session)) return;
    // Relays during the session prove nothing about the time after it.
    if (session.process !== undefined) session.process.risenAtMs = undefined;
    const named = session.vouchesFor;
    session.vouchesFor = new Set();
    for (const node of named) this.#withdraw(node, session);
    for (const node of named) this.#settle(node, nowMs);
    this.#settle(session.node, nowMs);
  }

  hear(neighbor: Neighbor, signs: SignsOfLife, nowMs: number): void {
    const session = neighbor as Session;
    if (!session.node.sessions.has(session)) return;
    if (signs.neighbors !== undefined) {
      session.neighbors = new Set(signs.neighbors);
      session.routedAt = -1;
    }
    this.#hearDirect(session, signs, nowMs);
    if (signs.relayed.length > 0 || session.vouchesFor.size > 0) this.#hearRelayed(session, signs, nowMs);
  }

  /** Gives up nodes whose counters have not risen for too long. Call it about once per interval. */
  expire(nowMs: number): void {
    if (this.#vouches === 0) return;
    for (const node of this.#nodes.values()) if (node.vouchers.size > 0) this.#settle(node, nowMs);
  }

  /** The nodes for which we vouch in the next heartbeat to a neighbor. */
  relayTo(neighbor: Neighbor): readonly RelayedPresence[] {
    const session = neighbor as Session;
    const targets = this.#targetsOf(session);
    session.told = targets.length === 0 ? nobody : targets.map(relayed);
    return session.told;
  }

  /**
   * Whether a neighbor should hear at once that a node came, left or changed. Counters alone are no news, and neither
   * are nodes that have become the neighbor's own neighbors.
   */
  hasNewsFor(neighbor: Neighbor): boolean {
    const session = neighbor as Session;
    const targets = this.#targetsOf(session);
    if (targets.length === 0 && session.told.length === 0) return false;
    const told = new Map(session.told.map((presence) => [presence.nodeId, presence]));
    for (const { nodeId, live } of targets) {
      const before = told.get(nodeId);
      if (live === undefined || before?.boot !== live.boot || !isSameMemberState(before, live.memberState)) return true;
      told.delete(nodeId);
    }
    return [...told.keys()].some((nodeId) => !session.neighbors.has(nodeId));
  }

  #hearDirect(session: Session, { presence, intervalMs }: SignsOfLife, nowMs: number): void {
    const { node, boot, process: before } = session;
    if (presence === undefined) {
      session.process = undefined;
      if (before !== undefined) this.#settle(node, nowMs);
      return;
    }
    if (before === undefined) makeRoomIn(node);
    const process = before ?? node.processes.get(boot) ?? remember(node, boot, presence);
    session.process = process;
    process.heardAtMs = nowMs;
    process.intervalMs = intervalMs;
    process.counter = presence.counter;
    process.highest = Math.max(process.highest, presence.counter);
    const isSame = isSameMemberState(process.memberState, presence);
    if (!isSame) process.memberState = memberStateOf(presence);
    if (!isSame || before === undefined) this.#settle(node, nowMs);
  }

  #hearRelayed(session: Session, { relayed, intervalMs }: SignsOfLife, nowMs: number): void {
    const before = session.vouchesFor;
    const touched = new Set<Known>();
    session.vouchesFor = new Set();
    for (const presence of relayed.slice(0, limits.peersMax)) {
      const { nodeId, boot } = presence;
      if (nodeId === this.#selfId || nodeId === session.nodeId) continue;
      const node = this.#nodes.get(nodeId) ?? (this.#makeRoom() ? this.#remember(nodeId) : undefined);
      if (node === undefined) continue;
      const known = node.processes.get(boot);
      if (known === undefined && !makeRoomIn(node)) continue;
      const process = known ?? remember(node, boot, presence);
      const isRisen = process !== known || presence.counter > process.highest;
      process.heardAtMs = nowMs;
      if (isRisen) {
        process.highest = presence.counter;
        process.risenAtMs = nowMs;
        process.patienceMs = (limits.heartbeatsMissedMax + 1) * Math.max(presence.intervalMs, intervalMs);
        if (!isDirect(node, process)) believe(process, presence, intervalMs);
      }
      session.vouchesFor.add(node);
      if (this.#vouch(node, session, boot) || isRisen) touched.add(node);
    }
    for (const node of before) {
      if (session.vouchesFor.has(node)) continue;
      this.#withdraw(node, session);
      touched.add(node);
    }
    for (const node of touched) this.#settle(node, nowMs);
  }

  /** Records that a session vouches for a process. @returns Whether that is new */
  #vouch(node: Known, session: Session, boot: Boot): boolean {
    const before = node.vouchers.get(session);
    if (before === boot) return false;
    if (before === undefined) this.#vouches += 1;
    node.vouchers.set(session, boot);
    this.#routes += 1;
    return true;
  }

  #withdraw(node: Known, session: Session): void {
    if (!node.vouchers.delete(session)) return;
    this.#vouches -= 1;
    this.#routes += 1;
  }

  /** Derives the node's liveness from what has changed. */
  #settle(node: Known, nowMs: number): void {
    const process = liveProcessOf(node, nowMs);
    const direct = process !== undefined && isDirect(node, process);
    if (process === node.live && process?.memberState === node.memberState && direct === node.isDirect) return;
    const before = node.memberState;
    node.live = process;
    node.memberState = process?.memberState;
    node.isDirect = direct;
    this.#routes += 1;
    if (before !== undefined && node.memberState !== undefined && isSameMemberState(before, node.memberState)) return;
    if (node.nodeId === this.#selfId) return;
    if (node.memberState === undefined) this.#live.delete(node.nodeId);
    else this.#live.set(node.nodeId, node.memberState);
    this.#changes += 1;
  }

  #targetsOf(session: Session): readonly Known[] {
    if (session.routedAt === this.#routes) return session.targets;
    session.routedAt = this.#routes;
    const targets: Known[] = [];
    for (const nodeId of this.#live.keys()) {
      const node = this.#nodes.get(nodeId);
      if (node !== undefined && isNewTo(session, node) && targets.length < limits.peersMax) targets.push(node);
    }
    session.targets = targets;
    return targets;
  }

  #remember(nodeId: NodeId): Known {
    const node = new Known(nodeId);
    this.#nodes.set(nodeId, node);
    return node;
  }

  /**
   * Makes room by forgetting a node that is gone. A node that a neighbor still names stays, because its known counter
   * would otherwise seem to rise.
   */
  #makeRoom(): boolean {
    if (this.#nodes.size < limits.peersMax) return true;
    for (const [nodeId, { live, sessions, vouchers }] of this.#nodes) {
      if (live !== undefined || sessions.size > 0 || vouchers.size > 0) continue;
      this.#nodes.delete(nodeId);
      return true;
    }
    return false;
  }
}

/** All that is known about one NodeId. */
class Known {
  readonly nodeId: NodeId;
  readonly processes = new Map<Boot, Process>();
  /** In order of admission. */
  readonly sessions = new Set<Session>();
  /** The sessions whose latest list names the node, each with the process that it names. */
  readonly vouchers = new Map<Session, Boot>();
  /** The live process of the node, and its member state as we have told it to our neighbors. */
  live: Process | undefined;
  memberState: MemberState | undefined;
  isDirect = false;

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId;
  }
}

class Session implements Neighbor {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  readonly node: Known;
  /** Set once the session has been heard. */
  process: Process | undefined;
  /** The nodes that its latest list names. */
  vouchesFor = new Set<Known>();
  neighbors: ReadonlySet<NodeId> = new Set();
  /** The nodes for which we vouch to it, as of `routedAt`, and what it was last told. */
  targets: readonly Known[] = [];
  routedAt = -1;
  told = nobody;

  constructor(node: Known, boot: Boot) {
    this.nodeId = node.nodeId;
    this.boot = boot;
    this.node = node;
  }
}

interface Process {
  readonly boot: Boot;
  memberState: MemberState;
  /** The counter of the latest sign of life. */
  counter: number;
  /** The highest counter heard, by any path. */
  highest: number;
  intervalMs: number;
  heardAtMs: number;
  /** When a relayed counter last rose, counted only after the last session with the process ended. */
  risenAtMs: number | undefined;
  patienceMs: number;
}

/** A session outweighs any relay, and the latest session outweighs earlier ones. */
function liveProcessOf(node: Known, nowMs: number): Process | undefined {
  let direct: Process | undefined;
  for (const { process } of node.sessions) direct = process ?? direct;
  if (direct !== undefined) return direct;
  if (node.live !== undefined && isVouchedFor(node, node.live, nowMs)) return node.live;
  let latest: Process | undefined;
  for (const process of node.processes.values()) {
    if (!isVouchedFor(node, process, nowMs)) continue;
    if (latest === undefined || (process.risenAtMs ?? 0) > (latest.risenAtMs ?? 0)) latest = process;
  }
  return latest;
}

function isVouchedFor({ vouchers }: Known, { boot, risenAtMs, patienceMs }: Process, nowMs: number): boolean {
  if (risenAtMs === undefined || nowMs - risenAtMs > patienceMs) return false;
  for (const named of vouchers.values()) if (named === boot) return true;
  return false;
}

function isDirect({ sessions }: Known, process: Process): boolean {
  for (const session of sessions) if (session.process === process) return true;
  return false;
}

/**
 * Whether a neighbor hears of a node only from us: it has no session with the node, nor with any node that told us of
 * it.
 */
function isNewTo(session: Session, { nodeId, live, isDirect, vouchers }: Known): boolean {
  const { neighbors } = session;
  if (nodeId === session.nodeId || neighbors.has(nodeId)) return false;
  if (isDirect) return true;
  for (const [voucher, boot] of vouchers) {
    if (boot === live?.boot && voucher.nodeId !== session.nodeId && !neighbors.has(voucher.nodeId)) return true;
  }
  return false;
}

function relayed({ nodeId, live }: Known): RelayedPresence {
  const { boot, intervalMs, counter, memberState } = live as Process;
  return { nodeId, boot, intervalMs, counter, ...memberState };
}

function believe(process: Process, presence: RelayedPresence, intervalMs: number): void {
  process.counter = presence.counter;
  process.intervalMs = Math.max(presence.intervalMs, intervalMs);
  if (!isSameMemberState(process.memberState, presence)) process.memberState = memberStateOf(presence);
}

/** Makes room by forgetting the process that was silent for longest, among those that nothing refers to. */
function makeRoomIn(node: Known): boolean {
  const { processes, vouchers, live } = node;
  if (processes.size < limits.bootsRememberedMax) return true;
  const named = new Set(vouchers.values());
  const idle = [...processes.values()].filter(
    (process) => process !== live && !named.has(process.boot) && !isDirect(node, process),
  );
  const oldest = idle.sort((a, b) => a.heardAtMs - b.heardAtMs)[0];
  return oldest !== undefined && processes.delete(oldest.boot);
}

function remember({ processes }: Known, boot: Boot, presence: Presence): Process {
  const process: Process = {
    boot,
    memberState: memberStateOf(presence),
    counter: presence.counter,
    highest: presence.counter,
    intervalMs: 0,
    heardAtMs: 0,
    risenAtMs: undefined,
    patienceMs: 0,
  };
  processes.set(boot, process);
  return process;
}
