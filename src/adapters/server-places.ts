/**
 * The places of a local web server. One waiting caller gives way to each newcomer when all places are taken, so a
 * caller that connects and stays silent keeps no other caller from an answer. A caller waits while none of its requests
 * is being answered; a connection that became a WebSocket does not wait.
 */
import { Places, theOldest } from '../core/admission.js';

/** The part of a socket that matters to its place. */
export interface CallerSocket {
  destroy(): void;
  once(event: 'close', listener: () => void): unknown;
}

/** The part of a `node:http` server that matters to the places of its callers. */
export interface PlacedServer {
  on(event: 'connection', listener: (socket: CallerSocket) => void): unknown;
  on(
    event: 'request',
    listener: (request: { readonly socket: CallerSocket }, response: Pick<CallerSocket, 'once'>) => void,
  ): unknown;
}

/** The maximum of waiting callers, and of callers that are being answered. */
export interface CallerLimits {
  readonly waitingMax: number;
  readonly answeredMax: number;
}

/**
 * Manages the places of a server's callers from now on.
 *
 * @returns The function to call with a socket that has become a WebSocket
 */
export function keepPlaces(
  server: PlacedServer,
  { waitingMax, answeredMax }: CallerLimits,
): (socket: CallerSocket) => void {
  const places = new Places<CallerSocket>(
    { connectionsMax: answeredMax, connectionsPerAddressMax: answeredMax, unauthenticatedMax: waitingMax },
    theOldest,
  );
  const isPresent = new WeakSet<CallerSocket>();
  const wait = (socket: CallerSocket): void => {
    const placing = places.enter(socket, { host: '', isFamiliar: false });
    if ('failure' in placing) socket.destroy();
    else placing.yields?.destroy();
  };
  const answer = (socket: CallerSocket): void => {
    if (places.admit(socket) !== undefined) socket.destroy();
  };
  server.on('connection', (socket) => {
    isPresent.add(socket);
    socket.once('close', () => {
      isPresent.delete(socket);
      places.leave(socket);
    });
    wait(socket);
  });
  server.on('request', ({ socket }, response) => {
    answer(socket);
    response.once('close', () => {
      places.leave(socket);
      if (isPresent.has(socket)) wait(socket);
    });
  });
  return answer;
}

/** The part of a `node:http` server that counts the requests of a connection. */
export interface AnsweringServer {
  on(
    event: 'request',
    listener: (
      request: { readonly socket: { destroySoon(): void } },
      response: { once(event: 'finish', listener: () => void): unknown },
    ) => void,
  ): unknown;
  /** Further requests are reported by `dropRequest`. */
  maxRequestsPerSocket: number | null;
  on(event: 'dropRequest', listener: (request: unknown, socket: CallerSocket) => void): unknown;
  /** How long a connection may be idle, ms. */
  timeout: number;
}

/**
 * Gives each connection one answer, then closes it. A connection that is idle for too long is closed, too. Otherwise a
 * caller that keeps sending requests without reading the answers would fill the memory, and keep a place forever. A
 * caller that sends a body without end would keep newcomers waiting: Node.js reads on after the answer, and accepts one
 * connection each time that it has read from all others. A connection that became a WebSocket is left alone.
 */
export function answerOnce(server: AnsweringServer, patienceMs: number): void {
  server.maxRequestsPerSocket = 1;
  server.on('request', ({ socket }, response) => {
    response.once('finish', () => socket.destroySoon());
  });
  server.on('dropRequest', (_, socket) => socket.destroy());
  server.timeout = patienceMs;
}
