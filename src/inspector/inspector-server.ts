/**
 * Serves the page and the records to browsers on this machine, and takes records from other processes on it.
 *
 * Invariants: it listens on loopback only. It tells nothing about the node without the token (the page itself is the
 * same for everyone). All memory that a caller can occupy is bounded. A slow viewer is dropped, and no viewer delays
 * the actors. What waits for a viewer that does not read is bounded, answers to its commands and pings included.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { answerOnce, type CallerSocket, keepPlaces } from '../adapters/server-places.js';
import { StreamTurns } from '../adapters/stream-turns.js';
import { messageOf, StatemeshError, systemCodeOf } from '../core/errors.js';
import { Secret } from '../core/secret.js';
import type { Time } from '../ports/ports.js';
import { Access, type Refusal } from './access.js';
import { type Assets, readAssets } from './assets.js';
import { collect } from './collect.js';
import type { History } from './history.js';
import { bufferedBytesMax, closeCodes, pump } from './pump.js';
import { recordsVersion } from './records.js';
import type { Control, Controller, ControlName, ServerMessage } from './wire.js';

export interface ServerOptions {
  readonly history: History;
  /** 0 lets the system choose a port. */
  readonly port: number;
  /** Part of the address; without it, no request gets in. */
  readonly token: string;
  readonly time: Time;
  /** The name of what is watched, for the page's title. */
  readonly title: string;
  /** Whether more records may come. Default: true. */
  readonly isLive?: boolean;
  /** The commands that a page may send, if any. */
  readonly controls?: readonly ControlName[];
  readonly controller?: Controller;
  /** The address of Stately's inspector page, when pages may relay to it. */
  readonly stately?: string | undefined;
  /** Takes records from other processes. Default: false. */
  readonly collects?: boolean;
  readonly assets?: Assets;
}

/** The page, served on loopback. */
export interface InspectorServer {
  readonly port: number;
  /** The address to open, with the token. It admits everyone who has it. */
  readonly url: Secret;
  /** Where other processes send their records, with the token. */
  readonly collectorUrl: Secret;
  close(): Promise<void>;
}

export const serverLimits = {
  viewersMax: 16,
  collectedMax: 128,
  collectedBytesMax: 16 * 1024 * 1024,
  /** Callers that have sent nothing yet; when there are more, the oldest is closed. */
  waitingMax: 64,
  answeredMax: 256,
  headerBytesMax: 8 * 1024,
  requestTimeoutMs: 10_000,
  pageMessageBytesMax: 256 * 1024,
  /** Commands of one page that are in progress. */
  controlsMax: 16,
  pingIntervalMs: 15_000,
} as const;

const host = '127.0.0.1';

/** Pings are answered below, if there is room. */
const webSocketOptions = { noServer: true, perMessageDeflate: false, autoPong: false } as const;

const nodeName = z.string().min(1).max(256);
/** Kept as they came: a record that zod rebuilds leaves out `__proto__`, which must be refused by its name. */
const anyFields = z.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
);
const controlSchema: z.ZodType<Control> = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('put'),
    node: nodeName,
    collection: z.string(),
    key: z.string(),
    document: z.unknown(),
  }),
  z.strictObject({ name: z.literal('crash'), node: nodeName }),
  z.strictObject({ name: z.literal('stop'), node: nodeName }),
  z.strictObject({ name: z.literal('restart'), node: nodeName }),
  z.strictObject({ name: z.literal('reconfigure'), node: nodeName, fields: anyFields }),
  z.strictObject({ name: z.literal('partition'), groups: z.array(z.array(nodeName).max(256)).max(256) }),
  z.strictObject({ name: z.literal('heal') }),
  z.strictObject({ name: z.literal('pace'), factor: z.number().min(0).max(1_000) }),
]);
const messageSchema = z.strictObject({ kind: z.literal('control'), request: z.int(), control: controlSchema });

/** @throws StatemeshError `portInUse`, `addressUnavailable`, `inspectorUnavailable` */
export async function serveInspector(options: ServerOptions): Promise<InspectorServer> {
  const serving = new Serving(options);
  return serving.listen();
}

