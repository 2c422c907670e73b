/**
 * Network addresses as people write them: `host:port`, with an IPv6 host in brackets.
 *
 * Invariant: `parseAddress(formatAddress(address))` gives the same address, and what is accepted can be dialed as it is.
 */
import { StatemeshError, shortText } from './errors.js';

export interface Address {
  /** A name, an IPv4 address or an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

const hostLengthMax = 253;
const portMax = 65_535;
const bracketed = /^\[([0-9A-Fa-f:.]+)(%[A-Za-z0-9._-]{1,32})?\]:([1-9]\d{0,4})$/;
const named = /^([^:[\]]+):([1-9]\d{0,4})$/;
const hostName = /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
const byte = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = new RegExp(`^${byte}(\\.${byte}){3}$`);

/**
 * Takes `host:port` or `[IPv6]:port` apart. Names outside ASCII are written as punycode.
 *
 * @throws StatemeshError `peerInvalid`
 */
export function parseAddress(text: string): Address {
  if (typeof text !== 'string') throw invalid(text, 'is not a text');
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

/** Where a cloud node is, and how to reach it. */
export interface CloudAddress extends Address {
  /** Whether by TLS; without it only on loopback, and on request. */
  readonly isEncrypted: boolean;
  /** The path and query of a WebSocket; undefined for a plain stream. */
  readonly webSocketPath: string | undefined;
}

const cloudUrl = /^(wss|ws|tcp):\/\/(\[[^\]]*\]|[^/:?#@[\]]*)(?::([1-9]\d{0,4}))?(\/[!-"$-~]*)?$/;
const cloudAddressLengthMax = 2_048;
const wssPort = '443';

/**
 * Takes the address of a cloud node apart: `host:port` (TLS), `wss://host[:port]/path`, and for experiments on one machine
 * `tcp://host:port` and `ws://host:port/path`, which are not encrypted.
 *
 * @throws StatemeshError `peerInvalid`; `plaintextRefused` for what is not encrypted and not on loopback
 */
export function parseCloudAddress(text: string): CloudAddress {
  if (typeof text !== 'string' || !text.includes('://')) {
    return { ...parseAddress(text), isEncrypted: true, webSocketPath: undefined };
  }
  const url = text.length <= cloudAddressLengthMax ? cloudUrl.exec(text) : null;
  if (url === null) throw invalid(text, 'is not host:port, wss://host/path, tcp://host:port or ws://host:port/path');
  const [, scheme, host = '', port = scheme === 'wss' ? wssPort : undefined, path] = url;
  if (port === undefined) throw invalid(text, 'has no port');
  if (scheme === 'tcp' && path !== undefined) throw invalid(text, 'has a path, which tcp:// has not');
  const address = { ...parseAddress(`${host}:${port}`), isEncrypted: scheme === 'wss' };
  if (!address.isEncrypted && !isLoopback(address.host)) {
    throw new StatemeshError(
      'plaintextRefused',
      `"${shortText(text)}" is not encrypted, which is allowed on loopback only: use host:port or wss://.`,
    );
  }
  return { ...address, webSocketPath: scheme === 'tcp' ? undefined : (path ?? '/') };
}

/** Whether a host is this machine, and no other, without asking anybody. */
export function isLoopback(host: string): boolean {
  if (host.includes(':')) return isIpv6(host) && new URL(`http://[${host}]/`).hostname === '[::1]';
  return host.toLowerCase() === 'localhost' || (ipv4.test(host) && host.startsWith('127.'));
}

/** 0 too: to listen on, it is any. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= portMax;
}

/** The text of an address; an IPv6 host gets its brackets. */
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
  // A name whose last label is a number is an IPv4 address, or nothing.
  return /(^|\.)\d+$/.test(host) ? ipv4.test(host) : hostName.test(host);
}

function isIpv6(address: string): boolean {
  return URL.canParse(`http://[${address}]/`);
}

function invalid(text: unknown, reason: string): StatemeshError {
  return new StatemeshError('peerInvalid', `The address "${shortText(text)}" ${reason}.`);
}
