/**
 * The places of a local web server: of the callers that wait, one makes way for each newcomer, so that whoever connects and says
 * nothing keeps nobody from an answer. A caller waits while no request of its is being answered; one whose connection became a
 * WebSocket does not.
 */
import { Places, theOldest } from '../core/admission.js';

/** A socket, as far as its place is concerned. */
export interface CallerSocket {
  destroy(): void;
  once(event: 'close', listener: () => void): unknown;
}

/** A server of `node:http`, as far as the places of its callers are concerned. */
export interface PlacedServer {
  on(event: 'connection', listener: (socket: CallerSocket) => void): unknown;
  on(
    event: 'request',
    listener: (request: { readonly socket: CallerSocket }, response: Pick<CallerSocket, 'once'>) => void,
  ): unknown;
}

/** How many callers there may be: those that wait, and those that are being answered. */
export interface CallerLimits {
  readonly waitingMax: number;
  readonly answeredMax: number;
}

/**
 * Keeps the places of a server's callers from now on.
 *
 * @returns What to call with a socket that has become a WebSocket
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

/** A server of `node:http`, as far as it counts the requests of a connection. */
export interface AnsweringServer {
  /** What comes after so many is told by `dropRequest`. */
  maxRequestsPerSocket: number | null;
  on(event: 'dropRequest', listener: (request: unknown, socket: CallerSocket) => void): unknown;
  /** How long nothing may move on a connection, ms. */
  timeout: number;
}

/**
 * Gives each connection one answer, and closes it when nothing moves for so long: whoever asks again and again and does not read the
 * answers would fill the memory, and keep a place for ever. A connection that became a WebSocket is left alone.
 */
export function answerOnce(server: AnsweringServer, patienceMs: number): void {
  server.maxRequestsPerSocket = 1;
  server.on('dropRequest', (_, socket) => socket.destroy());
  server.timeout = patienceMs;
}
