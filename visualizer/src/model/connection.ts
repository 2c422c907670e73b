/**
 * The connection to the server of this page: records come, commands go.
 *
 * Invariant: when the connection is lost, the page keeps its records and tries again. A server that comes back sends
 * everything again, so a new timeline replaces the old one when the first record arrives.
 */
import { type InspectorRecord, recordsVersion } from '../../../src/inspector/records.js';
import type { Control, ControlName, PageMessage, ServerMessage } from '../../../src/inspector/wire.js';
import { Timeline } from './timeline.js';

export type Condition = 'connecting' | 'loading' | 'live' | 'complete' | 'lost' | 'refused';

export interface Scene {
  readonly timeline: Timeline;
  readonly condition: Condition;
  readonly title: string;
  readonly controls: readonly ControlName[];
  readonly stately: string | undefined;
  /** Grows with each change of any field. */
  readonly version: number;
}

/** Limit for a live cluster; a trace is shown whole. */
const liveRecordsMax = 600_000;
const retryFirstMs = 500;
const retryMaxMs = 5_000;

export class Connection {
  #scene: Scene = {
    timeline: new Timeline(),
    condition: 'connecting',
    title: 'statemesh',
    controls: [],
    stately: undefined,
    version: 0,
  };
  readonly #listeners = new Set<() => void>();
  readonly #recordListeners = new Set<(records: readonly InspectorRecord[]) => void>();
  readonly #replies = new Map<number, (reply: { isDone: boolean; message: string }) => void>();
  #socket: WebSocket | undefined;
  #requests = 0;
  #attempt = 0;
  #wasOpen = false;
  #isDue = false;
  readonly #token: string;

  /** @param token The token that admits this page */
  constructor(token: string) {
    this.#token = token;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly getScene = (): Scene => this.#scene;

  /** Calls the listener with each record. */
  onRecords(listener: (records: readonly InspectorRecord[]) => void): () => void {
    this.#recordListeners.add(listener);
    return () => void this.#recordListeners.delete(listener);
  }

  connect(): void {
    const url = new URL('records', location.href);
    url.protocol = 'ws:';
    url.search = new URLSearchParams({ token: this.#token }).toString();
    url.hash = '';
    const socket = new WebSocket(url);
    this.#socket = socket;
    let isFresh = true;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data)) as ServerMessage;
      if (isFresh && message.kind === 'records') {
        isFresh = false;
        if (this.#scene.timeline.length > 0) this.#change({ timeline: new Timeline() });
      }
      this.#hear(message);
    };
    socket.onclose = ({ code }) => {
      for (const reply of this.#replies.values()) reply({ isDone: false, message: 'The connection was lost.' });
      this.#replies.clear();
      if (this.#scene.condition === 'complete' || this.#scene.condition === 'refused') return;
      // A wrong token stays wrong; but a server that was never reached may still start.
      this.#change({ condition: this.#wasOpen || code !== 1_006 || this.#attempt < 3 ? 'lost' : 'refused' });
      this.#attempt += 1;
      setTimeout(() => this.connect(), Math.min(retryMaxMs, retryFirstMs * 2 ** this.#attempt));
    };
  }

  /** @returns the result of the command; never rejects */
  control(control: Control): Promise<{ isDone: boolean; message: string }> {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) {
      return Promise.resolve({ isDone: false, message: 'The connection is lost.' });
    }
    this.#requests += 1;
    const request = this.#requests;
    const message: PageMessage = { kind: 'control', request, control };
    socket.send(JSON.stringify(message));
    return new Promise((resolve) => this.#replies.set(request, resolve));
  }

  #hear(message: ServerMessage): void {
    switch (message.kind) {
      case 'hello': {
        const { title, controls, stately, version, isLive } = message;
        this.#wasOpen = true;
        this.#attempt = 0;
        this.#isLive = isLive;
        this.#change({ title, controls, stately, condition: version === recordsVersion ? 'loading' : 'refused' });
        return;
      }
      case 'records':
        this.#scene.timeline.add(message.records);
        if (this.#isLive && this.#scene.timeline.length > liveRecordsMax) {
          this.#change({ timeline: this.#scene.timeline.latest(liveRecordsMax / 2) });
        }
        for (const listener of this.#recordListeners) listener(message.records);
        this.#changeSoon();
        return;
      case 'caughtUp':
        this.#change({ condition: this.#isLive ? 'live' : 'complete' });
        return;
      case 'reply':
        this.#replies.get(message.request)?.(message);
        this.#replies.delete(message.request);
        return;
    }
  }

  #isLive = true;

  #change(part: Partial<Scene>): void {
    this.#scene = { ...this.#scene, ...part, version: this.#scene.version + 1 };
    for (const listener of this.#listeners) listener();
  }

  /** Once per frame, however much comes. */
  #changeSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#change({});
    });
  }
}
