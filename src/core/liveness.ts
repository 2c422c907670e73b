/**
 * Who is live, as one node can tell from heartbeats: of those with whom it has a session, and of those for whom its neighbours
 * vouch. No clock of its own, no timers: whoever feeds it says what time it is.
 *
 * - A session that has been heard shows that its peer lives, until it ends.
 * - Somebody else is live while a neighbour's latest list names it and its counter goes on rising. A counter counts once, whichever
 *   way it came: nodes that tell each other of a dead one never see it rise again, so no ghost outlives its last heartbeat by more
 *   than the patience at each node that it reaches.
 * - Nobody is told what he hears from the same neighbours himself: in a full mesh nothing is relayed, and where two meshes share
 *   a bridge only the bridge relays. So a loss is known everywhere as soon as the one who saw it has said so, but for rings.
 */
import { isSameStanding, type Standing, standingOf } from './ballot.js';
import type { Boot, NodeId } from './ids.js';
import { limits } from './limits.js';

/** A sign of life of one process. */
export interface Presence extends Standing {
  /** Rises with each heartbeat of that process, whoever it is sent to. */
  readonly counter: number;
}

/** A sign of life of somebody else, as it was heard. */
export interface RelayedPresence extends Presence {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  /** The longest heartbeat interval on its way so far: it must not be expected more often. */
  readonly intervalMs: number;
}

/** What one heartbeat says of life. */
export interface SignsOfLife {
  /** How often the neighbour beats. */
  readonly intervalMs: number;
  /** Undefined from a node that takes no part. */
  readonly presence: Presence | undefined;
  /** Everybody for whom it vouches to us. */
  readonly relayed: readonly RelayedPresence[];
  /** With whom it has sessions, if that has changed. */
  readonly neighbours: readonly NodeId[] | undefined;
}

/** A session of ours, as `meet` gives it. What else it holds is the table's own. */
export interface Neighbour {
  readonly nodeId: NodeId;
  readonly boot: Boot;
}

const nobody: readonly RelayedPresence[] = [];

export class LivenessTable {
  readonly #selfId: NodeId;
  readonly #nodes = new Map<NodeId, Known>();
  readonly #live = new Map<NodeId, Standing>();
  #changes = 0;
  #routes = 0;
  #vouches = 0;

  constructor(selfId: NodeId) {
    this.#selfId = selfId;
  }

  /** Who is live, without ourselves. It changes in place. */
  get live(): ReadonlyMap<NodeId, Standing> {
    return this.#live;
  }

  /** Rises with each change of `live`. */
  get changes(): number {
    return this.#changes;
  }

  /** Rises with whatever may change who is told what: more often than `changes`, but not with mere counters. */
  get routes(): number {
    return this.#routes;
  }

  /** A session with a peer begins; it counts from its first sign of life on. */
  meet({ nodeId, boot }: Neighbour): Neighbour {
    const known = this.#nodes.get(nodeId);
    // Sessions are bounded by themselves.
    if (known === undefined) this.#makeRoom();
    const node = known ?? this.#remember(nodeId);
    const session = new Session(node, boot);
    node.sessions.add(session);
    return session;
  }

  /** A session ends, and at once whatever rested on it alone. */
  part(neighbour: Neighbour, nowMs: number): void {
    const session = neighbour as Session;
    if (!session.node.sessions.delete(session)) return;
    // What was relayed meanwhile says nothing of the time after.
    if (session.process !== undefined) session.process.risenAtMs = undefined;
    const named = session.vouchesFor;
    session.vouchesFor = new Set();
    for (const node of named) this.#withdraw(node, session);
    for (const node of named) this.#settle(node, nowMs);
    this.#settle(session.node, nowMs);
  }

  hear(neighbour: Neighbour, signs: SignsOfLife, nowMs: number): void {
    const session = neighbour as Session;
    if (!session.node.sessions.has(session)) return;
    if (signs.neighbours !== undefined) {
      session.neighbours = new Set(signs.neighbours);
      session.routedAt = -1;
    }
    this.#hearDirect(session, signs, nowMs);
    if (signs.relayed.length > 0 || session.vouchesFor.size > 0) this.#hearRelayed(session, signs, nowMs);
  }