class Serving {
  readonly #options: ServerOptions;
  readonly #assets: Assets;
  readonly #http: Server;
  readonly #viewers = new WebSocketServer({ ...webSocketOptions, maxPayload: serverLimits.pageMessageBytesMax });
  readonly #processes = new WebSocketServer({ ...webSocketOptions, maxPayload: serverLimits.collectedBytesMax });
  readonly #turns: StreamTurns;
  /** Called for a caller that has the token: it is no longer closed to make room. */
  readonly #stays: (socket: CallerSocket) => void;
  #access: Access | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#turns = new StreamTurns(options.time);
    this.#assets = options.assets ?? readAssets();
    const { headerBytesMax, requestTimeoutMs } = serverLimits;
    this.#http = createServer(
      {
        maxHeaderSize: headerBytesMax,
        requestTimeout: requestTimeoutMs,
        headersTimeout: requestTimeoutMs,
        keepAliveTimeout: requestTimeoutMs,
        connectionsCheckingInterval: requestTimeoutMs / 10,
      },
      (request, response) => this.#answer(request, response),
    );
    this.#stays = keepPlaces(this.#http, serverLimits);
    answerOnce(this.#http, requestTimeoutMs);
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  listen(): Promise<InspectorServer> {
    const { port, token } = this.#options;
    return new Promise((resolve, reject) => {
      this.#http.once('error', (error) => reject(listenFailure(error, port)));
      this.#http.listen(port, host, () => {
        const bound = (this.#http.address() as AddressInfo).port;
        this.#access = new Access({ port: bound, token });
        this.#http.on('error', () => {});
        resolve({
          port: bound,
          // In the fragment, which a browser sends to no server. The page removes it from the address bar and the
          // history.
          url: new Secret(`http://${host}:${bound}/#token=${token}`),
          collectorUrl: new Secret(`ws://${host}:${bound}/collect?token=${token}`),
          close: () => this.#close(),
        });
      });
    });
  }

  async #close(): Promise<void> {
    for (const server of [this.#viewers, this.#processes]) {
      for (const client of server.clients) client.close(closeCodes.ended, 'The inspector is closed.');
    }
    const { time } = this.#options;
    // A client that does not answer the close frame is cut off.
    const timer = time.after(200, () => {
      for (const server of [this.#viewers, this.#processes]) for (const client of server.clients) client.terminate();
      this.#http.closeAllConnections();
    });
    this.#http.closeIdleConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
    timer.cancel();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = urlOf(request);
    const isPage = url?.pathname === '/' || url?.pathname === '/index.html';
    const refusal = url === undefined ? malformed : this.#access?.objectionToHost(request);
    if (refusal !== undefined) {
      respond(response, refusal.status, 'text/plain; charset=utf-8', Buffer.from(`${refusal.message}\n`));
      return;
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      respond(response, 405, 'text/plain; charset=utf-8', Buffer.from('Only GET is supported.\n'));
      return;
    }
    const asset = this.#assets.get(isPage ? '/index.html' : (url?.pathname ?? ''));
    if (asset === undefined)
      respond(response, 404, 'text/plain; charset=utf-8', Buffer.from('There is no such file.\n'));
    else respond(response, 200, asset.type, asset.body);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const url = urlOf(request);
    const access = this.#access;
    if (url === undefined || access === undefined) {
      refuseUpgrade(socket, malformed);
      return;
    }
    const isCollecting = url.pathname === '/collect' && this.#options.collects === true;
    if (!isCollecting && url.pathname !== '/records') {
      refuseUpgrade(socket, { status: 400, message: 'There is no such stream.' });
      return;
    }
    const refusal =
      access.objectionToHost(request) ??
      (isCollecting ? access.objectionToProcess(request) : access.objectionToPage(request)) ??
      access.objectionToToken(url);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    const [server, clientsMax] = isCollecting
      ? [this.#processes, serverLimits.collectedMax]
      : [this.#viewers, serverLimits.viewersMax];
    if (server.clients.size >= clientsMax) {
      refuseUpgrade(socket, { status: 403, message: 'Too many viewers are connected; close some of them.' });
      return;
    }
    this.#stays(socket);
    server.handleUpgrade(request, socket, head, (client) => {
      this.#keepAlive(client);
      if (isCollecting) collect(client, this.#options.history, this.#options.time);
      else this.#view(client);
    });
  }

  #view(socket: WebSocket): void {
    const { history, time, title, isLive = true, controls = [], stately } = this.#options;
    const say = (message: ServerMessage): void => socket.send(JSON.stringify(message));
    say({ kind: 'hello', version: recordsVersion, title, isLive, controls, stately });
    const stop = pump({
      socket,
      history,
      time,
      turns: this.#turns,
      wrap: (lines) => `{"kind":"records","records":[${lines.join(',')}]}`,
      onCaughtUp: () => say({ kind: 'caughtUp' }),
    });
    let controlling = 0;
    socket.on('message', (data) => {
      if (controlling >= serverLimits.controlsMax || socket.bufferedAmount > bufferedBytesMax) {
        socket.close(closeCodes.tooSlow, 'Too many commands at once, or their answers are not read.');
        return;
      }
      controlling += 1;
      void this.#control(String(data), say).finally(() => {
        controlling -= 1;
      });
    });
    socket.on('close', stop);
    socket.on('error', () => socket.terminate());
  }

  async #control(text: string, say: (message: ServerMessage) => void): Promise<void> {
    const { controller, controls = [] } = this.#options;
    let request = 0;
    try {
      const message = messageSchema.parse(JSON.parse(text));
      request = message.request;
      const { control } = message;
      if (controller === undefined || !controls.includes(control.name)) {
        throw new StatemeshError(
          'requestInvalid',
          'This inspector takes no commands: it was started without controls.',
        );
      }
      say({ kind: 'reply', request, isDone: true, message: await controller(control) });
    } catch (error) {
      const message = error instanceof z.ZodError ? 'The command is malformed.' : messageOf(error);
      say({ kind: 'reply', request, isDone: false, message });
    }
  }

  /** A viewer whose machine went to sleep must not keep its place forever. */
  #keepAlive(socket: WebSocket): void {
    const { time } = this.#options;
    let isAlive = true;
    const look = (): void => {
      if (!isAlive) {
        socket.terminate();
        return;
      }
      isAlive = false;
      socket.ping();
      timer = time.after(serverLimits.pingIntervalMs, look);
    };
    let timer = time.after(serverLimits.pingIntervalMs, look);
    socket.on('pong', () => {
      isAlive = true;
    });
    socket.on('ping', (data) => {
      if (socket.bufferedAmount < bufferedBytesMax) socket.pong(data);
    });
    socket.on('close', () => timer.cancel());
  }
}

