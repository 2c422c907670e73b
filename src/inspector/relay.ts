/**
 * Sends a history to the inspector of another process of this machine, and connects again when that is gone: what is watched never waits
 * for who watches.
 */
import { WebSocket } from 'ws';
import type { Time, Timer } from '../ports/ports.js';
import { checkCollectorUrl } from './collector-url.js';
import type { History } from './history.js';
import { pump } from './pump.js';

export interface RelayOptions {
  /** As the collecting inspector has given it, with its token. */
  readonly url: string;
  readonly history: History;
  readonly time: Time;
}

const retryMs = 1_000;
const handshakeTimeoutMs = 5_000;

/**
 * @returns how to end it
 * @throws StatemeshError `configurationInvalid` when the address is not one of this machine
 */
export function relay({ url, history, time }: RelayOptions): () => void {
  checkCollectorUrl(url);
  let stop: (() => void) | undefined;
  let timer: Timer | undefined;
  let socket: WebSocket | undefined;
  let isOver = false;
  const connect = (): void => {
    timer = undefined;
    const connecting = new WebSocket(url, { handshakeTimeout: handshakeTimeoutMs, perMessageDeflate: false });
    socket = connecting;
    connecting.on('open', () => {
      stop = pump({ socket: connecting, history, time, wrap: (lines) => `[${lines.join(',')}]` });
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
