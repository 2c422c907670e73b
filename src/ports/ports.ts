/**
 * Ports: what the node needs of the outside world. Adapters implement them over sockets, files and the system clock;
 * the deterministic world implements them over virtual ones. Both pass the same contract suites.
 *
 * Ports never throw into their caller's stack from a callback: they report failure as data or reject with a
 * `StatemeshError`.
 */
import type { ConnectionLimits } from '../core/admission.js';
import type { Failure } from '../core/errors.js';
import type { PresharedKey } from '../core/keys.js';
import type { Secret } from '../core/secret.js';

/** A call that is to come. */
export interface Timer {
  cancel(): void;
}

/** Clocks and timers. The wall clock may jump; the monotonic one never goes back. */
export interface Time {
  /** Wall clock, ms since 1970. May jump. */
  now(): number;
  /** Monotonic clock, ms, fractions allowed. Never goes back. */
  monotonicMs(): number;
  after(delayMs: number, callback: () => void): Timer;
  /** Runs a callback in the next turn of the event loop: the beat of group commit. */
  soon(callback: () => void): void;
  /** Resolves in the next turn of the event loop: lets sockets and timers have their turn between batches. */
  turn(): Promise<void>;
}

/** Where everything that is drawn comes from. */
export interface Randomness {
  /** Uniform in [0, 1). */
  float(): number;
  /** Cryptographically strong in the real world: 12 bytes, base64url. */
  token(): string;
}

/**
 * How connections are protected. With a ring of keys a listener takes any of them, and a dial tries one after the other. `none` is plain
 * TCP and trusts everybody who can connect.
 */
export type ConnectionSecurity =
  | { readonly kind: 'psk'; readonly keys: readonly PresharedKey[] }
  | { readonly kind: 'none' };

/** What a server shows that it is who it claims to be: PEM. The key does not show when it is printed. */
export interface ServerCertificate {
  readonly certificate: string;
  readonly key: Secret;
}

/** How a listener protects its connections. `server`: TLS 1.3 with a certificate; who dials proves itself later, by a token. */
export type ListenSecurity = ConnectionSecurity | { readonly kind: 'server'; readonly server: ServerCertificate };

/** How a dialer does. `verified`: TLS 1.3, and the server's certificate is verified against the system's authorities, or `ca`. */
export type DialSecurity =
  | ConnectionSecurity
  | { readonly kind: 'verified' /** PEM, in place of the system's authorities. */; readonly ca: string | undefined };

/** How a connection really is protected, for whoever takes it over: the rules may have changed while it was opened. */
export type Protection =
  | { readonly kind: 'psk'; readonly keyId: string }
  | { readonly kind: 'none' | 'server' | 'verified' };

/** What the owner of a connection hears of it. */
export interface ConnectionHandlers {
  data(bytes: Uint8Array): void;
  /** The queue of bytes to send is empty again after `write` had returned false. */
  drained(): void;
  /** The connection has ended, from either side; called once, and nothing is called after it. */
  closed(failure: Failure | undefined): void;
}

/**
 * An open, reliable, ordered stream of bytes to another node. It is paused until handlers are attached, so nothing is
 * lost between opening it and the session that takes it over.
 */
export interface Connection {
  /** `host:port` of the other end, for people. */
  readonly remoteAddress: string;
  /** The host of the other end, to dial it back. */
  readonly remoteHost: string;
  readonly protection: Protection;
  /** The other side has proved who it is: the connection makes way for no stranger any more. */
  admitted(): void;
  attach(handlers: ConnectionHandlers): void;
  /**
   * Queues bytes; false when the queue is long and the writer should wait for `drained`. Also false, and without effect,
   * once the connection was ended by either side: there, `closed` is what comes.
   */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the network. */
  readonly queuedBytes: number;
  /**
   * Stops reading until `resume`: what the other side sends waits with it. A little that was read already may still come. To be
   * called once handlers are attached; without effect on a closed connection.
   */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes; soon, even if the other side takes nothing. */
  end(): void;
  /** Closes at once. Without effect on a closed connection. */
  destroy(): void;
}

