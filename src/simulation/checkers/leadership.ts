/**
 * Two connected nodes do not both lead for longer than it takes them to hear of each other. No node follows a leader
 * for long that no process is any more. In the end each site has one leader, and all its nodes follow it: the eligible
 * node that precedes all other eligible nodes.
 */
import { rightfulLeader } from '../../core/election-rule.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** Time that a node takes to act on what it has heard. */
const patienceMs = 1_000;

export const leadership: CheckerFactory = (view, report) => {
  /** Since when two connected nodes have both led, by their addresses. */
  let rivals = new Map<string, number>();
  /** Since when a node has followed a leader that does not exist, by its address and the leader's NodeId. */
  let forlorn = new Map<string, number>();
  return {
    name: 'leadership',
    kind: 'safety',
    look() {
      const now = new Map<string, number>();
      for (const [a, b] of rivalsIn(view)) {
        const pair = `${a.address} ${b.address}`;
        const sinceMs = rivals.get(pair) ?? view.nowMs;
        now.set(pair, sinceMs);
        if (view.nowMs - sinceMs <= boundMs(view)) continue;
        report(`${a.nodeId} and ${b.nodeId} are connected, and both have led since ${sinceMs.toFixed(0)} ms.`);
      }
      rivals = now;
      forlorn = lookForForlorn(view, forlorn, report);
    },
    missing: () => (sitesOf(view).some((site) => disorderIn(view, site) !== undefined) ? 'led' : undefined),
    async settled() {
      for (const site of sitesOf(view)) {
        const disorder = disorderIn(view, site);
        if (disorder !== undefined) report(disorder);
      }
    },
  };
};

/**
 * What one leader says reaches the other with one heartbeat per connection in between, and one heartbeat may be late.
 */
function boundMs({ processes, slowest }: View): number {
  const intervalMs = Math.max(...processes.map(({ options }) => options.heartbeatIntervalMs ?? 1_000));
  const electionMs = Math.max(...processes.map(({ options }) => options.electionIntervalMs ?? 5_000));
  const beats = processes.length + limits.heartbeatsMissedMax;
  return beats * (intervalMs + 2 * slowest.latencyMs) + electionMs + patienceMs;
}

/** @returns the nodes that follow a leader that does not exist, and since when */
function lookForForlorn(
  view: View,
  before: ReadonlyMap<string, number>,
  report: (message: string) => void,
): Map<string, number> {
  const present = new Set(view.processes.flatMap(({ isThere, nodeId }) => (isThere ? [nodeId] : [])));
  const now = new Map<string, number>();
  for (const process of view.processes) {
    const leaderId = view.insideOf(process).vote?.leaderId;
    if (leaderId === undefined || present.has(leaderId)) continue;
    const name = `${process.address} ${leaderId}`;
    const sinceMs = before.get(name) ?? view.nowMs;
    now.set(name, sinceMs);
    if (view.nowMs - sinceMs <= forlornBoundMs(view)) continue;
    report(`${process.nodeId} follows ${leaderId}; no process has had that NodeId since ${sinceMs.toFixed(0)} ms.`);
  }
  return now;
}

/** Each node on the path may vouch for a dead node for as long as its heartbeats may be missed. */
function forlornBoundMs(view: View): number {
  const intervalMs = Math.max(...view.processes.map(({ options }) => options.heartbeatIntervalMs ?? 1_000));
  const patienceMs = (limits.heartbeatsMissedMax + 1) * intervalMs + 5 * view.slowest.latencyMs;
  return boundMs(view) + view.processes.length * patienceMs;
}

/** Pairs of leaders that are connected, also through other nodes. */
function rivalsIn(view: View): readonly (readonly [NodeProcess, NodeProcess])[] {
  const leaders = view.processes.filter((process) => view.insideOf(process).vote?.state === 'leader');
  if (leaders.length < 2) return [];
  return leaders.flatMap((leader, index) => {
    const connected = connectedWith(view, leader);
    return leaders.slice(index + 1).flatMap((other) => (connected.has(other) ? [[leader, other] as const] : []));
  });
}

/** All nodes on a path of sessions that both sides consider open. */
function connectedWith(view: View, start: NodeProcess): ReadonlySet<NodeProcess> {
  const members = view.processes.filter(({ isUp, isCloud }) => isUp && !isCloud);
  const neighbors = new Map(members.map((process) => [process, addressesOfPeers(view, process)]));
  const isLinked = (a: NodeProcess, b: NodeProcess) =>
    neighbors.get(a)?.has(b.address) === true && neighbors.get(b)?.has(a.address) === true;
  const connected = new Set([start]);
  // Iterating over a set also visits elements that are added meanwhile.
  for (const process of connected) for (const other of members) if (isLinked(process, other)) connected.add(other);
  return connected;
}

function addressesOfPeers({ insideOf }: View, process: NodeProcess): ReadonlySet<string> {
  const open = insideOf(process).sessions.filter(({ value }) => value === 'synchronizing');
  return new Set(open.map(({ context }) => context.connection.remoteHost));
}

function sitesOf({ processes, shares }: View): readonly (readonly NodeProcess[])[] {
  const sites: NodeProcess[][] = [];
  for (const process of processes) {
    if (process.isCloud) continue;
    const site = sites.find(([first]) => first !== undefined && shares('cluster', first, process));
    if (site === undefined) sites.push([process]);
    else site.push(process);
  }
  return sites;
}

/** What is wrong with the leadership of a site; undefined when nothing is, or when no node votes there. */
function disorderIn({ insideOf }: View, site: readonly NodeProcess[]): string | undefined {
  const votes = site.flatMap((process) => {
    const { vote } = insideOf(process);
    return vote === undefined ? [] : [{ ...vote, isEligible: vote.state !== 'observer' }];
  });
  if (votes.length === 0) return undefined;
  const rightful = rightfulLeader(votes);
  const leaders = votes.filter(({ state }) => state === 'leader').map(({ nodeId }) => nodeId);
  if (leaders.length > 1 || leaders[0] !== rightful) {
    return `${leaders.join(' and ') || 'No node'} leads; the leader should be ${rightful ?? 'no node'}.`;
  }
  const stray = votes.find(({ leaderId }) => leaderId !== rightful);
  return stray && `${stray.nodeId} follows ${stray.leaderId ?? 'no node'}, but the leader is ${rightful ?? 'no node'}.`;
}
