/** The credential: a token that is verified, renewed and expires, with every answer of the authority. */

import type { VerifiedToken } from '../../../src/actors/slots.js';
import { StatemeshError } from '../../../src/core/errors.js';
import { Secret } from '../../../src/core/secret.js';
import { credentialMachine } from '../../../src/machines/credential.machine.js';
import { defineWalk } from '../walk.js';
import { configuration, mailbox } from './samples.js';

const token = new Secret('token');
const verified: VerifiedToken = { subject: 'site-1', expiresAtMs: 1, lifetimeMs: 1 };

export const credential = defineWalk({
  machine: credentialMachine,
  inputs: [{ parent: mailbox(), token, configuration, ca: undefined }],
  facts: ({ verified, lastFailure }) => [verified?.subject, lastFailure?.code],
  samples: { 'credential.renew': { '': { type: 'credential.renew', token } } },
  outputs: { verifyToken: { '': verified, 'of somebody else': { ...verified, subject: 'site-2' } } },
  errors: {
    verifyToken: {
      refused: new StatemeshError('tokenRefused', 'It is refused.'),
      unavailable: new StatemeshError('authorityUnavailable', 'It is away.'),
    },
  },
  // The session stops it.
  resting: ['expired', 'refused'],
  goals: [['expired', 'refused']],
  laws: {
    'nothing is held that was not verified': ({ verified }, leaves) =>
      verified !== undefined || !leaves.some((leaf) => leaf.startsWith('holding')),
  },
  ignored: [
    {
      states: ['expired', 'refused'],
      events: ['credential.renew'],
      why: 'The session has been told that this is the end, and closes.',
    },
  ],
});
