/**
 * What the system's errors mean to statemesh: the one table from system and OpenSSL codes to our own.
 *
 * OpenSSL's codes were measured (Node 20, OpenSSL 3.0). In TLS 1.3 the server notices a wrong key, since the client's
 * binder does not verify, and the client only gets to know an alert; so every alert counts as a wrong key there.
 */
import { type ErrorCode, type Failure, messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';

/** `host:port` for people, IPv6 in brackets. */
export function addressText(host: string, port: number): string {
  const plain = plainHost(host);
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** A socket that listens on `::` sees IPv4 clients as `::ffff:10.0.0.1`; everybody else calls them `10.0.0.1`. */
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

export function dialError(error: unknown, host: string, port: number): StatemeshError {
  const address = addressText(host, port);
  const code = systemCodeOf(error) ?? '';
  const refused = (ourCode: ErrorCode, message: string) => new StatemeshError(ourCode, message, { cause: error });
  if (unreachableCodes.has(code)) {
    return refused(
      'connectionRefused',
      `Nothing accepts connections at ${address} (${code}): is the node running there?`,
    );
  }
  if (code === 'ETIMEDOUT') return dialTimeout(host, port);
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

export function dialTimeout(host: string, port: number): StatemeshError {
  return new StatemeshError(
    'connectionTimeout',
    `${addressText(host, port)} did not answer in time: is it a statemesh node with the same security setting?`,
  );
}

/** What a TLS server says of a handshake that came to nothing. */
export function handshakeFailure(error: unknown): Failure {
  const code = systemCodeOf(error) ?? '';
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

/** The same key id with another key; and no key of ours at all, which sends OpenSSL looking for a certificate. */
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

/** `ERR_SSL_...` and `ERR_TLS_...`, and those of certificates, which have no prefix (`DEPTH_ZERO_SELF_SIGNED_CERT`). */
function isTlsCode(code: string): boolean {
  return /^ERR_(SSL|TLS|OSSL)_/.test(code) || /CERT|^UNABLE_TO_|^INVALID_CA$/.test(code);
}