const malformed: Refusal = { status: 400, message: 'The request is malformed.' };

function urlOf({ url }: IncomingMessage): URL | undefined {
  try {
    return new URL(url ?? '/', `http://${host}`);
  } catch {
    return undefined;
  }
}

/** The page loads nothing from elsewhere, cannot be embedded, and sends its address to no server. */
const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    // The diagrams position their parts with style attributes.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

function respond(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': body.length });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

const reasons: Readonly<Record<Refusal['status'], string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  421: 'Misdirected Request',
};

function refuseUpgrade(socket: Duplex, { status, message }: Refusal): void {
  const head = `HTTP/1.1 ${status} ${reasons[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8`;
  // The HTTP server has handed the socket over and never closes it.
  socket.end(`${head}\r\n\r\n${message}\n`, () => socket.destroy());
}

function listenFailure(error: unknown, port: number): StatemeshError {
  const code = systemCodeOf(error);
  if (code === 'EADDRINUSE') {
    const message = `The inspector's port ${port} is taken: choose another one, or 0 to let the system choose.`;
    return new StatemeshError('portInUse', message, { cause: error });
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL') {
    const message = `The inspector may not listen on ${host}:${port}: choose another port.`;
    return new StatemeshError('addressUnavailable', message, { cause: error });
  }
  return new StatemeshError('inspectorUnavailable', `The inspector cannot listen: ${messageOf(error)}.`, {
    cause: error,
  });
}