  /** Gives up those whose counters have not risen for too long. To be called about once an interval. */
  expire(nowMs: number): void {
    if (this.#vouches === 0) return;
    for (const node of this.#nodes.values()) if (node.vouchers.size > 0) this.#settle(node, nowMs);
  }

  /** For whom we vouch to a neighbour, for its next heartbeat. */
  relayTo(neighbour: Neighbour): readonly RelayedPresence[] {
    const session = neighbour as Session;
    const targets = this.#targetsOf(session);
    session.told = targets.length === 0 ? nobody : targets.map(relayed);
    return session.told;
  }

  /** Whether a neighbour should hear at once that somebody came, went or changed: not of counters, nor of its own neighbours. */
  hasNewsFor(neighbour: Neighbour): boolean {
    const session = neighbour as Session;
    const targets = this.#targetsOf(session);
    if (targets.length === 0 && session.told.length === 0) return false;
    const told = new Map(session.told.map((presence) => [presence.nodeId, presence]));
    for (const { nodeId, live } of targets) {
      const before = told.get(nodeId);
      if (live === undefined || before?.boot !== live.boot || !isSameStanding(before, live.standing)) return true;
      told.delete(nodeId);
    }
    return [...told.keys()].some((nodeId) => !session.neighbours.has(nodeId));
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
    const isSame = isSameStanding(process.standing, presence);
    if (!isSame) process.standing = standingOf(presence);
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

  /** Whether that is news. */
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

  /** Draws the consequences of what has changed about a node. */
  #settle(node: Known, nowMs: number): void {
    const process = liveProcessOf(node, nowMs);
    const direct = process !== undefined && isDirect(node, process);
    if (process === node.live && process?.standing === node.standing && direct === node.isDirect) return;
    const before = node.standing;
    node.live = process;
    node.standing = process?.standing;
    node.isDirect = direct;
    this.#routes += 1;
    if (before !== undefined && node.standing !== undefined && isSameStanding(before, node.standing)) return;
    if (node.nodeId === this.#selfId) return;
    if (node.standing === undefined) this.#live.delete(node.nodeId);
    else this.#live.set(node.nodeId, node.standing);
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

  /** Forgets whoever is gone, if there are too many; whom somebody still names is needed, lest it seem to rise. */
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

/** Whatever was heard of one NodeId. */
class Known {
  readonly nodeId: NodeId;
  readonly processes = new Map<Boot, Process>();
  /** In order of admission. */
  readonly sessions = new Set<Session>();
  /** Whose latest list names it, and as which process. */
  readonly vouchers = new Map<Session, Boot>();
  /** Which of its processes is live, and what is known of it by everybody whom we have told. */
  live: Process | undefined;
  standing: Standing | undefined;
  isDirect = false;

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId;
  }
}

class Session implements Neighbour {
  readonly nodeId: NodeId;
  readonly boot: Boot;
  readonly node: Known;
  /** Once it has been heard. */
  process: Process | undefined;
  /** Whom its latest list names. */
  vouchesFor = new Set<Known>();
  neighbours: ReadonlySet<NodeId> = new Set();
  /** For whom we vouch to it, as of some state of the routes, and what it was told. */
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
  standing: Standing;
  /** As of which counter. */
  counter: number;
  /** The highest counter heard, whichever way. */
  highest: number;
  intervalMs: number;
  heardAtMs: number;
  /** When a relayed counter has risen last, since the last session with it ended. */
  risenAtMs: number | undefined;
  patienceMs: number;
}

/** A session says more than any relay, and the latest one most. */
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

/** Whether a neighbour would not hear of a node but from us: it has no session with it, nor with any of those who told us. */
function isNewTo(session: Session, { nodeId, live, isDirect, vouchers }: Known): boolean {
  const { neighbours } = session;
  if (nodeId === session.nodeId || neighbours.has(nodeId)) return false;
  if (isDirect) return true;
  for (const [voucher, boot] of vouchers) {
    if (boot === live?.boot && voucher.nodeId !== session.nodeId && !neighbours.has(voucher.nodeId)) return true;
  }
  return false;
}

function relayed({ nodeId, live }: Known): RelayedPresence {
  const { boot, intervalMs, counter, standing } = live as Process;
  return { nodeId, boot, intervalMs, counter, ...standing };
}

function believe(process: Process, presence: RelayedPresence, intervalMs: number): void {
  process.counter = presence.counter;
  process.intervalMs = Math.max(presence.intervalMs, intervalMs);
  if (!isSameStanding(process.standing, presence)) process.standing = standingOf(presence);
}

/** Forgets the process that was silent for longest, if there are too many, and one that nobody speaks of. */
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
    ...{ boot, standing: standingOf(presence), counter: presence.counter, highest: presence.counter },
    ...{ intervalMs: 0, heardAtMs: 0, risenAtMs: undefined, patienceMs: 0 },
  };
  processes.set(boot, process);
  return process;
}
