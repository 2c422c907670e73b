/**
 * The meaning of the system's errors: the one table from system and OpenSSL codes to our own.
 *
 * OpenSSL's codes were measured (Node 20, OpenSSL 3.0). In TLS 1.3 the server notices a wrong key, because the client's
 * binder does not verify, and the client only sees an alert. So on the client, every alert counts as a wrong key.
 */

import {
  type ErrorCode,
  type Failure,
  lacksDescriptors,
  messageOf,
  StatemeshError,
  systemCodeOf,
} from '../core/errors.js';
import { own } from '../core/own.js';
import type { DialSecurity, ListenSecurity } from '../ports/ports.js';

/** `host:port` for people, with an IPv6 host in brackets. */
export function addressText(host: string, port: number): string {
  const plain = plainHost(host);
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** A socket that listens on `::` sees IPv4 clients as `::ffff:10.0.0.1`; all other code calls them `10.0.0.1`. */
export function plainHost(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.)/i, '');
}

export function listenError(error: unknown, host: string, port: number): StatemeshError {
  const address = addressText(host, port);
  const code = systemCodeOf(error);
  if (code === 'EADDRINUSE') {
    return new StatemeshError(
      'portInUse',
      `Cannot listen on ${address}: another process has the port. End it or configure another port.`,
      { cause: error },
    );
  }
  return new StatemeshError(
    'addressUnavailable',
    `Cannot listen on ${address} (${code ?? messageOf(error)}): configure an address of this machine and a port that this user may open.`,
    { cause: error },
  );
}

/** @param kind What the dial expected of the other side: certificates and keys fail with different errors. */
export function dialError(
  error: unknown,
  host: string,
  port: number,
  kind: DialSecurity['kind'] = 'psk',
): StatemeshError {
  const address = addressText(host, port);
  const code = systemCodeOf(error) ?? '';
  const refused = (ourCode: ErrorCode, message: string) => new StatemeshError(ourCode, message, { cause: error });
  if (lacksDescriptors(error)) {
    return refused(
      'descriptorsExhausted',
      `${address} was not dialed, since this process has no file descriptor left (${code}): raise its limit (ulimit -n, LimitNOFILE of systemd).`,
    );
  }
  if (unreachableCodes.has(code)) {
    return refused(
      'connectionRefused',
      `Nothing accepts connections at ${address} (${code}): is the node running there?`,
    );
  }
  if (code === 'ETIMEDOUT') return dialTimeout(host, port);
  if (kind === 'verified') {
    const reason = certificateProblem(error);
    if (reason !== undefined) return refused('certificateInvalid', `${address} cannot be trusted: ${reason}`);
    if (isTlsCode(code) || code === 'EPROTO') {
      return refused(
        'protocolUnsupported',
        `No TLS 1.3 with a certificate at ${address} (${code}): is it the address of a cloud node?`,
      );
    }
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return refused(
      'wrongClusterKey',
      `What answers at ${address} does not speak TLS: it has no cluster key. Give it the key, or correct the address.`,
    );
  }
  if (isTlsCode(code)) {
    return refused(
      'wrongClusterKey',
      `${address} did not prove that it has our cluster key (${code}): configure the same key and salt on both nodes.`,
    );
  }
  return refused(
    'connectionLost',
    `The connection to ${address} broke before it was open (${code || messageOf(error)}).`,
  );
}

/** Why a server's certificate was not trusted, and what to do; undefined for an error of another kind. */
export function certificateProblem(error: unknown): string | undefined {
  const code = systemCodeOf(error) ?? '';
  const known = own(certificateProblems, code);
  if (known !== undefined) return `${known} (${code})`;
  return /^ERR_TLS_CERT|^(ERR_)?CERT_|_CERT_|^UNABLE_TO_|^INVALID_CA$|^HOSTNAME_MISMATCH$/.test(code)
    ? `its certificate cannot be verified (${code}).`
    : undefined;
}

const untrusted = 'configure its authority as `ca`, if it is to be trusted';
const certificateProblems: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: `its certificate is self-signed, by no authority that is trusted here: ${untrusted}`,
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate comes from a self-signed authority that is not trusted here: ${untrusted}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its certificate comes from an authority that is not known here: ${untrusted}`,
  UNABLE_TO_GET_ISSUER_CERT: `its certificate comes from an authority that is not known here: ${untrusted}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `its certificate comes from an authority that is not known here: ${untrusted}`,
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it, or correct the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: correct the clock of this machine',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host: dial it by a name that the certificate has',
};

export function dialTimeout(host: string, port: number): StatemeshError {
  return new StatemeshError(
    'connectionTimeout',
    `${addressText(host, port)} did not answer in time: is it a statemesh node with the same security setting?`,
  );
}

/** The failure of a handshake, from the TLS server's error. */
export function handshakeFailure(error: unknown, kind: ListenSecurity['kind'] = 'psk'): Failure {
  const code = systemCodeOf(error) ?? '';
  if (kind === 'server' && isTlsCode(code) && code !== 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    if (/ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_|UNSUPPORTED_CERTIFICATE)/.test(code)) {
      return {
        code: 'certificateInvalid',
        message: `The other side does not believe our certificate (${code}): configure its authority there.`,
      };
    }
    if (otherVersionCodes.has(code) || /ALERT/.test(code)) {
      return { code: 'protocolUnsupported', message: `The other side does not speak TLS 1.3 as we do (${code}).` };
    }
    return { code: 'frameMalformed', message: `The other side sent no TLS handshake (${code}).` };
  }
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return {
      code: 'handshakeTimeout',
      message: 'The other side connected but did not finish the TLS handshake in time.',
    };
  }
  if (wrongKeyCodes.has(code)) {
    return {
      code: 'wrongClusterKey',
      message: `The other side does not have our cluster key (${code}): configure the same key and salt on both nodes.`,
    };
  }
  if (otherVersionCodes.has(code)) {
    return { code: 'protocolUnsupported', message: `The other side does not speak TLS 1.3 as we do (${code}).` };
  }
  if (isTlsCode(code)) {
    return {
      code: 'frameMalformed',
      message: `The other side sent no TLS handshake (${code}): give it the cluster key if it is a node of ours.`,
    };
  }
  return {
    code: 'connectionLost',
    message: `The connection broke during the TLS handshake (${code || messageOf(error)}).`,
  };
}

export function connectionLost(error: unknown, remoteAddress: string): Failure {
  return {
    code: 'connectionLost',
    message: `The connection to ${remoteAddress} broke (${systemCodeOf(error) ?? messageOf(error)}).`,
  };
}

const unreachableCodes = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'EACCES',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_SOCKET_BAD_PORT',
]);

/** The same key id with another key; and no key of ours at all, in which case OpenSSL looks for a certificate. */
const wrongKeyCodes = new Set([
  'ERR_SSL_BINDER_DOES_NOT_VERIFY',
  'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
  'ERR_SSL_MISSING_SIGALGS_EXTENSION',
]);

const otherVersionCodes = new Set([
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_VERSION_TOO_LOW',
  'ERR_SSL_NO_SHARED_CIPHER',
  'ERR_SSL_NO_SUITABLE_KEY_SHARE',
]);

/**
 * `ERR_SSL_...` and `ERR_TLS_...`, and the codes of certificates, which have no prefix (`DEPTH_ZERO_SELF_SIGNED_CERT`).
 */
function isTlsCode(code: string): boolean {
  return /^ERR_(SSL|TLS|OSSL)_/.test(code) || /CERT|^UNABLE_TO_|^INVALID_CA$/.test(code);
}
