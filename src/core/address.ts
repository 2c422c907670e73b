/**
 * Network addresses as people write them: `host:port`, with an IPv6 host in brackets.
 *
 * Invariant: `parseAddress(formatAddress(address))` returns the same address. An accepted address can be dialed as it
 * is.
 */
import { StatemeshError, shortText } from './errors.js';
import { limits } from './limits.js';

export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** The longest name in the DNS (RFC 1035). */
const hostLengthMax = 253;
const portMax = 65_535;
const bracketed = /^\[([0-9A-Fa-f:.]+)(%[A-Za-z0-9._-]{1,32})?\]:([1-9]\d{0,4})$/;
const named = /^([^:[\]]+):([1-9]\d{0,4})$/;
const hostName = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = new RegExp(`^${byte}(\\.${byte}){3}$`);

/**
 * Parses `host:port` or `[IPv6]:port`. A host name outside ASCII must be written as punycode.
 *
 * @throws StatemeshError `peerInvalid`
 */
export function parseAddress(text: string): Address {
  if (typeof text !== 'string') throw invalid(text, 'is not a string');
  const brackets = bracketed.exec(text);
  if (brackets !== null) {
    const [, address = '', zone = '', port = ''] = brackets;
    if (!isIpv6(address)) throw invalid(text, 'has no valid IPv6 address in its brackets');
    return { host: `${address}${zone}`, port: parsePort(text, port) };
  }
  const plain = named.exec(text);
  if (plain === null) throw invalid(text, 'is not host:port or [IPv6]:port');
  const [, host = '', port = ''] = plain;
  if (!isHost(host)) throw invalid(text, 'has no valid host name or IPv4 address');
  return { host, port: parsePort(text, port) };
}

/** Where a cloud node listens, and how to reach it. */
export interface CloudAddress extends Address {
  /** Whether the connection uses TLS. Plaintext is allowed on loopback only, and only on request. */
  readonly isEncrypted: boolean;
  /** The path and query of a WebSocket; undefined for a plain stream. */
  readonly webSocketPath: string | undefined;
}

const cloudUrl = /^(wss|ws|tcp):\/\/(\[[^\]]*\]|[^/:?#@[\]]*)(?::([1-9]\d{0,4}))?(\/[!-"$-~]*)?$/;
const wssPort = '443';

/**
 * Parses the address of a cloud node: `host:port` (TLS) or `wss://host[:port]/path`. For experiments on one machine
 * there are `tcp://host:port` and `ws://host:port/path`, which are not encrypted.
 *
 * @throws StatemeshError `peerInvalid`; `plaintextRefused` for an unencrypted address outside loopback
 */
export function parseCloudAddress(text: string): CloudAddress {
  if (typeof text !== 'string' || !text.includes('://')) {
    return { ...parseAddress(text), isEncrypted: true, webSocketPath: undefined };
  }
  const url = text.length <= limits.cloudAddressLengthMax ? cloudUrl.exec(text) : null;
  if (url === null) throw invalid(text, 'is not host:port, wss://host/path, tcp://host:port or ws://host:port/path');
  const [, scheme, host = '', port = scheme === 'wss' ? wssPort : undefined, path] = url;
  if (port === undefined) throw invalid(text, 'has no port');
  if (scheme === 'tcp' && path !== undefined) throw invalid(text, 'has a path, but tcp:// takes none');
  const address = { ...parseAddress(`${host}:${port}`), isEncrypted: scheme === 'wss' };
  if (!address.isEncrypted && !isLoopback(address.host)) {
    throw new StatemeshError(
      'plaintextRefused',
      `"${shortText(text)}" is not encrypted, which is allowed on loopback only: use host:port or wss://.`,
    );
  }
  return { ...address, webSocketPath: scheme === 'tcp' ? undefined : (path ?? '/') };
}

/** Whether a host is certainly this machine, decided without a name lookup. */
export function isLoopback(host: string): boolean {
  if (host.includes(':')) return isIpv6(host) && new URL(`http://[${host}]/`).hostname === '[::1]';
  return host.toLowerCase() === 'localhost' || (ipv4.test(host) && host.startsWith('127.'));
}

/** Whether a number is a port. 0 is one: a listener on port 0 takes any free port. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= portMax;
}

/** The text of an address. An IPv6 host gets brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function parsePort(text: string, digits: string): number {
  const port = Number(digits);
  if (!isPort(port)) throw invalid(text, 'has a port outside 1 to 65535');
  return port;
}

function isHost(host: string): boolean {
  if (host.length > hostLengthMax) return false;
  // A name whose last label is a number is either an IPv4 address or invalid.
  return /(^|\.)\d+$/.test(host) ? ipv4.test(host) : hostName.test(host);
}

function isIpv6(address: string): boolean {
  return URL.canParse(`http://[${address}]/`);
}

function invalid(text: unknown, reason: string): StatemeshError {
  return new StatemeshError('peerInvalid', `The address "${shortText(text)}" ${reason}.`);
}
