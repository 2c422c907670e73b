/**
 * Sends a history over a WebSocket, no faster than the other side reads: first what is there, then what comes.
 *
 * Invariants: a slow reader has nothing queued except what its socket holds, within a bound. The pump continues where
 * it was. When those lines were forgotten in the meantime, the reader is dropped and may connect again. All readers of
 * one process together take some milliseconds of each turn of the event loop, however many join and however much there
 * is.
 */
import type { WebSocket } from 'ws';
import type { StreamTurns } from '../adapters/stream-turns.js';
import type { Time, Timer } from '../ports/ports.js';
import type { History, Portion } from './history.js';

const perMessage: Portion = { linesMax: 500, charactersMax: 256 * 1024 };
/** Records of this period are sent together. */
const gatherMs = 40;
/** With more in its socket, a reader is sent nothing, and its commands end the connection. */
export const bufferedBytesMax = 1024 * 1024;
/** How often a full socket is looked at. */
const drainPollMs = 20;

/** WebSocket close codes of the inspector. */
export const closeCodes = { tooSlow: 4_008, ended: 4_000 } as const;

export interface PumpOptions {
  readonly socket: WebSocket;
  readonly history: History;
  readonly time: Time;
  /** Shared by all pumps of a process. */
  readonly turns: StreamTurns;
  /** Builds a message from lines. */
  wrap(lines: readonly string[]): string;
  /** Called when everything that was there at the start has been sent. */
  onCaughtUp?(): void;
}

/** Returns a function that stops the pump. */
export function pump({ socket, history, time, turns, wrap, onCaughtUp }: PumpOptions): () => void {
  /** The state at the start of what is kept; sent before the lines from `position` on. */
  const beginning = history.beginning()[Symbol.iterator]();
  let position = history.start;
  let timer: Timer | undefined;
  let isSending = false;
  let isCaughtUp = false;
  let isStopped = false;
  const later = (delayMs: number): void => {
    timer ??= time.after(delayMs, () => {
      timer = undefined;
      void send();
    });
  };
  /** Lines to send now; undefined when they were forgotten. */
  const next = (): readonly string[] | undefined => {
    const lines = portionOf(beginning);
    if (lines.length > 0) return lines;
    const read = history.read(position, perMessage);
    position += read?.length ?? 0;
    return read;
  };
  const send = async (): Promise<void> => {
    if (isSending) return;
    isSending = true;
    for (;;) {
      await turns.pass();
      if (isStopped || socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > bufferedBytesMax) {
        later(drainPollMs);
        break;
      }
      const lines = next();
      if (lines === undefined) {
        socket.close(closeCodes.tooSlow, 'You read more slowly than records come.');
        return;
      }
      if (lines.length === 0) {
        if (!isCaughtUp) onCaughtUp?.();
        isCaughtUp = true;
        break;
      }
      socket.send(wrap(lines));
    }
    isSending = false;
  };
  const stopListening = history.onAdded(() => later(gatherMs));
  void send();
  return () => {
    isStopped = true;
    stopListening();
    timer?.cancel();
  };
}

function portionOf(source: Iterator<string>): readonly string[] {
  const lines: string[] = [];
  let characters = 0;
  while (lines.length < perMessage.linesMax && characters < perMessage.charactersMax) {
    const { value, done } = source.next();
    if (done === true) break;
    lines.push(value);
    characters += value.length;
  }
  return lines;
}
