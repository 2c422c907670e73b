/**
 * Network addresses as people write them: `host:port`, with an IPv6 host in brackets.
 *
 * Invariant: `parseAddress(formatAddress(address))` gives the same address, and what is accepted can be dialed as it is.
 */
import { StatemeshError } from './errors.js';

export interface Address {
  /** A name, an IPv4 address or an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

const hostLengthMax = 253;
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

/** The text of an address; an IPv6 host gets its brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function parsePort(text: string, digits: string): number {
  const port = Number(digits);
  if (port > 65_535) throw invalid(text, 'has a port outside 1 to 65535');
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
  return new StatemeshError('peerInvalid', `The address "${String(text).slice(0, 80)}" ${reason}.`);
}
