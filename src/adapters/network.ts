/**
 * The system's network: TCP, TLS with the cluster key or a certificate, WebSockets, and UDP broadcasts.
 *
 * Invariant: every socket is known from the moment it is opened, whether or not a connection comes of it, so `closeAll`
 * leaves none open.
 */
import type { Socket } from 'node:net';
import { StatemeshError } from '../core/errors.js';
import type { Network } from '../ports/ports.js';
import { type OpenDatagrams, openDatagrams } from './datagrams.js';
import { dial, dialCancelled } from './dialing.js';
import { listen, type OpenListening } from './listening.js';
import { OpeningTurns } from './opening-turns.js';

/** A network over this machine's sockets. After `closeAll` it is unusable. */
export function createNetwork(): Network {
  const listenings = new Set<OpenListening>();
  const sockets = new Map<Socket, Promise<void>>();
  const datagrams = new Set<OpenDatagrams>();
  const turns = new OpeningTurns();
  let isClosed = false;

  const track = (socket: Socket): void => {
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => {
        sockets.delete(socket);
        resolve();
      });
    });
    sockets.set(socket, closed);
  };

  return {
    async listen(options) {
      assertOpen(isClosed);
      const listening = await listen({ ...options, opened: track });
      listenings.add(listening);
      void listening.closed.then(() => listenings.delete(listening));
      if (isClosed) await listening.close();
      assertOpen(isClosed);
      return listening;
    },

    async dial(options) {
      assertOpen(isClosed);
      await turns.next();
      if (isClosed) throw dialCancelled(options);
      return await dial(options, track).catch((error: unknown) => {
        throw isClosed ? dialCancelled(options) : error;
      });
    },

    async openDatagrams(options) {
      assertOpen(isClosed);
      const opened = await openDatagrams(options);
      datagrams.add(opened);
      void opened.closed.then(() => datagrams.delete(opened));
      if (isClosed) opened.close();
      assertOpen(isClosed);
      return opened;
    },

    async closeAll() {
      isClosed = true;
      const closed: Promise<void>[] = [];
      for (const listening of listenings) closed.push(listening.closed, listening.close());
      for (const [socket, socketClosed] of sockets) {
        closed.push(socketClosed);
        socket.destroy();
      }
      for (const opened of datagrams) {
        closed.push(opened.closed);
        opened.close();
      }
      await Promise.all(closed);
    },
  };
}

function assertOpen(isClosed: boolean): void {
  if (isClosed)
    throw new StatemeshError('notRunning', 'The network was closed: a node that has stopped opens no sockets.');
}
