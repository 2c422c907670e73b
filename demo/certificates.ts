/**
 * Certificates for the cloud nodes and the authority of the demo: created at each run, trusted only by the demo's
 * nodes.
 */
import { generate } from 'selfsigned';

export interface Certificates {
  /** PEM: the authority that the nodes trust. */
  readonly ca: string;
  /** PEM, for 127.0.0.1 and localhost. */
  readonly certificate: string;
  readonly key: string;
}

const subject = (name: string) => [{ name: 'commonName', value: name }];
const keyType = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

/** An authority, and a server certificate that it signed. */
export async function makeCertificates(): Promise<Certificates> {
  const ca = await generate(subject('statemesh demo authority'), {
    ...keyType,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const server = await generate(subject('127.0.0.1'), {
    ...keyType,
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 7, ip: '127.0.0.1' },
          { type: 2, value: 'localhost' },
        ],
      },
    ],
  });
  return { ca: ca.cert, certificate: server.cert, key: server.private };
}
