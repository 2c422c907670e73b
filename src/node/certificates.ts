/** How long certificates are valid: the one of a running node, and those in files that a configuration names. */
import { X509Certificate } from 'node:crypto';
import type { Configuration } from '../configuration/schema.js';
import { readPemFile } from '../services/pem-files.js';

/** When a certificate is valid. */
export interface CertificateStatus {
  /** ms since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** The certificate of a running node. */
export interface OwnCertificate extends CertificateStatus {
  /** Negative when it has expired. */
  readonly daysLeft: number;
}

/** @param nowMs ms since 1970 */
export function ownCertificateOf(pem: string, nowMs: number): OwnCertificate | undefined {
  const status = certificateStatusOf(pem);
  return status && { ...status, daysLeft: daysUntil(status.validToMs, nowMs) };
}

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** When all certificates of a chain are valid; undefined when the text has none. */
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

/** What is to be said of a certificate file. */
export interface CertificateFinding {
  readonly field: 'tlsCert' | 'ca';
  readonly path: string;
  readonly state: 'ok' | 'expiring' | 'expired' | 'early';
  /** Of what is left; negative when it has expired. */
  readonly daysLeft: number;
}

/**
 * Examines the certificate files that a configuration names: the certificate of a cloud node (`tlsCert`), and the trusted authorities
 * (`ca`). Leaves out files that cannot be read, which `start` reports.
 *
 * @param nowMs ms since 1970
 */
export async function examineCertificates(
  { tlsCert, ca }: Pick<Configuration, 'tlsCert' | 'ca'>,
  nowMs: number,
): Promise<CertificateFinding[]> {
  const looked = [
    await findingOf('tlsCert', tlsCert, certificateStatusOf, nowMs),
    // One valid authority of several may be enough, so the last to expire counts.
    await findingOf('ca', ca, latestOf, nowMs),
  ];
  return looked.filter((finding) => finding !== undefined);
}

/** Days of a time that are left. */
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
  // Those that live for days only are renewed late.
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
