import { describe, expect, it } from '@jest/globals';
import { initialPeerDocuments } from '../../src/configuration/initial-peers.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import { failureOf } from '../../src/core/errors.js';
import { ClusterKeys } from '../../src/core/keys.js';
import { isSealed } from '../../src/core/sealing.js';

const member = { nodeId: 'a', clusterKey: 'a key of the tests', clusterSalt: 'salt-of-tests' };
const reference = '$' + '{SECRET_FROM_ENV}';
const oAuth2 = {
  authority: 'https://identity.example.com',
  clientId: 'lan-cluster-client',
  clientSecret: reference,
  scopes: ['entgldb:sync'],
};
const cloud = { nodeId: 'cloud-node-1', address: 'remote.entgldb.com:9000', type: 'CloudRemote', oAuth2 };
const parse = (configuration: object) => parseConfiguration(configuration).initialRemotePeers;
const refusalOf = (configuration: object) => {
  try {
    return `${parse(configuration).length} peers`;
  } catch (error) {
    const { code, message } = failureOf(error);
    return `${code}: ${message}`;
  }
};

describe('initial remote peers', () => {
  it('appsettings of EntglDB, in the original case and in another -> the same as in our form', () => {
    const inOurForm = parse({ ...member, initialRemotePeers: [cloud] });
    expect(inOurForm).toEqual([cloud]);
    expect(parse({ ...member, EntglDb: { InitialRemotePeers: [cloud] } })).toEqual(inOurForm);
    const { nodeId: NodeId, address: Address, type: Type } = cloud;
    const { authority: Authority, clientId: ClientId, clientSecret: ClientSecret, scopes: Scopes } = oAuth2;
    const pascal = { NodeId, Address, Type, OAuth2: { Authority, ClientId, ClientSecret, Scopes } };
    expect(parse({ ...member, entglDb: { initialRemotePeers: [pascal] } })).toEqual(inOurForm);
  });

  it('a configuration that may be shown -> does not contain them', () => {
    const { configuration } = parseConfiguration({ ...member, initialRemotePeers: [cloud] });
    expect(JSON.stringify(configuration)).not.toContain('cloud-node-1');
  });

  it.each([
    ['something else under EntglDb', { ...member, EntglDb: { ConnectionString: '' } }, 'EntglDb.ConnectionString'],
    ['no list', { ...member, EntglDb: { InitialRemotePeers: {} } }, 'EntglDb.InitialRemotePeers'],
    ['the list twice', { ...member, EntglDb: { InitialRemotePeers: [], initialRemotePeers: [cloud] } }, 'twice'],
    [
      'no list beside EntglDb',
      { ...member, initialRemotePeers: {}, EntglDb: { InitialRemotePeers: [] } },
      'initialRemotePeers',
    ],
    ['a peer twice', { ...member, initialRemotePeers: [cloud, cloud] }, 'twice'],
    ['a bad address', { ...member, initialRemotePeers: [{ ...cloud, address: 'nowhere' }] }, 'address'],
    ['plaintext beyond loopback', { ...member, initialRemotePeers: [{ ...cloud, address: 'tcp://h:1' }] }, 'address'],
    ['an unknown field', { ...member, initialRemotePeers: [{ ...cloud, colour: 'red' }] }, 'colour'],
    ['a cloud peer without OAuth2', { ...member, initialRemotePeers: [{ ...cloud, oAuth2: undefined }] }, 'oAuth2'],
    [
      'a literal secret without a cluster key',
      {
        nodeId: 'a',
        security: 'none',
        initialRemotePeers: [{ ...cloud, oAuth2: { ...oAuth2, clientSecret: 'literal' } }],
      },
      'clientSecret',
    ],
  ])('%s -> configurationInvalid, with its name', (_, configuration, name) => {
    expect(refusalOf(configuration)).toMatch(/^configurationInvalid: /);
    expect(refusalOf(configuration)).toContain(name);
    expect(refusalOf(configuration)).not.toContain('literal secret is');
  });

  it('a reference and a literal secret, stored -> unchanged and sealed', () => {
    const literal = { ...cloud, nodeId: 'cloud-2', oAuth2: { ...oAuth2, clientSecret: 'open sesame' } };
    const keys = new ClusterKeys(new Uint8Array(32).fill(1));
    const peers = parse({ ...member, initialRemotePeers: [cloud, literal] });
    const documents = initialPeerDocuments(peers, { keys, nonce: () => Buffer.alloc(12).toString('base64url') });
    const secrets = documents.map(({ OAuth2Json }) => JSON.parse(OAuth2Json ?? '{}').clientSecret as string);
    expect(secrets[0]).toBe(reference);
    expect(isSealed(secrets[1] as string)).toBe(true);
    expect(documents[0]).toMatchObject({ NodeId: 'cloud-node-1', Type: 2, IsEnabled: true });
  });
});
