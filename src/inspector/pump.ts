/**
 * Sends a history over a WebSocket, no faster than the other side reads: first what is there, then what comes.
 *
 * Invariant: a slow reader has nothing queued except what its socket holds, within a bound. The pump continues where it
 * was. When those lines were forgotten in the meantime, the reader is dropped and may connect again.
 */
import type { WebSocket } from 'ws';
import type { Time, Timer } from '../ports/ports.js';
import type { History } from './history.js';

const perMessage = { linesMax: 500, charactersMax: 256 * 1024 } as const;
/** Records of this period are sent together. */
const gatherMs = 40;
const bufferedBytesMax = 1024 * 1024;
const drainPollMs = 20;

/** WebSocket close codes of the inspector. */
export const closeCodes = { tooSlow: 4_008, ended: 4_000 } as const;

export interface PumpOptions {
  readonly socket: WebSocket;
  readonly history: History;
  readonly time: Time;
  /** Builds a message from lines. */
  wrap(lines: readonly string[]): string;
  /** Called when everything that was there at the start has been sent. */
  onCaughtUp?(): void;
}

/** Returns a function that stops the pump. */
export function pump({ socket, history, time, wrap, onCaughtUp }: PumpOptions): () => void {
  let position = history.start;
  let timer: Timer | undefined;
  let isCaughtUp = false;
  const beginning = history.beginning();
  if (beginning.length > 0) socket.send(wrap(beginning));
  const later = (delayMs: number): void => {
    timer ??= time.after(delayMs, () => {
      timer = undefined;
      send();
    });
  };
  const send = (): void => {
    while (position < history.end) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > bufferedBytesMax) {
        later(drainPollMs);
        return;
      }
      const lines = history.read(position, perMessage);
      if (lines === undefined) {
        socket.close(closeCodes.tooSlow, 'You read more slowly than records come.');
        return;
      }
      socket.send(wrap(lines));
      position += lines.length;
    }
    if (isCaughtUp) return;
    isCaughtUp = true;
    onCaughtUp?.();
  };
  const stopListening = history.onAdded(() => later(gatherMs));
  send();
  return () => {
    stopListening();
    timer?.cancel();
  };
}
