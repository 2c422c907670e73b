/** Remote peers and cloud nodes from the command line, in processes of their own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { eventsOf, lastJson, open, run, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { createCloud } from './cloud-fixture.js';

const cloudPeer = [
  ...['add-cloud-peer', '--node-id', 'cloud-1', '--address', '127.0.0.1:1'],
  ...['--authority', 'http://127.0.0.1:1', '--client-id', 'shop', '--scope', 'entgldb:sync', '--audience', 'urn:cloud'],
];

describe('remote peers', () => {
  test('added, shown, disabled, enabled and removed -> reported as text and as JSON', async () => {
    const node = await startNode();
    const told = async (...args: string[]) => (await node.run(args)).stdout.trim();
    expect(await told(...cloudPeer, '--client-secret-env', 'SHOP_SECRET')).toBe(
      'Added: cloud-1 at 127.0.0.1:1.\nEach node that may lead needs SHOP_SECRET in its environment, and SHOP_SECRET=http://127.0.0.1:1 in secretVariables of its configuration.',
    );
    expect(await told(...cloudPeer, '--client-secret-env', 'SHOP_SECRET')).toBe(
      'Known already: cloud-1 at 127.0.0.1:1.',
    );
    expect(await told('remote-peers')).toMatch(
      /^PEER .*\ncloud-1 +cloud +127\.0\.0\.1:1 +yes +http:\/\/127\.0\.0\.1:1 +shop$/,
    );
    expect(await told('disable-peer', 'cloud-1')).toBe('Disabled: cloud-1, on every node of the cluster.');
    expect(await told('disable-peer', 'cloud-1')).toBe('Disabled already: cloud-1, on every node of the cluster.');
    const peer = JSON.parse(await told('remote-peers', '--json')) as { isEnabled: boolean; oAuth2: object };
    expect(peer).toMatchObject({
      isEnabled: false,
      oAuth2: { clientSecret: '$' + '{SHOP_SECRET}', audience: 'urn:cloud' },
    });
    expect(JSON.parse(await told('enable-peer', 'cloud-1', '--json'))).toEqual({ isChanged: true });
    await until(async () => (await told('status')).includes('cloud-1 at 127.0.0.1:1:') || undefined, 'a gateway');
    expect(await told('remove-peer', 'cloud-1')).toBe('Removed: cloud-1, on every node of the cluster.');
    expect(await told('remote-peers')).toMatch(/^No remote peers are stored/);
  });

  test('a secret on standard input -> stored sealed, and seen nowhere', async () => {
    const node = await startNode();
    const added = await node.run([...cloudPeer, '--client-secret-stdin'], { input: 'open sesame\n' });
    expect(added.exitCode).toBe(0);
    const { stdout } = await node.run(['remote-peers', '--json']);
    expect(stdout).toContain('sealed:1:');
    expect(`${stdout}${added.stdout}${node.stdout()}${node.stderr()}`).not.toContain('sesame');
  });

  test.each([
    ['a secret as an argument', [...cloudPeer, '--client-secret', 'sesame'], 2],
    ['two places for the secret', [...cloudPeer, '--client-secret-env', 'A', '--client-secret-stdin'], 2],
    ['a variable that is none', [...cloudPeer, '--client-secret-env', 'open sesame'], 2],
    ['no secret on standard input', [...cloudPeer, '--client-secret-stdin'], 2],
    ['an address that is none', cloudPeer.map((text) => (text === '127.0.0.1:1' ? 'nowhere' : text)), 2],
    ['an authority in the clear', cloudPeer.map((text) => (text.startsWith('http:') ? 'http://h.example' : text)), 2],
    ['a peer that nobody knows', ['disable-peer', 'cloud-9'], 4],
  ])('%s -> an exit code, what is wrong, and no secret', async (_, args, exitCode) => {
    const node = await startNode();
    const failed = await node.run(args);
    expect([failed.exitCode, failed.stdout]).toEqual([exitCode, '']);
    expect(failed.stderr).toMatch(/^error: /);
    expect(failed.stderr).not.toContain('sesame');
  });
});

describe('a cloud node', () => {
  test('start --role cloud: by options alone -> runs, and the leader of a cluster connects to it', async () => {
    const cloud = await createCloud();
    const directory = await temporaryDirectory();
    const started = open([
      ...['start', '--json', '--node-id', 'cloud-1', '--role', 'cloud', '--data-dir', directory],
      ...['--tls-cert', cloud.certPath, '--tls-key', cloud.keyPath, '--authority', cloud.authority.url],
      ...['--audience', 'urn:statemesh:test'],
    ]);
    const running = await until(() => eventsOf(started)[0], 'the cloud node');
    expect(running).toMatchObject({ event: 'running', nodeId: 'cloud-1' });
    const node = await startNode({ ca: cloud.caPath });
    const { clientSecret = '' } = cloud.oAuth2;
    const added = await node.run(
      [
        ...['add-cloud-peer', '--node-id', 'cloud-1', '--address', `127.0.0.1:${running.port}`],
        ...['--authority', cloud.authority.url, '--client-id', 'shop', '--client-secret-stdin'],
        ...['--scope', 'entgldb:sync', '--audience', 'urn:statemesh:test'],
      ],
      { input: clientSecret },
    );
    expect(added.stderr).toBe('');
    const isOnline = async () => (await node.run(['status'])).stdout.includes('online, caught up') || undefined;
    await until(isOnline, 'the gateway to be online');
    const status = lastJson((await run(['status', '--json', '--data-dir', directory])).stdout);
    expect(status).toMatchObject({ role: 'cloud', security: 'server', peers: [{ nodeId: 'node-a', subject: 'shop' }] });
    expect((await node.run(['status'])).stdout).toMatch(/leader +this node \(term 1\)/);
    await cloud.close();
  });

  test('start --role cloud on every address -> says how it is reached, and what protects it', async () => {
    const cloud = await createCloud();
    const directory = await temporaryDirectory();
    const started = open([
      ...['start', '--node-id', 'cloud-1', '--role', 'cloud', '--host', '::1', '--data-dir', directory],
      ...['--tls-cert', cloud.certPath, '--tls-key', cloud.keyPath, '--authority', cloud.authority.url],
      ...['--audience', 'urn:statemesh:test'],
    ]);
    await until(() => started.stdout().includes('talk to it') || undefined, 'the greeting');
    for (const told of [started.stdout(), (await run(['status', '--data-dir', directory])).stdout]) {
      expect(told).toMatch(/address +\[::1\]:\d+/);
      expect(told).toMatch(/security +TLS with a certificate, and access tokens/);
    }
    await cloud.close();
  });

  test.each([
    ['no certificate', {}, 'tlsCert'],
    ['a certificate that is not there', { tlsCert: '/nowhere.pem', tlsKey: '/nowhere.pem' }, 'tlsCert'],
    ['no authority', { authority: undefined }, 'authority'],
  ])('%s -> exit code 2, naming the field', async (_, fields, name) => {
    const directory = await temporaryDirectory();
    const configuration = {
      nodeId: 'cloud-1',
      role: 'cloud',
      authority: 'https://id.example.com',
      audience: 'x',
      ...fields,
    };
    await writeFile(join(directory, 'statemesh.json'), JSON.stringify(configuration));
    const failed = await run(['start'], { cwd: directory });
    expect([failed.exitCode, failed.stdout]).toEqual([2, '']);
    expect(failed.stderr).toContain(name);
  });
});
