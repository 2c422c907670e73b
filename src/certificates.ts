/** Until when certificates are good: of a node that runs, and of the files that a configuration names. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Configuration } from './protocol/configuration.js';

/** How a certificate is placed in time. */
export interface CertificateStatus {
  /** From when and until when it is good, ms since 1970. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** That of a node that runs. */
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

/** The shortest of a chain of certificates; undefined for what is none. */
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
 * Looks at the certificates that a configuration names: that of a cloud node, and the authorities that are trusted. Files that cannot be
 * read are left out: starting the node tells of them.
 *
 * @param nowMs ms since 1970
 */
export async function examineCertificates(
  { tlsCert, ca }: Pick<Configuration, 'tlsCert' | 'ca'>,
  nowMs: number,
): Promise<CertificateFinding[]> {
  const looked = [
    await findingOf('tlsCert', tlsCert, certificateStatusOf, nowMs),
    // Of several authorities one that is still good is enough to begin with.
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
    const status = statusOf(await readFile(path, 'utf8'));
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