/** File descriptors of the process of a node. */
export interface Descriptors {
  readonly open: number;
  /** How many may be open (`ulimit -n`). */
  readonly max: number;
}

/** A port on which connections are accepted. */
export interface Listening {
  readonly host: string;
  /** The port in use: the one asked for, or the one that the system chose for 0. */
  readonly port: number;
  /**
   * Accepts in another way from now on, at the same port, which stays open. Handshakes under way are cut off: what they would prove
   * does not count any more. Connections that were accepted stay.
   */
  protect(how: Pick<ListenOptions, 'security' | 'acceptsWebSockets'> & Partial<Pick<ListenOptions, 'limits'>>): void;
  /** Accepts no more, and frees the port. Connections that were accepted stay open. */
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
  /** Uniform in [0, 1): draws who makes way when too many wait to prove who they are; the oldest when left out. */
  random?(): number;
  /** Whether a peer is known to be at an address: places are kept for those. Nobody is known when left out. */
  isFamiliar?(host: string): boolean;
  /** One that is not `admitted` may have to make way for another: then it closes with `connectionLimit`. */
  accepted(connection: Connection): void;
  /** A connection that came to nothing: a wrong key, bytes that are no handshake, too many at once. */
  refused(failure: Failure, remoteAddress: string): void;
}

/** Whom to connect to, and what the other side has to prove. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly security: DialSecurity;
  /** The path, when the other side is to be reached by WebSocket. */
  readonly webSocketPath?: string | undefined;
  readonly timeoutMs: number;
  /** Gives up, and closes what opens too late. */
  readonly signal: AbortSignal;
}

/** A socket for datagrams, open. */
export interface Datagrams {
  /**
   * Sends to everyone who listens in the scope, the sender too. Datagrams may be lost, duplicated and reordered. A function is asked
   * for each network that the datagram goes to.
   */
  broadcast(bytes: Uint8Array | (() => Uint8Array)): void;
  close(): void;
}

/** Where datagrams are sent and heard. */
export interface DatagramOptions {
  readonly port: number;
  /** `loopback`: this machine only. `lan`: the broadcast address of every interface. */
  readonly scope: 'loopback' | 'lan';
  received(bytes: Uint8Array, senderHost: string): void;
  failed(failure: Failure): void;
  /** This machine is on other networks than at the broadcast before. */
  interfacesChanged?(): void;
}

/** Connections and datagrams: the only way to other nodes. */
export interface Network {
  /** @throws StatemeshError `portInUse`, `addressUnavailable` */
  listen(options: ListenOptions): Promise<Listening>;
  /**
   * @throws StatemeshError `wrongClusterKey`, `certificateInvalid`, `connectionRefused`, `connectionTimeout`, `connectionLost`,
   * `protocolUnsupported`, `cancelled`
   */
  dial(options: DialOptions): Promise<Connection>;
  /** @throws StatemeshError `portInUse`, `addressUnavailable` */
  openDatagrams(options: DatagramOptions): Promise<Datagrams>;
  /** Closes every socket that is still open. For good: whatever is asked for afterwards rejects with `notRunning`. */
  closeAll(): Promise<void>;
}

/** What is asked of an HTTP server, the OAuth2 authority mostly. */
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

/** What it has answered, whole. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Asks a web server. Redirects are not followed, and an answer is bounded by `limits.httpBodyBytesMax` and `httpTimeoutMs`. */
export interface Http {
  /** @throws StatemeshError `authorityUnavailable`, `authorityInvalid` (too large), `certificateInvalid`, `cancelled` */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Files that others may replace. */
export interface Files {
  /** Tells of changes of files by their names, however they come about. Returns how to stop. */
  watch(paths: readonly string[], changed: () => void): () => void;
}

/** The environment variables of the process. */
export interface Environment {
  get(name: string): string | undefined;
}
