/**
 * A failing disk affects only its own node. That node does not lead while it knows of the failure. It considers itself
 * impaired only while the disk fails, plus the time that the disk has to prove sound. No session ends because of a
 * disk. The other nodes continue: while only disks are failing, no node with a sound disk starts to lead, or loses its
 * link to the cloud, more than a few times.
 */

import type { Failure } from '../../core/errors.js';
import { isImpairment } from '../../core/impairment.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** Time that a node takes to step down. */
const patienceMs = 100;
/** One start for each other node that hands over, and one more when two leaders met. */
const beginningsMax = 3;
/**
 * The first moments after a fault still show its consequences: sessions end, two leaders meet, the smaller one claims
 * again.
 */
const aftermathMs = 2 * limits.stableMaxMs;

export const impairments: CheckerFactory = (view, report) => {
  /** Since when an impaired node has led, by its address. */
  let leadingSinceMs = new Map<string, number>();
  let disturbedAtMs = 0;
  /** Events at nodes with sound disks since the last other fault, counted by kind. */
  let counts = new Map<string, number>();

  const disturbed = (): void => {
    disturbedAtMs = view.nowMs;
    counts = new Map();
  };

  return {
    name: 'impairments',
    kind: 'safety',
    meddled(what) {
      if (!what.includes(' the disk of ')) disturbed();
    },
    opened: disturbed,
    ended: disturbed,
    happened(process, { nodeEvent }) {
      if (nodeEvent.type === 'reconfiguration.finished' || nodeEvent.type === 'uplink.changed') disturbed();
      const isEnd = nodeEvent.type === 'peer.disconnected' || nodeEvent.type === 'gateway.disconnected';
      if (isEnd && isImpairment(nodeEvent.failure.code)) {
        report(`${process.nodeId} has lost a session because of a disk: ${JSON.stringify(nodeEvent)}`);
      }
      const isBeginning = nodeEvent.type === 'leadership.changed' && nodeEvent.isLeader;
      if (!isBeginning && nodeEvent.type !== 'gateway.disconnected') return;
      if (!process.isDiskSound || view.nowMs - disturbedAtMs < aftermathMs) return;
      const what = `${process.nodeId} ${isBeginning ? 'began to lead' : 'lost its link to the cloud'}`;
      const count = (counts.get(what) ?? 0) + 1;
      counts.set(what, count);
      if (count > beginningsMax) {
        report(
          `${what} ${count} times since ${disturbedAtMs.toFixed(0)} ms, while the only faults were disks of other nodes.`,
        );
      }
    },
    look() {
      if (!view.isCalm) disturbed();
      const leading = new Map<string, number>();
      for (const process of view.processes) {
        // A look inside a node may be a moment old.
        if (!process.isUp) continue;
        const { vote } = view.insideOf(process);
        if (vote?.state !== 'leader' || impairmentOf(process) === undefined) continue;
        const sinceMs = leadingSinceMs.get(process.address) ?? view.nowMs;
        leading.set(process.address, sinceMs);
        if (view.nowMs - sinceMs <= patienceMs) continue;
        report(`${process.nodeId} has led since ${sinceMs.toFixed(0)} ms although its database is impaired.`);
      }
      leadingSinceMs = leading;
    },
    missing: () => (mistakesIn(view).length > 0 ? 'sound' : undefined),
    async settled() {
      for (const mistake of mistakesIn(view)) report(mistake);
    },
  };
};

/** Nodes that count as impaired, for themselves or for others, although all disks are sound. */
function mistakesIn({ processes, insideOf }: View): readonly string[] {
  return processes
    .filter(({ isUp }) => isUp)
    .flatMap((process) => {
      const others = [...(insideOf(process).vote?.live ?? [])].filter(([, { impairment }]) => impairment !== undefined);
      const taken = others.map(([nodeId]) => `${process.nodeId} still considers the database of ${nodeId} impaired.`);
      const isOwn = impairmentOf(process) !== undefined;
      return isOwn ? [`${process.nodeId} still considers its own database impaired.`, ...taken] : taken;
    });
}

function impairmentOf({ node }: NodeProcess): Failure | undefined {
  return node.actor.getSnapshot().context.impairment;
}
