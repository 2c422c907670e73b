/**
 * TLS 1.3 with the pre-shared cluster key (RFC 8446, section 2.2), and with a server certificate for cloud links:
 * options for both sides, and the check afterwards.
 *
 * Invariants of the cluster key: no certificate is sent or trusted. Both sides prove in the handshake that they hold
 * the key, or there is no connection. TLS_AES_256_GCM_SHA384 does not work with such a key, whose hash is SHA-256, so
 * there is one cipher suite.
 */
import { constants } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import type { PresharedKey } from '../core/keys.js';
import type { ServerCertificate } from '../ports/ports.js';

export interface PskServerOptions {
  readonly keys: readonly PresharedKey[];
  readonly handshakeTimeoutMs: number;
  /** The client has named a key of ours. The handshake completes only if the client has that key. */
  named(socket: TLSSocket, keyId: string): void;
}

export function pskServerOptions({ keys, handshakeTimeoutMs, named }: PskServerOptions): TlsOptions {
  return {
    ...tls13,
    handshakeTimeout: handshakeTimeoutMs,
    // A client that once had a key must not return with a session of that time. This option turns tickets into
    // references to a session cache, which does not exist; the listener checks by `named`.
    secureOptions: constants.SSL_OP_NO_TICKET,
    pskCallback: (socket, identity) => {
      // OpenSSL calls this with tickets, too, and one in 200 of them reads as text: only our own key id proves
      // anything.
      const key = keys.find(({ keyId }) => keyId === identity);
      if (key === undefined) return null;
      named(socket, key.keyId);
      return key.key;
    },
  };
}

export function pskClientOptions({ keyId, key }: PresharedKey): ConnectionOptions {
  // A server that ignores our key and shows a certificate instead would pass if that certificate were verified the
  // usual way. So no authority is trusted; and even if one were, no certificate has the right name. If the key is
  // agreed, there is no certificate, and Node.js checks neither.
  pskContext ??= createSecureContext({ ...tls13, ca: [] });
  return {
    secureContext: pskContext,
    pskCallback: () => ({ identity: keyId, psk: key }),
    rejectUnauthorized: true,
    checkServerIdentity: () => keyNotProved('the server showed a certificate instead'),
  };
}

/** One for all dials: it holds no key, and creating it is most of the work of a dial. */
let pskContext: SecureContext | undefined;

export function certificateServerOptions(server: ServerCertificate, handshakeTimeoutMs: number): TlsOptions {
  return {
    minVersion: 'TLSv1.3',
    handshakeTimeout: handshakeTimeoutMs,
    cert: server.certificate,
    key: server.key.reveal(),
    // The dialer proves its identity later, with its token.
    requestCert: false,
  };
}

/** A host name is sent as SNI and must match the certificate; an IP address only must match (RFC 6066). */
export function verifiedClientOptions(host: string, ca: string | undefined): ConnectionOptions {
  return {
    minVersion: 'TLSv1.3',
    // Set explicitly, because the environment can switch the default off.
    rejectUnauthorized: true,
    servername: isIP(host) === 0 ? host : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
    ...(ca === undefined ? {} : { ca }),
  };
}

/**
 * Whether the server of a completed handshake holds the key. In TLS 1.3 a pre-shared key counts as a resumed session,
 * and we never offer a real one.
 */
export function hasProvedKey(socket: TLSSocket): boolean {
  return socket.isSessionReused() && Object.keys(socket.getPeerCertificate()).length === 0;
}

/** The error of a server that completed the handshake without our key. */
export function keyNotProved(reason: string): Error {
  return Object.assign(new Error(reason), { code: 'ERR_TLS_CLUSTER_KEY_NOT_PROVED' });
}

const tls13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;
