import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createActor, toPromise } from 'xstate';
import { systemRandomness } from '../../src/adapters/randomness.js';
import { configurationFields, fieldValue } from '../../src/configuration/fields.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import type { ConfigurationInput } from '../../src/configuration/schema.js';
import { limits } from '../../src/core/limits.js';
import { createConfigure } from '../../src/services/configure.js';
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
  ...cloud,
  tlsCert: file('server.pem'),
  tlsKey: file('server.key'),
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

  it('a cluster key nevertheless -> is not used', async () => {
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

  it('an authority on loopback -> may be unencrypted', () => {
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

  it('a ca that cannot be read -> configurationInvalid', async () => {
    await expect(configure({ ...member, ca: file('none.pem') })).rejects.toMatchObject({
      code: 'configurationInvalid',
    });
  });

  it.each(['dataDir', 'tlsCert', 'tlsKey', 'ca'])('%s with a NUL -> configurationInvalid that names it', (field) => {
    // With such a path, Node.js throws in every caller that looks at the file, including timers and watchers.
    expect(() => parseConfiguration({ ...member, [field]: 'a\0b' })).toThrow(
      expect.objectContaining({ code: 'configurationInvalid', message: expect.stringContaining(`: ${field}: `) }),
    );
  });

  it('a trace with a NUL -> configurationInvalid', () => {
    expect(() => parseConfiguration({ ...member, inspector: { trace: '\0' } })).toThrow(
      expect.objectContaining({ code: 'configurationInvalid' }),
    );
  });

  it('accepted keys -> a ring, clusterKey first; neither shows in the configuration', async () => {
    const acceptedClusterKeys = ['the key of tomorrow', member.clusterKey];
    const { keys, security, configuration } = await configure({ ...member, acceptedClusterKeys });
    const alone = await configure({ ...member, clusterKey: 'the key of tomorrow' });
    const ids = keys?.all.map(({ keyId }) => keyId);
    expect(ids).toEqual([(await configure(member)).keys?.first.keyId, alone.keys?.first.keyId]);
    expect(security.kind === 'psk' && security.keys.map(({ keyId }) => keyId)).toEqual(ids);
    expect(configuration).not.toHaveProperty('clusterKey');
    expect(configuration).not.toHaveProperty('acceptedClusterKeys');
  });

  it.each<[string, readonly string[], RegExp]>([
    ['too many accepted keys', Array(limits.acceptedKeysMax + 1).fill('long enough a key'), /: acceptedClusterKeys: /],
    ['an accepted key that is too short', ['long enough a key', 'short'], /: acceptedClusterKeys\.1: /],
    ['an accepted key that is too long', ['x'.repeat(1_025)], /: acceptedClusterKeys\.0: /],
  ])('%s -> configurationInvalid that names it, and shows no key', (_, acceptedClusterKeys, field) => {
    const parse = () => parseConfiguration({ ...member, acceptedClusterKeys });
    expect(parse).toThrow(
      expect.objectContaining({ code: 'configurationInvalid', message: expect.stringMatching(field) }),
    );
    expect(parse).not.toThrow(/enough|short|xxx/);
  });

  it('the maximum of accepted keys -> all of them; with security none -> none', () => {
    const acceptedClusterKeys = Array.from({ length: limits.acceptedKeysMax }, (_, index) => `the key number ${index}`);
    const input = { ...member, acceptedClusterKeys };
    expect(parseConfiguration(input).keySource?.acceptedPassphrases).toEqual(acceptedClusterKeys);
    expect(parseConfiguration({ ...input, security: 'none' }).keySource).toBeUndefined();
  });

  it('fields of a cloud node -> are not required', () => {
    expect(parseConfiguration(member).keySource).toBeDefined();
  });
});

describe('keys that are derived again', () => {
  const member = { nodeId: 'a', clusterSalt: 'salt-salt' };

  /** A node that is configured repeatedly, and the derivations for it. */
  function counting(derive: (passphrase: string) => Uint8Array) {
    const derived: string[] = [];
    const logic = createConfigure({
      randomness: systemRandomness(),
      derive: async (passphrase, salt) => {
        derived.push(`${passphrase}/${salt}`);
        return derive(passphrase);
      },
    });
    const ask = async (changes: Partial<ConfigurationInput>) => {
      const actor = createActor(logic, { input: { configuration: () => ({ ...member, ...changes }) } });
      const configured = toPromise(actor);
      actor.start();
      return (await configured).keys;
    };
    return { ask, derived };
  }

  const root = (passphrase: string) => Buffer.from(passphrase.padEnd(32, '.'));
  const [one, two] = ['the key number one', 'the key number two'] as const;

  it('a whole rotation -> each key is derived once; another salt -> derived again', async () => {
    const { ask, derived } = counting(root);
    await ask({ clusterKey: one, acceptedClusterKeys: [two] });
    await ask({ clusterKey: two, acceptedClusterKeys: [one] });
    const keys = await ask({ clusterKey: two });
    expect(derived).toEqual([`${one}/salt-salt`, `${two}/salt-salt`]);
    expect(keys?.first.keyId).toBe((await counting(root).ask({ clusterKey: two }))?.first.keyId);
    await ask({ clusterKey: two, clusterSalt: 'another-salt' });
    expect(derived.slice(2)).toEqual([`${two}/another-salt`]);
  });

  it('many keys, one after the other -> those not used for the longest are forgotten', async () => {
    const { ask, derived } = counting(root);
    const rootsMax = 2 * (1 + limits.acceptedKeysMax);
    const keyNumber = (index: number) => ({ clusterKey: `the key number ${index}` });
    for (let index = 0; index < rootsMax; index += 1) await ask(keyNumber(index));
    // Used again, so that the second is now the oldest.
    await ask(keyNumber(0));
    await ask(keyNumber(rootsMax));
    expect(derived).toHaveLength(rootsMax + 1);
    await ask(keyNumber(0));
    expect(derived).toHaveLength(rootsMax + 1);
    await ask(keyNumber(1));
    expect(derived.at(-1)).toBe('the key number 1/salt-salt');
    expect(derived).toHaveLength(rootsMax + 2);
  });

  it('a derivation that failed -> is not remembered', async () => {
    let isBroken = true;
    const { ask, derived } = counting((passphrase) => {
      if (isBroken) throw new Error('out of memory');
      return root(passphrase);
    });
    await expect(ask({ clusterKey: one })).rejects.toThrow('out of memory');
    isBroken = false;
    expect(await ask({ clusterKey: one })).toBeDefined();
    expect(derived).toHaveLength(2);
  });
});

describe('secrets that a stored cloud peer may use', () => {
  const member = { nodeId: 'a', security: 'none' as const };
  const origin = 'https://identity.example.com';
  const codeOf = (input: object): string | undefined => {
    try {
      parseConfiguration({ ...member, ...input });
      return undefined;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it('no field -> an empty list', () => {
    expect(parseConfiguration(member).configuration).toMatchObject({ secretVariables: [], authorityOrigins: [] });
  });

  it('the maximum of listed variables -> accepted; more -> configurationInvalid', () => {
    const variables = (count: number) => Array(count).fill({ name: 'SHOP_SECRET', origin });
    expect(codeOf({ secretVariables: variables(limits.secretVariablesMax) })).toBe(undefined);
    expect(codeOf({ secretVariables: variables(limits.secretVariablesMax + 1) })).toBe('configurationInvalid');
    expect(codeOf({ authorityOrigins: Array(limits.authorityOriginsMax).fill(origin) })).toBe(undefined);
    expect(codeOf({ authorityOrigins: Array(limits.authorityOriginsMax + 1).fill(origin) })).toBe(
      'configurationInvalid',
    );
    expect(codeOf({ audience: Array(limits.audiencesMax).fill('till') })).toBe(undefined);
    expect(codeOf({ audience: Array(limits.audiencesMax + 1).fill('till') })).toBe('configurationInvalid');
  });

  it.each([
    { secretVariables: [{ name: 'a b', origin }] },
    { secretVariables: [{ name: '', origin }] },
    { secretVariables: [{ name: 'SHOP_SECRET' }] },
    { secretVariables: [{ name: 'SHOP_SECRET', origin: 'http://identity.example.com' }] },
    { secretVariables: [{ name: 'SHOP_SECRET', origin: `${origin}/realm` }] },
    { secretVariables: { SHOP_SECRET: origin } },
    { authorityOrigins: ['file:///etc'] },
    { tokenTypes: [] },
    { tokenTypes: ['logout+jwt'] },
    { authorityPreset: 'azure' },
    { authorityPreset: 'constructor' },
    { scopeClaim: '' },
    { audienceClaim: ['aud'] },
    { audience: [] },
    { audience: [7] },
  ])('%j -> configurationInvalid', (input) => {
    expect(codeOf(input)).toBe('configurationInvalid');
  });

  it('as one text, for a variable or an option -> the same lists', () => {
    const valueUnder = (name: string, text: string) => {
      const field = configurationFields().find((each) => each.name === name);
      if (field === undefined) throw new Error(name);
      return fieldValue(field, text, field.flag);
    };
    const expected = [
      { name: 'A', origin },
      { name: 'B', origin: 'http://127.0.0.1:1' },
    ];
    expect(valueUnder('secretVariables', `A=${origin}, B=http://127.0.0.1:1`)).toEqual(expected);
    expect(valueUnder('authorityOrigins', `${origin},https://b.example`)).toEqual([origin, 'https://b.example']);
    expect(valueUnder('tokenTypes', 'at+jwt,JWT')).toEqual(['at+jwt', 'JWT']);
    expect(valueUnder('audience', 'urn:a,b')).toBe('urn:a,b');
    expect(valueUnder('authorityPreset', 'entra')).toBe('entra');
    for (const text of ['A', 'A=b=c', `A=${origin}/x`]) expect(() => valueUnder('secretVariables', text)).toThrow();
  });

  it('unknown field names -> refused by name, without control characters for a terminal', () => {
    expect(() => parseConfiguration({ ...member, '\u001b]0;x\u0007no\u009b31msuch': 1 })).toThrow(/nosuch/);
  });
});
