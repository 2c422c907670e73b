/**
 * On a cloud node: the access token of the node on the other side of a session. The session does nothing else before
 * the token is verified. The token can be renewed, and the session ends when it expires.
 *
 * Only one renewal may wait: a node that sends another one before the first is verified floods this node. If the
 * authority is unreachable, the renewal waits, and the present token stays valid meanwhile.
 */
import { assign, enqueueActions, sendTo, setup } from 'xstate';
import type { CredentialCommand, CredentialReport, Mailbox } from '../actors/mailboxes.js';
import { type VerifiedToken, verifyToken } from '../actors/slots.js';
import { itsEvent } from '../actors/typed.js';
import type { Configuration } from '../configuration/schema.js';
import { type Failure, failureOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Secret } from '../core/secret.js';

export interface CredentialInput {
  readonly parent: Mailbox<CredentialReport>;
  readonly token: Secret;
  readonly configuration: Configuration;
  readonly ca: string | undefined;
}

interface CredentialContext extends CredentialInput {
  /** The rights that the present token grants. */
  readonly verified: VerifiedToken | undefined;
  /** The reason why a renewal waits. */
  readonly lastFailure: Failure | undefined;
}

const floods = {
  code: 'unexpectedFrame',
  message: 'The other side renews its access token faster than it can be verified.',
} as const;
const otherSubject = {
  code: 'tokenRefused',
  message: 'The access token is refused: it names another subject than the one before.',
} as const;
const tokenExpired = {
  code: 'tokenExpired',
  message: 'The access token has expired and was not renewed.',
} as const;
const verificationTimedOut = {
  code: 'authorityUnavailable',
  message: `The access token could not be verified within ${limits.tokenVerificationTimeoutMs} ms.`,
} as const;

const machine = setup({
  types: { context: {} as CredentialContext, input: {} as CredentialInput, events: {} as CredentialCommand },
  actors: { verifyToken },
  delays: {
    verificationTimeout: limits.tokenVerificationTimeoutMs,
    renewalRetry: limits.tokenRenewalRetryMs,
    lifetime: ({ context }) => context.verified?.lifetimeMs ?? 0,
  },
  guards: {
    isSameSubject: ({ context }, { subject }: VerifiedToken) => context.verified?.subject === subject,
    isRefusal: (_, { error }: { error: unknown }) => failureOf(error).code === 'tokenRefused',
  },
  actions: {
    replaceToken: assign((_, { token }: { token: Secret }) => ({ token })),
    recordVerified: assign((_, verified: VerifiedToken) => ({ verified, lastFailure: undefined })),
    recordFailure: assign((_, { error }: { error: unknown }) => ({ lastFailure: failureOf(error) })),
    recordTimeout: assign({ lastFailure: verificationTimedOut }),
    reportVerified: sendTo(
      ({ context }) => context.parent,
      (_, { subject }: VerifiedToken) => ({ type: 'credential.verified' as const, subject }),
    ),
    reportEnded: sendTo(
      ({ context }) => context.parent,
      (_, failure: Failure) => ({ type: 'credential.ended' as const, failure }),
    ),
    reportError: enqueueActions(({ context, enqueue }, { error }: { error: unknown }) => {
      enqueue.sendTo(context.parent, { type: 'credential.ended', failure: failureOf(error) });
    }),
  },
}).createMachine({
  id: 'credential',
  context: ({ input }) => ({ ...input, verified: undefined, lastFailure: undefined }),
  initial: 'verifying',
  states: {
    /** Verifies the token of the handshake. Nothing is known of the other side before. */
    verifying: {
      invoke: {
        src: 'verifyToken',
        input: ({ context: { token, configuration, ca } }) => ({ token, configuration, ca }),
        onDone: {
          target: 'holding',
          actions: [
            { type: 'recordVerified', params: ({ event }) => event.output },
            { type: 'reportVerified', params: ({ event }) => event.output },
          ],
        },
        onError: { target: 'refused', actions: { type: 'reportError', params: itsEvent } },
      },
      after: {
        verificationTimeout: { target: 'refused', actions: { type: 'reportEnded', params: verificationTimedOut } },
      },
      on: {
        'credential.renew': { target: 'refused', actions: { type: 'reportEnded', params: floods } },
      },
    },
    /** The session has a valid token. */
    holding: {
      after: {
        lifetime: { target: 'expired', actions: { type: 'reportEnded', params: tokenExpired } },
      },
      on: {
        'credential.renew': { target: 'refused', actions: { type: 'reportEnded', params: floods } },
      },
      initial: 'valid',
      states: {
        valid: {
          on: {
            'credential.renew': {
              target: 'renewing',
              actions: { type: 'replaceToken', params: itsEvent },
            },
          },
        },
        renewing: {
          invoke: {
            src: 'verifyToken',
            input: ({ context: { token, configuration, ca } }) => ({ token, configuration, ca }),
            onDone: [
              {
                guard: { type: 'isSameSubject', params: ({ event }) => event.output },
                target: '#credential.holding',
                reenter: true,
                actions: { type: 'recordVerified', params: ({ event }) => event.output },
              },
              { target: '#credential.refused', actions: { type: 'reportEnded', params: otherSubject } },
            ],
            onError: [
              {
                guard: { type: 'isRefusal', params: itsEvent },
                target: '#credential.refused',
                actions: { type: 'reportError', params: itsEvent },
              },
              { target: 'deferred', actions: { type: 'recordFailure', params: itsEvent } },
            ],
          },
          after: { verificationTimeout: { target: 'deferred', actions: 'recordTimeout' } },
        },
        /** The authority is unreachable: the present token stays valid. */
        deferred: { after: { renewalRetry: 'renewing' } },
      },
    },
    // Not a final state: the session ends on this report, and stops this actor. A done event would arrive at a session
    // that has stopped.
    expired: {},
    refused: {},
  },
});

type CredentialMachineType = typeof machine;
/** The type of {@link credentialMachine}. */
export interface CredentialMachine extends CredentialMachineType {}
/** Verifies and renews the access token of one session on a cloud node, and ends the session when the token expires. */
export const credentialMachine: CredentialMachine = machine;
