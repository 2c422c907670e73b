/** The bounds of remote peers as documents; other cases are in test/integration/database-remote-peers.test.ts. */
import { describe, expect, it } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import { parseRemotePeer } from '../../src/remote-peers/peer-document.js';

function problemOf(changes: object): string | undefined {
  const oAuth2 = { authority: 'https://identity.example.com', clientId: 'lan', scopes: [], ...changes };
  const document = {
    NodeId: 'cloud',
    Address: 'cloud:1',
    Type: 2,
    OAuth2Json: JSON.stringify(oAuth2),
    IsEnabled: true,
  };
  try {
    parseRemotePeer('cloud', document);
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('parseRemotePeer', () => {
  it('texts and scopes at their maximum -> accepted; beyond -> peerInvalid', () => {
    for (const field of ['clientId', 'clientSecret', 'audience']) {
      expect([field, problemOf({ [field]: 'x'.repeat(limits.oAuth2TextLengthMax) })]).toEqual([field, undefined]);
      expect([field, problemOf({ [field]: 'x'.repeat(limits.oAuth2TextLengthMax + 1) })]).toEqual([
        field,
        'peerInvalid',
      ]);
    }
    expect(problemOf({ scopes: Array(limits.scopesMax).fill('s') })).toBe(undefined);
    expect(problemOf({ scopes: Array(limits.scopesMax + 1).fill('s') })).toBe('peerInvalid');
  });
});
