/**
 * A node sends no data over a connection before the other side has identified itself in a handshake: vector clocks and
 * batches go only to known nodes. A cloud node accepts only clients whose token was issued for it by its authority, and
 * only until the token expires. No node sends a token to anything but a cloud node.
 */

import { frameNumbers } from '../../wire/codec.js';
import { defaultScope } from '../authority.js';
import type { CheckerFactory, View } from '../checker.js';
import { FrameScanner } from '../frame-scanner.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

const handshakes: ReadonlySet<number> = new Set([
  frameNumbers['frame.handshakeRequest'],
  frameNumbers['frame.handshakeResponse'],
]);
const beforeAdmission: ReadonlySet<number> = new Set([...handshakes, frameNumbers['frame.goodbye']]);
const decoded: ReadonlySet<number> = new Set([...handshakes, frameNumbers['frame.tokenRenewal']]);

/** How far the clocks of authority and cloud node may differ. */
const toleranceMs = 30_000;
/** Time for a cloud node to check a token and to end a session, and for a move of its clock meanwhile. */
const patienceMs = 15_000;

/** What has passed on one stream. */
interface Introduction {
  /** The end that is a cloud node. */
  readonly cloud: NodeProcess | undefined;
  /** The ends that have received a handshake from the other side. */
  readonly known: Set<string>;
  readonly scanners: Map<string, FrameScanner>;
  /** When the token that was shown expires for the other end; undefined when no valid token was shown. */
  entitledUntilMs: number | undefined;
}

export const authentication: CheckerFactory = (view, report) => {
  const introductions = new Map<number, Introduction>();

  const introductionOf = (stream: number, addresses: readonly string[]): Introduction => {
    const known = introductions.get(stream);
    if (known !== undefined) return known;
    const cloud = view.processes.find(({ isCloud, address }) => isCloud && addresses.includes(address));
    const introduction = { cloud, known: new Set<string>(), scanners: new Map(), entitledUntilMs: undefined };
    introductions.set(stream, introduction);
    return introduction;
  };

  const show = (introduction: Introduction, token: string, to: string): void => {
    const { cloud } = introduction;
    if (cloud?.address !== to) report(`A token was shown to ${to}, which is not a cloud node.`);
    else introduction.entitledUntilMs = entitledUntilMs(view, cloud, token) ?? introduction.entitledUntilMs;
  };

  return {
    name: 'authentication',
    kind: 'safety',
    delivered({ from, to, kind, stream, bytes }) {
      // Kept when one end is closed: bytes of the other end are still in flight.
      if (stream === undefined || kind !== 'bytes' || bytes === undefined) return;
      const introduction = introductionOf(stream, [from, to]);
      const { cloud, known, scanners } = introduction;
      // When both ends know each other, nothing can be sent too early; only tokens may still be renewed.
      if (known.size === 2 && cloud?.address !== to) return;
      const scanner = scanners.get(from) ?? new FrameScanner(decoded);
      scanners.set(from, scanner);
      scanner.push(bytes, (type, frame) => {
        if (handshakes.has(type)) known.add(to);
        else if (!known.has(from) && !beforeAdmission.has(type)) {
          report(`${from} sent frame ${type} to ${to} before it received a handshake from there.`);
        }
        if (frame?.type === 'frame.handshakeRequest' || frame?.type === 'frame.tokenRenewal') {
          if (frame.token !== undefined) show(introduction, frame.token.reveal(), to);
        }
        const admits = frame?.type === 'frame.handshakeResponse' && frame.refusal === undefined;
        if (admits && cloud?.address === from && introduction.entitledUntilMs === undefined) {
          report(`${cloud.nodeId} admitted ${to}, which showed no valid token.`);
        }
      });
    },
    look() {
      for (const process of view.processes) {
        if (!process.isCloud || !process.isUp) continue;
        for (const { value, context } of view.insideOf(process).sessions) {
          const { stream } = context.connection as { stream?: number };
          const { entitledUntilMs: untilMs } = introductions.get(stream ?? -1) ?? {};
          if (value !== 'synchronizing' || untilMs === undefined || view.nowMs <= untilMs) continue;
          report(`${process.nodeId} still has a session with ${context.peer?.nodeId}, whose token has expired.`);
        }
      }
    },
  };
};

/** Until when, in virtual ms, a token admits its bearer at a cloud node; undefined when it does not. */
function entitledUntilMs(
  { nowMs, grantOf }: View,
  { options, skewMs }: NodeProcess,
  token: string,
): number | undefined {
  const grant = grantOf(token);
  const { authority, audience, scope = defaultScope } = options;
  if (grant === undefined || grant.issuer !== authority || !grant.scopes.includes(scope)) return undefined;
  if (audience !== undefined && grant.audience !== audience) return undefined;
  const untilMs = grant.expiresAtMs - worldEpochMs - skewMs + toleranceMs + patienceMs;
  return untilMs < nowMs ? undefined : untilMs;
}
