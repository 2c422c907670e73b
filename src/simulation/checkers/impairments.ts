/**
 * A disk that fails is the trouble of its own node. That node does not lead while it knows of it, and knows no longer than the disk fails,
 * but for the time in which it has to prove sound. No session ends for the sake of a disk. The others go on: while nothing is wrong but disks, no node whose disk is sound begins
 * to lead, or loses its link to the cloud, more than a few times.
 */

import type { Failure } from '../../core/errors.js';
import { isImpairment } from '../../core/impairment.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory, View } from '../checker.js';
import type { NodeProcess } from '../node.js';

/** What a node takes to step down. */
const patienceMs = 100;
/** For each other node that hands over, and once more when two leaders met. */
const beginningsMax = 3;
/** The first moments after a fault are still its consequence: sessions end, two leaders meet, the smaller one claims again. */
const aftermathMs = 2 * limits.stableMaxMs;

export const impairments: CheckerFactory = (view, report) => {
  /** Since when one has led although it is impaired, by its address. */
  let leadingSinceMs = new Map<string, number>();
  let disturbedAtMs = 0;
  /** What has happened to nodes with sound disks since nothing was wrong but disks, by what it was. */
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
    happened(process, { happening }) {
      if (happening.type === 'reconfiguration.finished' || happening.type === 'uplink.changed') disturbed();
      const isEnd = happening.type === 'peer.disconnected' || happening.type === 'gateway.disconnected';
      if (isEnd && isImpairment(happening.failure.code)) {
        report(`${process.nodeId} has lost a session for the sake of a disk: ${JSON.stringify(happening)}`);
      }
      const isBeginning = happening.type === 'leadership.changed' && happening.isLeader;
      if (!isBeginning && happening.type !== 'gateway.disconnected') return;
      if (!process.isDiskSound || view.nowMs - disturbedAtMs < aftermathMs) return;
      const what = `${process.nodeId} ${isBeginning ? 'began to lead' : 'lost its link to the cloud'}`;
      const count = (counts.get(what) ?? 0) + 1;
      counts.set(what, count);
      if (count > beginningsMax) {
        report(
          `${what} ${count} times since ${disturbedAtMs.toFixed(0)} ms, while nothing was wrong but disks of others.`,
        );
      }
    },
    look() {
      if (!view.isCalm) disturbed();
      const leading = new Map<string, number>();
      for (const process of view.processes) {
        // What is known of its inside may be of a moment ago.
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

/** Who is taken for impaired, by itself or by others, although all disks are sound. */
function mistakesIn({ processes, insideOf }: View): readonly string[] {
  return processes
    .filter(({ isUp }) => isUp)
    .flatMap((process) => {
      const others = [...(insideOf(process).vote?.live ?? [])].filter(([, { impairment }]) => impairment !== undefined);
      const taken = others.map(([nodeId]) => `${process.nodeId} still takes the database of ${nodeId} for impaired.`);
      const isOwn = impairmentOf(process) !== undefined;
      return isOwn ? [`${process.nodeId} still takes its database for impaired.`, ...taken] : taken;
    });
}

function impairmentOf({ node }: NodeProcess): Failure | undefined {
  return node.actor.getSnapshot().context.impairment;
}
