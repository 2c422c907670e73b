/** Watches the actors of one process, and shows, sends and records what they do. */
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { kinds, type OptionsShape, objectWith, readOptions, wholeNumber } from '../core/options.js';
import type { Secret } from '../core/secret.js';
import type { Randomness, Time } from '../ports/ports.js';
import { checkCollectorUrl } from './collector-url.js';
import { Feed } from './feed.js';
import { defaultBounds, History, type HistoryBounds } from './history.js';
import type { InspectorServer, ServerOptions } from './inspector-server.js';
import { Recorder } from './recorder.js';
import type { InspectorRecord, WorldRecord } from './records.js';

/** Where Stately's own inspector is. */
export const statelyUrl = 'https://stately.ai/inspect';

/** What an inspector does with what it sees; nothing of it unless asked for. */
export interface InspectorOptions {
  /** Serves the page on this port of loopback; 0 lets the system choose one. Without a port there is no page. */
  readonly port?: number | undefined;
  /** Sends everything to the inspector of another process of this machine: its `collectorUrl`. */
  readonly collector?: string | undefined;
  /** Records to this file, JSON lines; when it is large, another one begins, and the older ones get `.1`, `.2`, …. */
  readonly trace?: string | undefined;
  /** Lets pages relay to Stately's public inspector. Nothing is sent there before somebody presses the button. */
  readonly stately?: boolean | undefined;
  /** Shown as the title of the page. */
  readonly title?: string;
  /** Takes what other processes send. Default: false. */
  readonly collects?: boolean;
  readonly controls?: ServerOptions['controls'];
  readonly controller?: ServerOptions['controller'];
  /** How much is kept in memory. */
  readonly bounds?: HistoryBounds;
  /** Told once, when nothing can be recorded any more. */
  readonly onTraceError?: (error: unknown) => void;
  readonly time?: Time;
  readonly randomness?: Randomness;
}

/** The actors of one node. */
export interface Watch {
  /** For `createNode({ inspect })`, `createActor({ inspect })` or `system.inspect`. Synchronous; never throws. */
  readonly inspect: (event: InspectionEvent) => void;
  /** Takes up an actor that runs already, and all below it. */
  meet(actor: AnyActorRef): void;
}

/** Sees what the actors of its process do. Made by {@link createInspector}. */
export interface Inspector {
  /** @param node Names the node in the page: its NodeId */
  watch(node: string): Watch;
  /** Adds records that were made elsewhere. */
  add(record: InspectorRecord): void;
  /** Tells of something that no actor knows of: a fault, say. */
  tell(what: string, details?: Pick<WorldRecord, 'partition'>): void;
  /**
   * Serves the page, if there is to be one.
   * @returns its address, which lets in whoever has it
   * @throws StatemeshError `portInUse`, `addressUnavailable`, `inspectorUnavailable`
   */
  open(): Promise<{ readonly url: Secret | undefined; readonly collectorUrl: Secret | undefined }>;
  close(): Promise<void>;
}

/**
 * Makes an inspector. It sees what is given to it by `watch`, keeps the latest of it in bounded memory, and shows it once it is open.
 * Summaries only: no document, key or token gets into it.
 *
 * @throws StatemeshError `configurationInvalid` for wrong options, and for a collector that is not on this machine
 *
 * @example
 * const inspector = createInspector({ port: 0 });
 * const node = createNode({ nodeId: 'shop-1', clusterKey, clusterSalt, inspect: inspector.watch('shop-1').inspect });
 * const { url } = await inspector.open();
 * console.log(`Watch it at ${url?.reveal()}`);
 */
export function createInspector(given?: InspectorOptions): Inspector {
  const options = readOptions(given, inspectorShape);
  const { time = systemTime(), randomness = systemRandomness(), port, collector, trace, title = 'statemesh' } = options;
  if (collector !== undefined) checkCollectorUrl(collector);
  const history = new History(options.bounds ?? defaultBounds);
  const recorder =
    trace === undefined ? undefined : new Recorder({ path: trace, time, onError: options.onTraceError ?? (() => {}) });
  const add = (record: InspectorRecord): void => {
    const line = JSON.stringify(record);
    history.addLine(line);
    recorder?.add(line, record);
  };
  let server: InspectorServer | undefined;
  let stopRelay: (() => void) | undefined;
  let isClosed = false;
  let told = 0;
  return {
    add,
    watch(node) {
      const origin = `${node}:${randomness.token().slice(0, originLength)}`;
      const feed = new Feed({ node, origin, now: () => time.now(), sink: add });
      feed.tell({ type: 'statemesh.process', what: 'began' });
      return { inspect: feed.inspect, meet: (actor) => feed.meet(actor) };
    },
    tell(what, details) {
      told += 1;
      add({ id: told, node: '', atMs: time.now(), type: 'statemesh.world', what, ...details });
    },
    async open() {
      const { collects = false, controls = [], controller, stately } = options;
      // When they are needed: an inspector that only records sends and serves nothing.
      if (collector !== undefined) {
        const { relay } = await import('./relay.js');
        if (!isClosed) stopRelay ??= relay({ url: collector, history, time });
      }
      if (port === undefined) return { url: undefined, collectorUrl: undefined };
      const { serveInspector } = await import('./inspector-server.js');
      server ??= await serveInspector({
        ...{ history, port, time, title, collects, controls, token: `${randomness.token()}${randomness.token()}` },
        ...(controller !== undefined && { controller }),
        stately: stately === true ? statelyUrl : undefined,
      });
      return { url: server.url, collectorUrl: collects ? server.collectorUrl : undefined };
    },
    async close() {
      isClosed = true;
      // At once, since whoever ends may not wait.
      recorder?.close();
      stopRelay?.();
      await server?.close();
    },
  };
}

const originLength = 6;
const inspectorShape: OptionsShape<InspectorOptions> = {
  complaint: 'Invalid options of createInspector',
  code: 'configurationInvalid',
  fields: {
    port: wholeNumber(0, 65_535),
    collector: kinds.filledText,
    trace: kinds.filledText,
    stately: kinds.boolean,
    title: kinds.text,
    collects: kinds.boolean,
    controls: kinds.list,
    controller: objectWith(),
    bounds: objectWith(),
    onTraceError: kinds.function,
    time: objectWith('now'),
    randomness: objectWith('token'),
  },
};
