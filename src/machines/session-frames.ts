/** Builds the frames of a session from its context. */
import type { Secret } from '../core/secret.js';
import { clockOfScopes } from '../core/vector-clock.js';
import { type Frame, protocolVersion, type Refusal } from '../wire/messages.js';
import type { SessionContext } from './session-context.js';

interface Given {
  readonly context: SessionContext;
}

export function requestFrame({ context: { identity, access } }: Given): Frame {
  const token = access.kind === 'token' ? access.token : undefined;
  return { type: 'frame.handshakeRequest', version: protocolVersion, identity, token };
}

/** Admits the other side, or refuses it. */
export function responseFrame({ context: { identity } }: Given, refusal?: Refusal): Frame {
  return { type: 'frame.handshakeResponse', version: protocolVersion, identity, refusal };
}

export function goodbyeFrame({ code, message }: Refusal): Frame {
  return { type: 'frame.goodbye', code, message };
}

export function clockFrame({ context: { store, scopes } }: Given): Frame {
  return { type: 'frame.vectorClock', clock: new Map(clockOfScopes(store.clock(), scopes)), received: 0 };
}

export function renewalFrame({ token }: { readonly token: Secret }): Frame {
  return { type: 'frame.tokenRenewal', token };
}

export function relocatedFrame({ port }: { readonly port: number }): Frame {
  return { type: 'frame.relocated', port };
}

export const pingFrame: Frame = { type: 'frame.ping' };
export const pongFrame: Frame = { type: 'frame.pong' };
