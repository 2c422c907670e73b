/**
 * UDP broadcasts, for beacons.
 *
 * Invariants: `broadcast` never throws. A failed send is reported at most once a minute for each kind of failure,
 * because an unplugged cable would otherwise fill the log. Scope `loopback` neither sends to nor hears other machines.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { messageOf, systemCodeOf } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { DatagramOptions, Datagrams } from '../ports/ports.js';
import { lanBroadcastAddresses, loopbackBroadcastAddress } from './broadcast-addresses.js';
import { addressText, listenError } from './network-errors.js';

/** Datagrams with a promise of their end, for a network that closes everything. */
export interface OpenDatagrams extends Datagrams {
  readonly closed: Promise<void>;
}

/** @throws StatemeshError `portInUse`, `addressUnavailable` */
export async function openDatagrams(options: DatagramOptions): Promise<OpenDatagrams> {
  const { port, scope } = options;
  // Every process of this machine must hear a broadcast, so all share the port. A socket bound to the broadcast address
  // hears no datagram that is sent to this machine alone; its own datagrams come from 127.0.0.1 (measured on Linux).
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const host = scope === 'loopback' ? loopbackBroadcastAddress : '0.0.0.0';
  await bind(socket, host, port);
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  const report = failureReport(options);
  socket.on('message', (bytes, sender) => options.received(bytes, sender.address));
  socket.on('error', (error) => report(error, host));

  let isOpen = true;
  let networks: string | undefined;
  return {
    closed,
    broadcast(bytes) {
      if (!isOpen) return;
      // Looked up for each datagram, because interfaces come and go; one call takes some 50 µs.
      const targets = scope === 'loopback' ? [loopbackBroadcastAddress] : lanBroadcastAddresses(networkInterfaces());
      const before = networks;
      networks = targets.join(' ');
      if (before !== undefined && before !== networks) options.interfacesChanged?.();
      for (const target of targets) {
        socket.send(typeof bytes === 'function' ? bytes() : bytes, port, target, (error) => {
          if (error !== null && isOpen) report(error, target);
        });
      }
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      socket.removeAllListeners('message');
      socket.close();
    },
  };
}

async function bind(socket: Socket, host: string, port: number): Promise<void> {
  try {
    const bound = once(socket, 'listening');
    socket.bind(port, host);
    await bound;
    socket.setBroadcast(true);
  } catch (error) {
    socket.close();
    throw listenError(error, host, port);
  }
}

function failureReport({ port, failed }: DatagramOptions): (error: Error, target: string) => void {
  const reportedAtMs = new Map<string, number>();
  return (error, target) => {
    const code = systemCodeOf(error) ?? messageOf(error);
    const nowMs = performance.now();
    const lastMs = reportedAtMs.get(code);
    if (lastMs !== undefined && nowMs - lastMs < limits.datagramReportIntervalMs) return;
    reportedAtMs.set(code, nowMs);
    failed({
      code: 'addressUnavailable',
      message: `A datagram to ${addressText(target, port)} could not be sent (${code}): is the network interface up?`,
    });
  };
}
