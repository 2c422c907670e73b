/**
 * What counts as one address: an IPv4 address, or the /64 of an IPv6 address, because one household is given a whole
 * /64. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`, `::ffff:a00:1`) counts as the IPv4 address.
 */

const mappedPrefix = '0:0:0:0:0:ffff';

/** The host of an address as sockets report it: `host:port`, `[IPv6]:port`, or a host alone. */
export function hostIn(remoteAddress: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(remoteAddress)?.[1] ?? remoteAddress.replace(/:\d+$/, '');
}

/** The range that a host counts towards. A host that is not an IP address counts as itself. */
export function addressRange(host: string): string {
  const groups = ipv6Groups(host);
  if (groups === undefined) return host;
  return mappedIpv4(groups) ?? `${groups.slice(0, 4).join(':')}::/64`;
}

/** A wider range, against a sender with many addresses: the /24 of an IPv4 address, the /64 of an IPv6 address. */
export function neighborhood(host: string): string {
  const range = addressRange(host);
  return /^\d+\.\d+\.\d+\.\d+$/.test(range) ? `${range.slice(0, range.lastIndexOf('.'))}.0/24` : range;
}

/** The eight groups of an IPv6 address in hexadecimal; undefined for any other text. */
function ipv6Groups(host: string): string[] | undefined {
  if (!host.includes(':')) return undefined;
  const address = host.split('%')[0] as string;
  if (!URL.canParse(`http://[${address}]/`)) return undefined;
  // URL returns the canonical form of RFC 5952: short, and without an IPv4 address at its end.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const front = head === '' ? [] : head.split(':');
  if (tail === undefined) return front;
  const back = tail === '' ? [] : tail.split(':');
  return [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back];
}

function mappedIpv4(groups: readonly string[]): string | undefined {
  if (groups.slice(0, 6).join(':') !== mappedPrefix) return undefined;
  const bytes = groups.slice(6).flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
  return bytes.join('.');
}
