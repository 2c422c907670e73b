/** The targets of a beacon so that every node hears it: the directed broadcast address of every interface. */
import type { NetworkInterfaceInfo } from 'node:os';

/**
 * Reaches every process of this machine that is bound to it or to 0.0.0.0, and never leaves the machine. A datagram to
 * 127.0.0.1 would reach one process only.
 */
export const loopbackBroadcastAddress = '127.255.255.255';

/** The directed broadcast address of every IPv4 network of this machine, and loopback's; each once. */
export function lanBroadcastAddresses(
  interfaces: Readonly<Record<string, NetworkInterfaceInfo[] | undefined>>,
): string[] {
  const addresses = new Set([loopbackBroadcastAddress]);
  for (const info of Object.values(interfaces).flatMap((list) => list ?? [])) {
    if (info.internal || info.family !== 'IPv4') continue;
    const address = parseIPv4(info.address);
    const netmask = parseIPv4(info.netmask);
    if (address === undefined || netmask === undefined) continue;
    const hostBits = ~netmask >>> 0;
    // A network of one or two addresses has no broadcast address (RFC 3021).
    if (hostBits > 1) addresses.add(formatIPv4((address | hostBits) >>> 0));
  }
  return [...addresses];
}

function parseIPv4(text: string): number | undefined {
  const parts = text.split('.').map(Number);
  if (parts.length !== 4 || !parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255))
    return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
}

function formatIPv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}
