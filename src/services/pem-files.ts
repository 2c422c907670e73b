/** The certificate files that a configuration names: reads them, and checks that they fit their purpose. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { Secret } from '../core/secret.js';
import type { ServerCertificate } from '../ports/ports.js';

type Field = 'ca' | 'tlsCert' | 'tlsKey';

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The authorities of `ca`.
 *
 * @throws StatemeshError `configurationInvalid`
 */
export async function readAuthorities(path: string): Promise<string> {
  const pem = await readPem('ca', path);
  checkCertificates('ca', path, pem);
  return pem;
}

/**
 * The certificate of a cloud node with its key.
 *
 * @throws StatemeshError `configurationInvalid` naming the field
 */
export async function readServerCertificate(tlsCert: string, tlsKey: string): Promise<ServerCertificate> {
  // One after the other, so that the same file is always named when both are wrong.
  const certificate = await readPem('tlsCert', tlsCert);
  const key = await readPem('tlsKey', tlsKey);
  const leaf = checkCertificates('tlsCert', tlsCert, certificate);
  const privateKey = parseKey(tlsKey, key);
  if (!isKeyOf(leaf, privateKey)) throw invalid('tlsKey', tlsKey, 'is not the key of the certificate in tlsCert');
  try {
    createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.3' });
  } catch (error) {
    throw invalid('tlsCert', tlsCert, `cannot be used for TLS (${reasonOf(error)})`, error);
  }
  return { certificate, key: new Secret(key) };
}

async function readPem(field: Field, path: string): Promise<string> {
  let pem: string | undefined;
  try {
    pem = await readPemFile(path);
  } catch (error) {
    throw invalid(field, path, `cannot be read (${reasonOf(error)})`, error);
  }
  if (pem !== undefined) return pem;
  throw invalid(field, path, 'is too large for a PEM file');
}

/**
 * Reads at most the maximum size, because a device may never end. A pipe without a writer counts as empty, because
 * waiting for it would block a thread of the process.
 *
 * @returns undefined when it is too large
 */
export async function readPemFile(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const pieces: Buffer[] = [];
  for await (const piece of file.createReadStream({ end: limits.pemFileBytesMax })) pieces.push(piece as Buffer);
  const pem = Buffer.concat(pieces);
  return pem.length > limits.pemFileBytesMax ? undefined : pem.toString('utf8');
}

/** The first certificate, which is the node's own in `tlsCert`. */
function checkCertificates(field: Field, path: string, pem: string): X509Certificate {
  const blocks = pem.match(certificateBlock) ?? [];
  try {
    const [first] = blocks.map((block) => new X509Certificate(block));
    if (first !== undefined) return first;
  } catch (error) {
    throw invalid(field, path, `has a certificate that cannot be read (${reasonOf(error)})`, error);
  }
  throw invalid(field, path, 'has no certificate in PEM format');
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw invalid('tlsKey', path, `has no private key in PEM format, without a passphrase (${reasonOf(error)})`, error);
  }
}

function isKeyOf(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    // The key is of another type.
    return false;
  }
}

function reasonOf(error: unknown): string {
  return systemCodeOf(error) ?? messageOf(error);
}

function invalid(field: Field, path: string, problem: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${field}: the file ${path} ${problem}.`, {
    cause,
  });
}
