/** Validity of certificates: the one that a running node uses, and those in the files that a configuration names. */
import { X509Certificate } from 'node:crypto';
import type { Configuration } from '../configuration/schema.js';
import { readPemFile } from '../services/pem-files.js';

/** The period in which a certificate is valid. */
export interface CertificateStatus {
  /** ms since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** The certificate of a running node. */
export interface OwnCertificate extends CertificateStatus {
  /** Whole days until the certificate expires; negative when it has expired. */
  readonly daysLeft: number;
}

/**
 * Validity of a certificate with its chain; undefined when the text holds no certificate.
 *
 * @param pem The certificate, and the certificates that sign it, in PEM format
 * @param nowMs ms since 1970
 */
export function ownCertificateOf(pem: string, nowMs: number): OwnCertificate | undefined {
  const status = certificateStatusOf(pem);
  return status && { ...status, daysLeft: daysUntil(status.validToMs, nowMs) };
}

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The period in which all certificates of a chain are valid; undefined when the text has none. */
function certificateStatusOf(pem: string): CertificateStatus | undefined {
  const [first, ...others] = statusesOf(pem);
  if (first === undefined) return undefined;
  return others.reduce(
    (shortest, { validFromMs, validToMs }) => ({
      validFromMs: Math.max(shortest.validFromMs, validFromMs),
      validToMs: Math.min(shortest.validToMs, validToMs),
    }),
    first,
  );
}

/** The state of one certificate file. */
export interface CertificateFinding {
  readonly field: 'tlsCert' | 'ca';
  readonly path: string;
  readonly state: 'ok' | 'expiring' | 'expired' | 'early';
  /** Whole days until the certificate expires; negative when it has expired. */
  readonly daysLeft: number;
}

/**
 * Examines the certificate files that a configuration names: the certificate of a cloud node (`tlsCert`) and the
 * trusted authorities (`ca`). Skips files that cannot be read: `start` reports them.
 *
 * @param nowMs ms since 1970
 */
export async function examineCertificates(
  { tlsCert, ca }: Pick<Configuration, 'tlsCert' | 'ca'>,
  nowMs: number,
): Promise<CertificateFinding[]> {
  const looked = [
    await findingOf('tlsCert', tlsCert, certificateStatusOf, nowMs),
    // One valid authority may be enough, so the last one to expire counts.
    await findingOf('ca', ca, latestOf, nowMs),
  ];
  return looked.filter((finding) => finding !== undefined);
}

/** Whole days from now until a time. */
function daysUntil(timeMs: number, nowMs: number): number {
  return Math.floor((timeMs - nowMs) / dayMs);
}

const dayMs = 24 * 3_600_000;
const expiringDays = 30;
const expiringShare = 1 / 3;

async function findingOf(
  field: CertificateFinding['field'],
  path: string | undefined,
  statusOf: (pem: string) => CertificateStatus | undefined,
  nowMs: number,
): Promise<CertificateFinding | undefined> {
  if (path === undefined) return undefined;
  try {
    const status = statusOf((await readPemFile(path)) ?? '');
    if (status === undefined) return undefined;
    return { field, path, state: stateOf(status, nowMs), daysLeft: daysUntil(status.validToMs, nowMs) };
  } catch {
    return undefined;
  }
}

function stateOf({ validFromMs, validToMs }: CertificateStatus, nowMs: number): CertificateFinding['state'] {
  if (nowMs >= validToMs) return 'expired';
  if (nowMs < validFromMs) return 'early';
  const leftMs = validToMs - nowMs;
  // Certificates that are valid for a few days only are renewed late.
  return leftMs < Math.min(expiringDays * dayMs, (validToMs - validFromMs) * expiringShare) ? 'expiring' : 'ok';
}

function latestOf(pem: string): CertificateStatus | undefined {
  return statusesOf(pem).sort((a, b) => b.validToMs - a.validToMs)[0];
}

function statusesOf(pem: string): CertificateStatus[] {
  try {
    return (pem.match(block) ?? []).map((text) => {
      const { validFrom, validTo } = new X509Certificate(text);
      return { validFromMs: Date.parse(validFrom), validToMs: Date.parse(validTo) };
    });
  } catch {
    return [];
  }
}
