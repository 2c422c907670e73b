/**
 * Bytes that move bring entries nearer: while the world is left alone, a node does not receive the same bytes again and
 * again. Bytes that it receives, apart from heartbeats and the like, become commits, except for those still in flight:
 * a large document and some batches.
 *
 * This also detects sessions that end and begin again without a fault, when each of them begins with the same bytes.
 */
import { type Hlc, hlcZero, isTooFarAhead } from '../../core/hlc.js';
import { limits } from '../../core/limits.js';
import type { CheckerFactory } from '../checker.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

/** Smaller pieces are heartbeats, acknowledgements, clocks and greetings, which continue when nothing else does. */
const pieceBytesMin = 1_000;
/** Bytes around a document in flight, and how often a node may send it: before and after a session breaks. */
const entryOverheadBytes = 1_000;
const passages = 2;
const batchesBytesMax = limits.batchesInFlightMax * limits.batchBytesMax;

/** Bytes that a node received. */
interface Receipts {
  /** Bytes that its commits account for: each node that it is connected with may have sent all of them. */
  committedBytes: number;
  /** Received bytes by the sender's address. */
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
  /**
   * Received entries become commits late or never there: the disk fails or is full, or the writer's clock is too far
   * ahead.
   */
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
      report(`${receiver?.nodeId} has received ${excessBytes} bytes from ${sender} that are in none of its commits.`);
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
