import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { parseConfiguration } from '../../src/protocol/configuration.js';
import { createConfigure } from '../../src/services/configuration.js';
import {
  authorityCertificate,
  certificate,
  certificateKey,
  serverCertificate,
  serverKey,
} from '../contracts/network-certificate.js';

let directory: string;
const file = (name: string) => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'statemesh-configuration-'));
  for (const [name, text] of Object.entries({
    'ca.pem': `# our own\n${authorityCertificate}`,
    'server.pem': serverCertificate + authorityCertificate,
    'server.key': serverKey,
    'other.key': certificateKey,
    'self.pem': certificate,
    'text.pem': 'no certificate at all',
    'broken.pem': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    'huge.pem': ' '.repeat(1024 * 1024 + 1),
  })) {
    writeFileSync(file(name), text);
  }
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const cloud = { nodeId: 'cloud', role: 'cloud', authority: 'https://login.example/realm', audience: 'statemesh' };
const configure = (configuration: object) => {
  const actor = createActor(createConfigure({ randomness: systemRandomness() }), {
    input: { configuration: () => configuration },
  });
  const configured = toPromise(actor);
  actor.start();
  return configured;
};
const withCertificate = (changes: object = {}) => ({
  ...{ ...cloud, tlsCert: file('server.pem'), tlsKey: file('server.key') },
  ...changes,
});

describe('configuration of a cloud node', () => {
  it('certificate and key -> TLS with them, no cluster key is needed, and the key shows nowhere', async () => {
    const configured = await configure(withCertificate());
    expect(configured).toMatchObject({ keys: undefined, ca: undefined, security: { kind: 'server' } });
    const { security } = configured;
    if (security.kind !== 'server') throw new Error('no certificate');
    expect(security.server.certificate).toBe(serverCertificate + authorityCertificate);
    expect(security.server.key.reveal()).toBe(serverKey);
    expect(inspect(configured, { depth: 10 }) + JSON.stringify(configured)).not.toContain('PRIVATE KEY');
  });

  it('a cluster key all the same -> is not used', async () => {
    const configured = await configure(
      withCertificate({ clusterKey: 'correct horse battery', clusterSalt: 'salt-salt' }),
    );
    expect(configured.keys).toBeUndefined();
  });

  it('ca -> is read', async () => {
    const { ca } = await configure(withCertificate({ ca: file('ca.pem') }));
    expect(ca).toContain(authorityCertificate);
  });

  it.each<[string, () => object, string, RegExp]>([
    ['no such certificate file', () => ({ tlsCert: file('none.pem') }), 'tlsCert', /ENOENT/],
    ['no such key file', () => ({ tlsKey: file('none.pem') }), 'tlsKey', /ENOENT/],
    ['a directory', () => ({ tlsKey: directory }), 'tlsKey', /EISDIR/],
    ['a text for a certificate', () => ({ tlsCert: file('text.pem') }), 'tlsCert', /no certificate/],
    ['a broken certificate', () => ({ tlsCert: file('broken.pem') }), 'tlsCert', /cannot be read/],
    ['an endless file', () => ({ tlsCert: file('huge.pem') }), 'tlsCert', /too large/],
    ['a certificate for a key', () => ({ tlsKey: file('server.pem') }), 'tlsKey', /no private key/],
    ['the key of another certificate', () => ({ tlsKey: file('other.key') }), 'tlsKey', /not the key/],
    ['another certificate', () => ({ tlsCert: file('self.pem') }), 'tlsKey', /not the key/],
    ['a text for authorities', () => ({ ca: file('text.pem') }), 'ca', /no certificate/],
    ['no such file of authorities', () => ({ ca: file('none.pem') }), 'ca', /ENOENT/],
  ])('%s -> configurationInvalid that names the field', async (_, changes, field, problem) => {
    const failed = configure(withCertificate(changes()));
    await expect(failed).rejects.toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringMatching(new RegExp(`: ${field}: `)),
    });
    await expect(failed).rejects.toMatchObject({ message: expect.stringMatching(problem) });
  });

  it('no certificate -> only with plaintextCloud, on loopback', async () => {
    expect(await configure({ ...cloud, plaintextCloud: true })).toMatchObject({ security: { kind: 'none' } });
    expect(await configure({ ...cloud, plaintextCloud: true, host: 'localhost' })).toMatchObject({
      security: { kind: 'none' },
    });
  });

  it.each<[string, object, string]>([
    ['no certificate', cloud, 'tlsCert'],
    ['no certificate, open to the network', { ...cloud, plaintextCloud: true, lan: true }, 'tlsCert'],
    ['no certificate, on another host', { ...cloud, plaintextCloud: true, host: '10.0.0.1' }, 'tlsCert'],
    ['a certificate without a key', { ...cloud, tlsCert: 'x' }, 'tlsKey'],
    ['a key without a certificate', { ...cloud, tlsKey: 'x' }, 'tlsCert'],
    ['no authority', { ...cloud, authority: undefined }, 'authority'],
    ['an authority in the clear', { ...cloud, authority: 'http://login.example' }, 'authority'],
    ['an authority that is no URL', { ...cloud, authority: 'login' }, 'authority'],
    ['an authority with a query', { ...cloud, authority: 'https://login.example/?a' }, 'authority'],
    ['no audience', { ...cloud, audience: undefined }, 'audience'],
  ])('%s -> configurationInvalid that names the field, before any file is read', (_, configuration, field) => {
    expect(() => parseConfiguration(configuration)).toThrow(
      expect.objectContaining({
        code: 'configurationInvalid',
        message: expect.stringMatching(new RegExp(`[:;] ${field}: `)),
      }),
    );
  });

  it('an authority on loopback -> may be in the clear', () => {
    const local = { ...cloud, authority: 'http://127.0.0.1:3000', plaintextCloud: true };
    expect(parseConfiguration(local).configuration.authority).toBe('http://127.0.0.1:3000');
  });
});

describe('configuration of a member', () => {
  const member = { nodeId: 'a', clusterKey: 'correct horse battery', clusterSalt: 'salt-salt' };

  it('ca -> is read, besides the keys of the cluster', async () => {
    const configured = await configure({ ...member, ca: file('ca.pem') });
    expect(configured).toMatchObject({ security: { kind: 'psk' }, initialPeers: [] });
    expect(configured.ca).toContain(authorityCertificate);
    expect((await configure({ ...member, security: 'none' })).ca).toBeUndefined();
  });

  it('ca that cannot be read -> configurationInvalid', async () => {
    await expect(configure({ ...member, ca: file('none.pem') })).rejects.toMatchObject({
      code: 'configurationInvalid',
    });
  });

  it('nothing of a cloud node -> is asked for', () => {
    expect(parseConfiguration(member).keySource).toBeDefined();
  });
});
