/**
 * Nobody sends data over a connection before the other side has said, in a handshake, who it is: vector clocks and batches go only
 * to whom one knows. A cloud node knows only who shows a token that its authority has issued for it, and only until it expires; and
 * nobody shows a token to anybody else.
 */

import { defaultScope } from '../authority.js';
import type { CheckerFactory, View } from '../checker.js';
import { FrameScanner } from '../frame-scanner.js';
import type { NodeProcess } from '../node.js';
import { worldEpochMs } from '../node-ports.js';

/** The numbers of frames on the wire: see `wire/codec.ts`. */
const [handshakeRequest, handshakeResponse, goodbye, tokenRenewal] = [1, 2, 39, 40];
const handshakes: ReadonlySet<number> = new Set([handshakeRequest, handshakeResponse]);
const beforeAdmission: ReadonlySet<number> = new Set([...handshakes, goodbye]);
const decoded: ReadonlySet<number> = new Set([...handshakes, tokenRenewal]);

/** How far the clocks of authority and cloud node may be apart. */
const toleranceMs = 30_000;
/** What a cloud node takes to check a token, to end a session, and for what its clock was moved by meanwhile. */
const patienceMs = 15_000;

/** What has passed on one stream. */
interface Introduction {
  /** The end of it that is a cloud node. */
  readonly cloud: NodeProcess | undefined;
  /** Who has heard a handshake of the other side. */
  readonly known: Set<string>;
  readonly scanners: Map<string, FrameScanner>;
  /** Until when a token that was shown entitles the other end; undefined when none does. */
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
    if (cloud?.address !== to) report(`A token was shown to ${to}, which is no cloud node.`);
    else introduction.entitledUntilMs = entitledUntilMs(view, cloud, token) ?? introduction.entitledUntilMs;
  };

  return {
    name: 'authentication',
    kind: 'safety',
    delivered({ from, to, kind, stream, bytes }) {
      // Kept when an end is closed: what the other one has sent is still on its way.
      if (stream === undefined || kind !== 'bytes' || bytes === undefined) return;
      const introduction = introductionOf(stream, [from, to]);
      const { cloud, known, scanners } = introduction;
      // Both know each other, and nothing can be sent too early any more; but tokens may be renewed.
      if (known.size === 2 && cloud?.address !== to) return;
      const scanner = scanners.get(from) ?? new FrameScanner(decoded);
      scanners.set(from, scanner);
      scanner.push(bytes, (type, frame) => {
        if (handshakes.has(type)) known.add(to);
        else if (!known.has(from) && !beforeAdmission.has(type)) {
          report(`${from} has sent frame ${type} to ${to} before a handshake had come from there.`);
        }
        if (frame?.type === 'frame.handshakeRequest' || frame?.type === 'frame.tokenRenewal') {
          if (frame.token !== undefined) show(introduction, frame.token.reveal(), to);
        }
        const admits = frame?.type === 'frame.handshakeResponse' && frame.refusal === undefined;
        if (admits && cloud?.address === from && introduction.entitledUntilMs === undefined) {
          report(`${cloud.nodeId} has admitted ${to}, which has shown no token that entitles it.`);
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

/** Until when, in virtual ms, a token entitles its bearer at a cloud node; undefined when it does not. */
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
