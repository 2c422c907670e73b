/**
 * Sends a history to the inspector of another process on this machine, and reconnects when that one is gone. The
 * watched actors never wait for the watcher.
 */
import { WebSocket } from 'ws';
import { StreamTurns } from '../adapters/stream-turns.js';
import type { Time, Timer } from '../ports/ports.js';
import { checkCollectorUrl } from './collector-url.js';
import type { History } from './history.js';
import { pump } from './pump.js';

export interface RelayOptions {
  /** The address that the collecting inspector gives, with its token. */
  readonly url: string;
  readonly history: History;
  readonly time: Time;
}

/** How long after a failure the relay reconnects. */
const retryMs = 1_000;
const handshakeTimeoutMs = 5_000;

/**
 * @returns a function that stops the relay
 * @throws StatemeshError `configurationInvalid` when the address is not on this machine
 */
export function relay({ url, history, time }: RelayOptions): () => void {
  checkCollectorUrl(url);
  const turns = new StreamTurns(time);
  let stop: (() => void) | undefined;
  let timer: Timer | undefined;
  let socket: WebSocket | undefined;
  let isOver = false;
  const connect = (): void => {
    timer = undefined;
    const connecting = new WebSocket(url, { handshakeTimeout: handshakeTimeoutMs, perMessageDeflate: false });
    socket = connecting;
    connecting.on('open', () => {
      stop = pump({ socket: connecting, history, time, turns, wrap: (lines) => `[${lines.join(',')}]` });
    });
    connecting.on('error', () => connecting.terminate());
    connecting.on('close', () => {
      stop?.();
      stop = undefined;
      if (!isOver) timer = time.after(retryMs, connect);
    });
  };
  connect();
  return () => {
    isOver = true;
    timer?.cancel();
    socket?.close();
  };
}
