/** A cloud node in a process of its own, with certificates and a real OAuth2 authority. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Authority, startAuthority } from '../demo/authority.js';
import { type Certificates, makeCertificates } from '../demo/certificates.js';
import type { Bench } from './bench.js';
import type { NodeHandlers } from './workers/node.js';
import type { Worker } from './workers.js';

const scope = 'entgldb:sync';
const audience = 'urn:statemesh:bench';
const client = { id: 'bench', secret: randomBytes(24).toString('base64url') };

export interface Cloud {
  readonly worker: Worker<NodeHandlers>;
  readonly port: number;
  /** The authority of its certificate, and the path of its file. */
  readonly ca: string;
  readonly caPath: string;
  /** For `initialRemotePeers`. */
  readonly oAuth2: {
    readonly authority: string;
    readonly clientId: string;
    readonly clientSecret: string;
    readonly scopes: string[];
    readonly audience: string;
  };
  /** Asks the authority for an access token, as a node does. */
  token(): Promise<string>;
  close(): Promise<void>;
}

export async function startCloud(
  { workers, workspace }: Bench,
  options: { readonly heartbeatIntervalMs?: number } = {},
): Promise<Cloud> {
  const directory = workspace.directory('cloud');
  const certificates = await makeCertificates();
  const file = (name: keyof Certificates) => join(directory, `${name}.pem`);
  for (const name of ['ca', 'certificate', 'key'] as const) writeFileSync(file(name), certificates[name]);
  const authority = await startAuthority({ clients: [client], scope, audience, lifetimeSeconds: 3_600 });
  const worker = workers.start('node');
  const { port } = await worker.call('start', {
    nodeId: 'cloud',
    role: 'cloud',
    dataDir: workspace.directory('cloud'),
    scope,
    audience,
    ...options,
    authority: authority.url,
    tlsCert: file('certificate'),
    tlsKey: file('key'),
  });
  return {
    worker,
    port,
    ca: certificates.ca,
    caPath: file('ca'),
    oAuth2: {
      authority: authority.url,
      clientId: client.id,
      clientSecret: client.secret,
      scopes: [scope],
      audience,
    },
    token: () => tokenOf(authority),
    async close() {
      await worker.close();
      await authority.close();
    },
  };
}

async function tokenOf({ url }: Authority): Promise<string> {
  const discovery = await fetch(`${url}/.well-known/openid-configuration`);
  const { token_endpoint: endpoint } = (await discovery.json()) as { token_endpoint: string };
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
  });
  if (!answer.ok) throw new Error(`The authority answers ${answer.status}.`);
  return ((await answer.json()) as { access_token: string }).access_token;
}
