/**
 * What each tool reports about faults of a cloud: its authority, its nodes, its certificates. Real processes, TLS and
 * HTTP.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { generate } from 'selfsigned';
import { temporaryDirectory } from './cli-fixture.js';
import { type CloudFixture, createCloud } from './cloud-fixture.js';
import { ownPort } from './own-port.js';
import { playTable, type Sayings, type Started, started } from './situations.js';

const endings: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

playTable('The cloud and its certificates', {
  'cloud node that is not there': async () => {
    const cloud = await opened();
    return withCloudPeer(cloud, { port: ownPort() });
  },
  'authority that is down': async () => {
    const cloud = await opened();
    return withCloudPeer(cloud, { authority: `http://127.0.0.1:${ownPort()}` });
  },
  'authority that is in trouble': async () => {
    const cloud = await opened();
    const server = createServer((_, response) => response.writeHead(503, { 'retry-after': '60' }).end());
    const port = ownPort();
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    endings.push(() => server.close());
    return withCloudPeer(cloud, { authority: `http://127.0.0.1:${port}` });
  },
  'authority that refuses the client': async () => {
    const cloud = await opened();
    return withCloudPeer(cloud, { secret: 'not the secret of this client' });
  },
  'cloud node with a certificate of an unknown authority': async () => {
    const cloud = await opened();
    const { node } = await cloudNode(cloud);
    const { tlsCert } = await certificate({ fromDays: -1, toDays: 90 });
    return withCloudPeer(cloud, { port: node.port, ca: tlsCert });
  },
  'certificate about to expire': async () =>
    (await cloudNode(await opened(), await certificate({ fromDays: -85, toDays: 5 }))).sayings,
  'certificate that has expired': async () =>
    (await cloudNode(await opened(), await certificate({ fromDays: -85, toDays: -1 }))).sayings,
  'certificate that has expired, seen by a member': async () => {
    const cloud = await opened();
    const expired = await certificate({ fromDays: -85, toDays: -1 });
    const { node } = await cloudNode(cloud, expired);
    return withCloudPeer(cloud, { port: node.port, ca: expired.tlsCert });
  },
});

async function opened(): Promise<CloudFixture> {
  const cloud = await createCloud();
  endings.push(() => cloud.close());
  return cloud;
}

function cloudNode(cloud: CloudFixture, files: { tlsCert?: string; tlsKey?: string } = {}): Promise<Started> {
  return started({ ...cloud.cloudOptions, clusterKey: undefined, clusterSalt: undefined, nodeId: 'cloud-1', ...files });
}

interface CloudPeer {
  readonly port?: number;
  readonly authority?: string;
  readonly secret?: string;
  readonly ca?: string;
}

/** A member with one cloud peer; the member leads, so that it tries to connect. */
async function withCloudPeer(
  cloud: CloudFixture,
  { port = 9, authority = cloud.authority.url, secret = cloud.secret, ca = cloud.caPath }: CloudPeer,
): Promise<Sayings> {
  const { node, sayings } = await started({ ca });
  const { clientId, audience, scopes } = cloud.oAuth2;
  await node.run(
    [
      ...['add-cloud-peer', '--node-id', 'cloud-1', '--address', `127.0.0.1:${port}`, '--authority', authority],
      ...['--client-id', clientId, '--client-secret-stdin', '--scope', String(scopes), '--audience', String(audience)],
    ],
    { input: secret },
  );
  return sayings;
}

const dayMs = 24 * 3_600_000;

async function certificate({
  fromDays,
  toDays,
}: {
  fromDays: number;
  toDays: number;
}): Promise<{ tlsCert: string; tlsKey: string }> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() + fromDays * dayMs),
    notAfterDate: new Date(Date.now() + toDays * dayMs),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  const directory = await temporaryDirectory();
  await mkdir(join(directory, 'tls'));
  const [tlsCert, tlsKey] = [join(directory, 'tls', 'cert.pem'), join(directory, 'tls', 'key.pem')];
  await writeFile(tlsCert, cert);
  await writeFile(tlsKey, key, { mode: 0o600 });
  return { tlsCert, tlsKey };
}
