/** The harness of the network's contract over this machine's sockets. */
import { createSocket } from 'node:dgram';
import { createNetwork } from '../../src/adapters/network.js';
import type { ConnectionSecurity } from '../../src/ports/ports.js';
import type { ConnectionWay, NetworkHarness } from './network.contract.js';

export const host = '127.0.0.1';
export const key = new Uint8Array(32).fill(1);
export const keyId = 'cluster-key';
export const security: ConnectionSecurity = { kind: 'psk', keys: [{ keyId, key }] };

export async function makeHarness(way?: ConnectionWay): Promise<NetworkHarness> {
  const server = createNetwork();
  const client = createNetwork();
  return {
    server,
    client,
    host,
    datagramPort: await freeUdpPort(),
    datagramScope: 'loopback',
    security,
    otherKey: { kind: 'psk', keys: [{ keyId, key: new Uint8Array(32).fill(2) }] },
    otherKeyId: { kind: 'psk', keys: [{ keyId: 'another-key', key }] },
    ...(way === undefined ? {} : { way }),
    until,
    close: async () => {
      await Promise.all([server.closeAll(), client.closeAll()]);
    },
  };
}

/** Checks the condition in each turn of the event loop: sockets have no other event that works for all conditions. */
export async function until(condition: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadlineMs) throw new Error(`never came true: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => {
    socket.bind(0, host, resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => {
    socket.close(resolve);
  });
  return port;
}
