/**
 * Bytes that move bring entries nearer: while nobody meddles with the world, a node does not get the same bytes again and again. What
 * comes to it, beyond heartbeats and the like, turns into commits, but for what is still on its way: a large document, and some batches.
 *
 * Sessions that end and begin again without a fault are seen by this, too, when each of them begins with the same bytes.
 */
import { type Hlc, hlcZero, isTooFarAhead } from '../../core/hlc.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

/** Smaller pieces are heartbeats, acknowledgements, clocks and greetings, which go on when nothing else does. */
const pieceBytesMin = 1_000;
/** What is around a document on its way, and how often it may come from one node: before and after a session breaks. */
const entryOverheadBytes = 1_000;
const passages = 2;
const batchesBytesMax = limits.batchesInFlightMax * limits.batchBytesMax;

/** What has come to a node. */
interface Receipts {
  /** What its commits account for: each node that it is connected with may have brought all of it. */
  committedBytes: number;
  /** By the address of who sent it. */
  readonly movedBytes: Map<string, number>;
}

export const progress: CheckerFactory = (view, report) => {
  const receipts = new Map<string, Receipts>();
  let largestBytes = 0;
  let latestHlc: Hlc = hlcZero;
  const receiptsAt = (address: string) => {
    const known = receipts.get(address) ?? { committedBytes: 0, movedBytes: new Map() };
    receipts.set(address, known);
    return known;
  };
  const processAt = (address: string) => view.processes.find((process) => process.address === address);
  /** Nothing becomes a commit there, or not yet: for want of a disk, or since it was written by a clock that is too far ahead. */
  const mayKeepOut = ({ isDiskFull, diskFailure, skewMs }: NodeProcess) => {
    const wallMs = worldEpochMs + view.nowMs + skewMs;
    return isDiskFull || diskFailure !== undefined || isTooFarAhead(latestHlc, wallMs, limits.clockDriftMaxMs);
  };
  const forgive = ({ committedBytes, movedBytes }: Receipts) => {
    for (const [from, bytes] of movedBytes) movedBytes.set(from, Math.min(bytes, committedBytes));
  };
  const forgiveAll = () => {
    for (const each of receipts.values()) forgive(each);
  };
  return {
    name: 'progress',
    kind: 'liveness',
    delivered({ kind, from, to, bytes }) {
      if (kind !== 'bytes' || bytes === undefined || bytes.length < pieceBytesMin) return;
      const known = receiptsAt(to);
      const movedBytes = (known.movedBytes.get(from) ?? 0) + bytes.length;
      known.movedBytes.set(from, movedBytes);
      const excessBytes = movedBytes - known.committedBytes;
      if (excessBytes <= passages * (largestBytes + batchesBytesMax / 2)) return;
      const receiver = processAt(to);
      if (receiver !== undefined && mayKeepOut(receiver)) {
        forgive(known);
        return;
      }
      const sender = processAt(from)?.nodeId;
      report(`${receiver?.nodeId} has got ${excessBytes} bytes of ${sender} that are in none of its commits.`);
    },
    committed({ address }, { runs }) {
      const known = receiptsAt(address);
      for (const { hlc, payload } of runs.flatMap((run) => run.entries)) {
        largestBytes = Math.max(largestBytes, payload.length);
        if (hlc > latestHlc) latestHlc = hlc;
        known.committedBytes += passages * (payload.length + entryOverheadBytes);
      }
    },
    meddled: forgiveAll,
    ended: forgiveAll,
    opened({ address }) {
      receipts.delete(address);
      forgiveAll();
    },
  };
};
