/** A cloud for clusters: a real OAuth2 authority and real cloud nodes with certificates, on loopback. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, startAuthority } from '../../demo/authority.js';
import { makeCertificates } from '../../demo/certificates.js';
import type { ConfigurationInput, OAuth2Configuration } from '../../src/index.js';

export const scope = 'entgldb:sync';
export const audience = 'urn:statemesh:test';

export interface CloudFixture {
  readonly authority: Authority;
  /** The secret of the client `shop`. */
  readonly secret: string;
  /** The authority of all certificates here. */
  readonly caPath: string;
  readonly certPath: string;
  readonly keyPath: string;
  /** For a cloud node. */
  readonly cloudOptions: Partial<ConfigurationInput>;
  readonly oAuth2: OAuth2Configuration;
  close(): Promise<void>;
}

export async function createCloud({
  lifetimeSeconds = 3_600,
  https = false,
}: {
  readonly lifetimeSeconds?: number;
  readonly https?: boolean;
} = {}): Promise<CloudFixture> {
  const directory = mkdtempSync(join(tmpdir(), 'statemesh-cloud-'));
  const certificates = await makeCertificates();
  const pathOf = (name: string) => join(directory, `${name}.pem`);
  for (const [name, text] of Object.entries(certificates)) writeFileSync(pathOf(name), text, { mode: 0o600 });
  const secret = randomBytes(24).toString('base64url');
  const authority = await startAuthority({
    clients: [{ id: 'shop', secret }],
    scope,
    audience,
    lifetimeSeconds,
    ...(https ? { tls: certificates } : {}),
  });
  return {
    authority,
    secret,
    caPath: pathOf('ca'),
    certPath: pathOf('certificate'),
    keyPath: pathOf('key'),
    cloudOptions: {
      role: 'cloud',
      tlsCert: pathOf('certificate'),
      tlsKey: pathOf('key'),
      ca: pathOf('ca'),
      authority: authority.url,
      audience,
      scope,
    },
    oAuth2: { authority: authority.url, clientId: 'shop', clientSecret: secret, scopes: [scope], audience },
    async close() {
      await authority.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
