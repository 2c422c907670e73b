/**
 * Ports: what a node needs of the outside world. Adapters implement them over sockets, files and the system clock; the
 * deterministic world implements them over virtual ones. Both pass the same contract suites.
 *
 * Ports never throw into their caller's stack from a callback: they report failure as data, or reject with a
 * `StatemeshError`.
 */
import type { ConnectionLimits } from '../core/admission.js';
import type { Failure } from '../core/errors.js';
import type { PresharedKey } from '../core/keys.js';
import type { Secret } from '../core/secret.js';

/** A scheduled call. */
export interface Timer {
  cancel(): void;
}

/** Clocks and timers. The wall clock may jump; the monotonic clock never goes back. */
export interface Time {
  /** Wall clock, ms since 1970. May jump. */
  now(): number;
  /** Monotonic clock, ms, fractions allowed. Never goes back. */
  monotonicMs(): number;
  after(delayMs: number, callback: () => void): Timer;
  /** Runs a callback in the next turn of the event loop; group commit works at this pace. */
  soon(callback: () => void): void;
  /** Resolves in the next turn of the event loop, so that sockets and timers get their turn between batches. */
  turn(): Promise<void>;
}

/** The source of everything random. */
export interface Randomness {
  /** Uniform in [0, 1). */
  float(): number;
  /** Cryptographically strong in the real world: 12 bytes, base64url. */
  token(): string;
}

/**
 * How connections are protected. With a ring of keys, a listener accepts any of them, and a dial tries one after the
 * other. `none` is plain TCP and trusts every host that can connect.
 */
export type ConnectionSecurity =
  | { readonly kind: 'psk'; readonly keys: readonly PresharedKey[] }
  | { readonly kind: 'none' };

/** The certificate with which a server proves its identity, and its key: PEM. The key does not show when printed. */
export interface ServerCertificate {
  readonly certificate: string;
  readonly key: Secret;
}

/**
 * How a listener protects its connections. `server`: TLS 1.3 with a certificate; the dialer proves its identity later,
 * with a token.
 */
export type ListenSecurity = ConnectionSecurity | { readonly kind: 'server'; readonly server: ServerCertificate };

/**
 * How a dialer protects its connections. `verified`: TLS 1.3, with the server's certificate verified against the
 * system's authorities, or against `ca`.
 */
export type DialSecurity =
  | ConnectionSecurity
  | { readonly kind: 'verified' /** PEM, in place of the system's authorities. */; readonly ca: string | undefined };

/**
 * How an open connection is actually protected. Its new owner checks this, because the rules may have changed while it
 * was opened.
 */
export type Protection =
  | { readonly kind: 'psk'; readonly keyId: string }
  | { readonly kind: 'none' | 'server' | 'verified' };

/** The events of a connection, for its owner. */
export interface ConnectionHandlers {
  data(bytes: Uint8Array): void;
  /** The send queue is empty again after `write` returned false. */
  drained(): void;
  /** The connection has ended, from either side. Called once, and no handler is called after it. */
  closed(failure: Failure | undefined): void;
}

/**
 * An open, reliable, ordered stream of bytes to another node. It is paused until handlers are attached, so nothing is
 * lost between its opening and the session that takes it over.
 */
export interface Connection {
  /** `host:port` of the other end, for people. */
  readonly remoteAddress: string;
  /** The host of the other end, to dial it back. */
  readonly remoteHost: string;
  readonly protection: Protection;
  /** Records that the other side has proved its identity: the connection no longer gives way to newcomers. */
  admitted(): void;
  attach(handlers: ConnectionHandlers): void;
  /**
   * Queues bytes. Returns false when the queue is long and the writer should wait for `drained`. Also returns false,
   * without effect, once either side has ended the connection; `closed` follows then.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the network. */
  readonly queuedBytes: number;
  /**
   * Stops reading until `resume`; the other side's data waits with it. A little data that was already read may still
   * arrive. Call it after handlers are attached; it has no effect on a closed connection.
   */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes; soon, even if the other side reads nothing. */
  end(): void;
  /** Closes at once. Without effect on a closed connection. */
  destroy(): void;
}

/** File descriptors of the process of a node. */
export interface Descriptors {
  readonly open: number;
  /** Maximum that may be open (`ulimit -n`). */
  readonly max: number;
}

