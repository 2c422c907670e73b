/**
 * What both `status` and `doctor` report about a running node: links that lag, clocks that differ, connections that
 * were refused.
 */

import { limits } from '../control/protocol.js';
import type { CertificateFinding, DatabaseLeftBehind, GatewayStatus, NodeStatus, PeerStatus } from '../index.js';
import { clean, count, counted } from './output.js';

/** A slower link is reported while something waits for it. */
const slowBytesPerSecond = 125_000;
/** Smaller differences of clocks are not reported. */
const driftToldMs = 2_000;
/**
 * How long `doctor` reports a failure or a refused connection: `limits.refusalNewsMs` passes between two reports of a
 * beacon, and a little more.
 */
const newsMs = 2 * 3_600_000;
/** With fewer left, a warning is given. */
const descriptorsLeftMin = 64;

/** The report about a link over which a peer lags behind. */
export function behindText({
  backlog = 0,
  bytesPerSecond,
}: Pick<PeerStatus | GatewayStatus, 'backlog' | 'bytesPerSecond'>): string | undefined {
  if (backlog === 0 || bytesPerSecond === undefined || bytesPerSecond > slowBytesPerSecond) return undefined;
  const entries = counted(backlog, 'entry', 'entries');
  return `is behind by ${entries}; the link carries about ${count(Math.round((8 * bytesPerSecond) / 1_000))} kbit/s`;
}

/** The report about a clock that differs from those of the peers. */
export function driftText(clockAheadMs: number | undefined): string | undefined {
  if (!isDrift(clockAheadMs)) return undefined;
  return `this machine's clock is ${aheadText(clockAheadMs)} those of its peers`;
}

/** The same about a peer, when this node's own clock is right. */
export function peerDriftText(
  { nodeId, clockAheadMs, roundTripMs = 0 }: Pick<PeerStatus, 'nodeId' | 'clockAheadMs' | 'roundTripMs'>,
  ownAheadMs: number | undefined,
): string | undefined {
  if (isDrift(ownAheadMs) || !isDrift(clockAheadMs, roundTripMs / 2)) return undefined;
  return `the clock of ${nodeId} is ${aheadText(clockAheadMs)} this machine's`;
}

function isDrift(aheadMs: number | undefined, uncertaintyMs = 0): aheadMs is number {
  return aheadMs !== undefined && Math.abs(aheadMs) >= driftToldMs + uncertaintyMs;
}

function aheadText(aheadMs: number): string {
  return `${count(Math.round(Math.abs(aheadMs) / 1_000))} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
}

/** Whether an event is recent enough to describe the present state. */
export function isNews(atMs: number, nowMs: number): boolean {
  return nowMs - atMs < newsMs;
}

/** `5 min ago`, `3 h ago`, `12 days ago`. */
export function agoText(atMs: number, nowMs: number): string {
  const minutes = Math.max(0, Math.round((nowMs - atMs) / 60_000));
  if (minutes < 120) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h ago` : `${count(Math.round(hours / 24))} days ago`;
}

/** The recently refused connections, one line for each reason. */
export function refusalTexts(refusals: NodeStatus['refusals'], nowMs: number): string[] {
  return refusals
    .filter(({ lastAtMs }) => isNews(lastAtMs, nowMs))
    .map(({ remoteAddress, count: times, message, lastAtMs }) => {
      const others = times > 1 ? ` and ${count(times - 1)} more` : '';
      return clean(`${remoteAddress}${others}, last ${agoText(lastAtMs, nowMs)}: ${message}`);
    });
}

/** The report about a certificate; undefined when it is valid for long. */
export function certificateWarning({ field, path, state, daysLeft }: CertificateFinding): string | undefined {
  const what = `${path} (${field})`;
  switch (state) {
    case 'ok':
      return undefined;
    case 'expiring':
      return `${what} expires in ${counted(daysLeft, 'day')}.`;
    case 'expired':
      return `${what} has expired.`;
    case 'early':
      return `${what} is not valid yet.`;
  }
}

/** Set when the file descriptors of the node run short. */
export function descriptorText(descriptors: NodeStatus['descriptors']): string | undefined {
  if (descriptors === undefined || descriptors.max - descriptors.open >= descriptorsLeftMin) return undefined;
  return `${count(descriptors.open)} of ${count(descriptors.max)} file descriptors are open`;
}

/** The report about another database in the data directory, with advice. */
export function leftBehindText(
  { path, nodeId, entries, failure }: DatabaseLeftBehind,
  present: string,
): { readonly message: string; readonly advice: string } {
  if (failure !== undefined || nodeId === undefined) {
    const message = `${clean(path)} may have entries that the database of ${present} lacks, and cannot be read: ${clean(failure?.message ?? 'it names no node')}`;
    return { message, advice: 'Move it to another directory, or delete it, if it is not needed.' };
  }
  const number = entries < limits.leftBehindEntriesMax ? '' : 'at least ';
  const those = `${number}${counted(entries, 'entry', 'entries')}`;
  const message = `${clean(path)} has ${those} that the database of ${present} lacks; no other node may have them.`;
  const origin = path.endsWith(`/${nodeId}.db`) ? '' : `Name it ${nodeId}.db in a directory of its own. `;
  const advice = `${origin}Stop this node, start that one once more (\`statemesh start --node-id ${nodeId}\`), and change it with \`statemesh reconfigure node-id=${present}\`: all its entries are copied. Or delete the file if it is not needed.`;
  return { message, advice };
}
