/**
 * A gateway: its commands, fresh and stale tokens, and a session that identifies the other side, matches, or ends for
 * any reason.
 */

import type { Mailbox, SessionCommand, SessionIdentified, SessionOutput } from '../../../src/actors/mailboxes.js';
import type { AccessToken } from '../../../src/actors/slots.js';
import type { AuthorKey } from '../../../src/core/author.js';
import { StatemeshError } from '../../../src/core/errors.js';
import type { NodeId } from '../../../src/core/ids.js';
import { Secret } from '../../../src/core/secret.js';
import { gatewayMachine } from '../../../src/machines/gateway.machine.js';
import type { CloudPeer } from '../../../src/remote-peers/remote-peer.js';
import type { Identity } from '../../../src/wire/messages.js';
import { defineWalk } from '../walk.js';
import {
  adjusted,
  configuration,
  configured,
  connection,
  larger,
  lost,
  mailbox,
  smaller,
  store,
  us,
} from './samples.js';

export const cloudPeer: CloudPeer = {
  nodeId: larger.nodeId,
  address: 'cloud.example.com:9000',
  type: 2,
  isEnabled: true,
  oAuth2: { authority: 'https://identity.example.com', clientId: 'shop', scopes: [] },
};
const disabled: CloudPeer = { ...cloudPeer, isEnabled: false };

interface Session {
  readonly session: { readonly sessionId: string; readonly ref: Mailbox<SessionCommand> } | undefined;
}

function identified(identity: Identity) {
  return ({ session }: Session): SessionIdentified | undefined =>
    session && {
      type: 'session.identified',
      sessionId: session.sessionId,
      session: session.ref,
      identity,
      direction: 'dialed',
      expected: larger.nodeId,
      subject: undefined,
      remoteAddress: '127.0.0.1:5',
      remoteHost: '127.0.0.1',
    };
}

const token: AccessToken = { token: new Secret('token'), expiresAtMs: 300_000, lifetimeMs: 300_000 };
const ended = (failure: SessionOutput['failure']): SessionOutput => ({
  sessionId: 'session-1',
  peerId: larger.nodeId,
  expected: larger.nodeId,
  failure,
});

export const gateway = defineWalk({
  machine: gatewayMachine,
  inputs: [cloudPeer, disabled].map((peer) => ({
    peer,
    parent: mailbox(),
    identity: us,
    store,
    configuration,
    keys: undefined,
    ca: undefined,
    random: () => 0,
    now: () => 0,
  })),
  facts: ({ peer, assignment, token, wasTokenRefused, session, toldCondition }) => [
    ...[
      peer.isEnabled,
      peer.address,
      assignment,
      token?.expiresAtMs,
      wasTokenRefused,
      session?.isAdmitted,
      toldCondition,
    ],
  ],
  samples: {
    'gateway.open': { '': { type: 'gateway.open' } },
    'gateway.idle': { '': { type: 'gateway.idle' } },
    'gateway.probe': { '': { type: 'gateway.probe' } },
    'gateway.revise': {
      enabled: { type: 'gateway.revise', peer: cloudPeer },
      disabled: { type: 'gateway.revise', peer: disabled },
      moved: { type: 'gateway.revise', peer: { ...cloudPeer, address: 'elsewhere:9000' } },
    },
    'configuration.adjusted': {
      '': adjusted('intervals'),
      'the way': ({ configuration }) => {
        const { plaintextCloud } = configuration;
        const next = { ...configured, configuration: { ...configuration, plaintextCloud: !plaintextCloud } };
        return { ...adjusted('uplink'), configured: next };
      },
    },
    'attempt.failed': {},
    'session.identified': { '': identified(larger), 'somebody else': identified(smaller) },
    'session.neighbors': {
      '': { type: 'session.neighbors', sessionId: 'session-1', neighbors: new Set(['n' as NodeId]) },
    },
    'session.matched': {
      own: ({ session }: Session) => session && ({ type: 'session.matched', sessionId: session.sessionId } as const),
      another: { type: 'session.matched', sessionId: 'session-0' },
    },
    'session.advanced': {
      own: ({ session }: Session) => session && ({ type: 'session.advanced', sessionId: session.sessionId } as const),
      another: { type: 'session.advanced', sessionId: 'session-0' },
    },
    'session.answered': { '': { type: 'session.answered', sessionId: 'session-1' } },
    'session.aligned': { '': { type: 'session.aligned', sessionId: 'session-1' } },
    'session.relocated': { '': { type: 'session.relocated', sessionId: 'session-1', port: 9 } },
    'session.probed': { '': { type: 'session.probed', sessionId: 'session-1' } },
    'session.diverged': {
      '': { type: 'session.diverged', sessionId: 'session-1', authors: ['a/i/shared' as AuthorKey] },
    },
    notice: { '': { type: 'notice', nodeEvent: { type: 'failure', where: 'here', failure: lost } } },
  },
  outputs: {
    requestToken: { '': token, stale: { ...token, expiresAtMs: 0, lifetimeMs: 0 } },
    dialCloud: { '': connection },
    session: {
      '': ended(lost),
      'token refused': ended({ code: 'tokenRefused', message: 'No.' }),
      refused: ended({ code: 'protocolUnsupported', message: 'No.' }),
    },
  },
  errors: {
    requestToken: { '': lost, refused: new StatemeshError('authorityRefused', 'No.') },
    dialCloud: { '': lost, refused: new StatemeshError('certificateInvalid', 'No.') },
  },
  resting: ['disabled', 'idle', 'connecting.introducing', 'online.session.settled', 'online.token.fresh'],
  retrying: ['backingOff', 'rejected', 'online.token.aging'],
  goals: [['disabled', 'idle', 'online.session.settled']],
  laws: {
    'it holds a session only on its way, or online': ({ session }, [state]) =>
      session === undefined || state?.startsWith('connecting') === true || state?.startsWith('online') === true,
    'it rests only if it was not told to connect': ({ assignment }, [state]) =>
      state !== 'idle' || assignment === 'idle',
    'it connects only if it was told to': ({ assignment, peer }, [state]) =>
      state === 'disabled' || state === 'idle' || (assignment !== 'idle' && peer.isEnabled),
    'the parent knows whether it is online': ({ toldCondition }, [state]) =>
      (toldCondition === 'online') === (state?.startsWith('online') === true),
  },
  ignored: [
    {
      states: ['online'],
      events: ['session.identified'],
      why: 'Its session has said who is there already, and says it once.',
    },
  ],
});