/** A port on which connections are accepted. */
export interface Listening {
  readonly host: string;
  /** The port in use: the requested one, or the one that the system chose for 0. */
  readonly port: number;
  /**
   * Changes how connections are accepted from now on. The port stays open. Handshakes under way are cut off, because
   * what they would prove no longer counts. Accepted connections stay.
   */
  protect(how: Pick<ListenOptions, 'security' | 'acceptsWebSockets'> & Partial<Pick<ListenOptions, 'limits'>>): void;
  /** Stops accepting and frees the port. Accepted connections stay open. */
  close(): Promise<void>;
}

/** Where to accept connections, how they are protected, and how many there may be. */
export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly security: ListenSecurity;
  /** Whether a connection may also come as a WebSocket (RFC 6455), with the stream in its binary messages. */
  readonly acceptsWebSockets?: boolean;
  readonly limits: ConnectionLimits;
  readonly handshakeTimeoutMs: number;
  /**
   * Uniform in [0, 1): picks the connection that gives way when too many have not proved their identity. Default: the
   * oldest gives way.
   */
  random?(): number;
  /** Whether a known peer lives at an address; places are kept for such addresses. Default: no address is known. */
  isFamiliar?(host: string): boolean;
  /**
   * Called with each new connection. Until it is `admitted`, it may have to give way to another; then it closes with
   * `connectionLimit`.
   */
  accepted(connection: Connection): void;
  /** Called for each failed connection: a wrong key, bytes that are not a handshake, too many at once. */
  refused(failure: Failure, remoteAddress: string): void;
}

/** Where to connect, and what the other side has to prove. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly security: DialSecurity;
  /** The path, when the other side is reached by WebSocket. */
  readonly webSocketPath?: string | undefined;
  readonly timeoutMs: number;
  /** Gives up the attempt; a connection that opens later is closed. */
  readonly signal: AbortSignal;
}

/** An open socket for datagrams. */
export interface Datagrams {
  /**
   * Sends to every listener in the scope, the sender included. Datagrams may be lost, duplicated and reordered. A
   * function is called for each network that the datagram goes to.
   */
  broadcast(bytes: Uint8Array | (() => Uint8Array)): void;
  close(): void;
}

/** Where datagrams are sent and received. */
export interface DatagramOptions {
  readonly port: number;
  /** `loopback`: this machine only. `lan`: the broadcast address of every interface. */
  readonly scope: 'loopback' | 'lan';
  received(bytes: Uint8Array, senderHost: string): void;
  failed(failure: Failure): void;
  /** Called when this machine is on other networks than at the previous broadcast. */
  interfacesChanged?(): void;
}

/** Connections and datagrams: the only path to other nodes. */
export interface Network {
  /** @throws StatemeshError `portInUse`, `addressUnavailable` */
  listen(options: ListenOptions): Promise<Listening>;
  /**
   * @throws StatemeshError `wrongClusterKey`, `certificateInvalid`, `connectionRefused`, `connectionTimeout`,
   * `connectionLost`, `protocolUnsupported`, `cancelled`
   */
  dial(options: DialOptions): Promise<Connection>;
  /** @throws StatemeshError `portInUse`, `addressUnavailable` */
  openDatagrams(options: DatagramOptions): Promise<Datagrams>;
  /** Closes every open socket permanently: each later call rejects with `notRunning`. */
  closeAll(): Promise<void>;
}

/** A request to an HTTP server, usually the OAuth2 authority. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  /** `http:` or `https:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** PEM, in place of the system's authorities. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
}

/** The complete response of the server. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An HTTP client. It does not follow redirects. `limits.httpBodyBytesMax` and `httpTimeoutMs` bound a response. */
export interface Http {
  /**
   * @throws StatemeshError `authorityUnavailable`, `authorityInvalid` (too large), `certificateInvalid`, `cancelled`
   */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Files that other programs may replace. */
export interface Files {
  /** Reports changes of files by their names, however they are made. Returns a function that stops it. */
  watch(paths: readonly string[], changed: () => void): () => void;
}

/** The environment variables of the process. */
export interface Environment {
  get(name: string): string | undefined;
}
