/** Certificates that are renewed on disk: over real files and real TLS. */
import { X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { generate } from 'selfsigned';
import { messageOf } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import { createNode, examineCertificates, type StatemeshNode } from '../../src/index.js';
import { readAuthorities } from '../../src/services/pem-files.js';

let directory = '';
let node: StatemeshNode | undefined;

afterEach(async () => {
  await node?.stop();
  node = undefined;
  await rm(directory, { recursive: true, force: true });
});

interface Pair {
  readonly certificate: string;
  readonly key: string;
  readonly fingerprint: string;
}

const dayMs = 24 * 3_600_000;

async function pairOf({ fromDays = -1, toDays = 90 } = {}): Promise<Pair> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() + fromDays * dayMs),
    notAfterDate: new Date(Date.now() + toDays * dayMs),
  });
  return { certificate: cert, key, fingerprint: new X509Certificate(cert).fingerprint256 };
}

async function write(folder: string, { certificate, key }: Pair): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'cert.pem'), certificate);
  await writeFile(join(folder, 'key.pem'), key);
}

async function start(): Promise<StatemeshNode> {
  const started = createNode({
    nodeId: 'cloud-1',
    role: 'cloud',
    dataDir: join(directory, 'data'),
    tlsCert: join(directory, 'current', 'cert.pem'),
    tlsKey: join(directory, 'current', 'key.pem'),
    authority: 'https://127.0.0.1:1',
    audience: 'urn:cloud',
  });
  node = started;
  await started.start();
  return started;
}

/** The serial number of the served certificate. */
async function served(): Promise<string> {
  const { port = 0 } = (await node?.status()) ?? {};
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, minVersion: 'TLSv1.3' }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

function happened(type: 'reconfiguration.finished' | 'reconfiguration.failed'): Promise<unknown> {
  return new Promise((resolve) => {
    const stop = node?.on(type, (nodeEvent) => {
      stop?.();
      resolve(nodeEvent);
    });
  });
}

describe('a certificate that is renewed on disk', () => {
  it('in place, by rename and by symlink swap -> is served; a broken one is reported, and the old one stays', async () => {
    directory = await mkdtemp(join(tmpdir(), 'statemesh-certificates-'));
    const [first, second, third, fourth] = [
      await pairOf(),
      await pairOf(),
      await pairOf(),
      await pairOf({ toDays: 40 }),
    ];
    await write(join(directory, 'a'), first);
    await symlink('a', join(directory, 'current'));
    const { certificate } = await (await start()).status();
    expect(await served()).toBe(first.fingerprint);
    expect(certificate?.daysLeft).toBe(89);

    let change = happened('reconfiguration.finished');
    await write(join(directory, 'a'), second);
    expect(await change).toMatchObject({ changes: [{ field: 'tlsCert' }] });
    expect(await served()).toBe(second.fingerprint);

    change = happened('reconfiguration.finished');
    await write(join(directory, 'new'), third);
    for (const name of ['cert.pem', 'key.pem']) await rename(join(directory, 'new', name), join(directory, 'a', name));
    await change;
    expect(await served()).toBe(third.fingerprint);

    change = happened('reconfiguration.failed');
    await writeFile(join(directory, 'a', 'cert.pem'), 'no certificate');
    expect(await change).toMatchObject({ failure: { code: 'configurationInvalid' } });
    expect(await served()).toBe(third.fingerprint);

    change = happened('reconfiguration.finished');
    await write(join(directory, 'b'), fourth);
    await symlink('b', join(directory, 'next'));
    await rename(join(directory, 'next'), join(directory, 'current'));
    await change;
    expect(await served()).toBe(fourth.fingerprint);
    expect((await node?.status())?.certificate?.daysLeft).toBe(39);
  }, 30_000);
});

describe('examineCertificates', () => {
  it.each<[string, Parameters<typeof pairOf>[0], string, number]>([
    ['good', { toDays: 90 }, 'ok', 89],
    ['about to expire', { fromDays: -85, toDays: 5 }, 'expiring', 4],
    ['short-lived, and fresh', { fromDays: 0, toDays: 6 }, 'ok', 5],
    ['expired', { fromDays: -10, toDays: -1 }, 'expired', -2],
    ['not valid yet', { fromDays: 2, toDays: 90 }, 'early', 89],
  ])('%s -> reported, with the remaining days', async (_, dates, state, daysLeft) => {
    directory = await mkdtemp(join(tmpdir(), 'statemesh-certificates-'));
    await write(directory, await pairOf(dates));
    const path = join(directory, 'cert.pem');
    // A moment has passed since it was created.
    const nowMs = Date.now() + 1_000;
    expect(await examineCertificates({ tlsCert: path, ca: path }, nowMs)).toEqual([
      { field: 'tlsCert', path, state, daysLeft },
      { field: 'ca', path, state, daysLeft },
    ]);
  });

  it('a device that never ends -> counts as an invalid file, and is refused by the node', async () => {
    expect(await examineCertificates({ tlsCert: '/dev/zero', ca: '/dev/zero' }, Date.now())).toEqual([]);
    await expect(readAuthorities('/dev/zero')).rejects.toMatchObject({
      code: 'configurationInvalid',
      message: expect.stringContaining('is too large'),
    });
  });

  it('a file of pemFileBytesMax -> is read; a larger one -> refused as too large', async () => {
    const { certificate } = await pairOf();
    directory = await mkdtemp(join(tmpdir(), 'statemesh-certificates-'));
    const path = join(directory, 'authorities.pem');
    // Not the text itself: Jest takes minutes to show one of this length.
    const outcomeOf = (file: string) => readAuthorities(file).then(() => 'read', messageOf);
    await writeFile(path, certificate.padEnd(limits.pemFileBytesMax));
    expect(await outcomeOf(path)).toBe('read');
    await writeFile(path, certificate.padEnd(limits.pemFileBytesMax + 1));
    expect(await outcomeOf(path)).toContain('is too large');
  });

  it('invalid or missing files -> nothing: starting the node reports them', async () => {
    directory = await mkdtemp(join(tmpdir(), 'statemesh-certificates-'));
    await writeFile(join(directory, 'x'), '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----');
    const paths = { tlsCert: join(directory, 'x'), ca: join(directory, 'y') };
    expect(await examineCertificates(paths, Date.now())).toEqual([]);
  });
});
