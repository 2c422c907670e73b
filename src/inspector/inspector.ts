/** Watches the actors of one process, and shows, sends and records what they do. */
import type { AnyActorRef, InspectionEvent } from 'xstate';
import { heapBytesMax } from '../adapters/heap.js';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { kinds, type OptionsShape, objectWith, readOptions, wholeNumber } from '../core/options.js';
import type { Secret } from '../core/secret.js';
import type { Randomness, Time } from '../ports/ports.js';
import { checkCollectorUrl } from './collector-url.js';
import { Feed } from './feed.js';
import { boundsFor, History, type HistoryBounds } from './history.js';
import type { InspectorServer, ServerOptions } from './inspector-server.js';
import { Recorder } from './recorder.js';
import type { InspectorRecord, WorldRecord } from './records.js';

/** The address of Stately's own inspector. */
export const statelyUrl = 'https://stately.ai/inspect';

/** What an inspector does with the records; each output is off by default. */
export interface InspectorOptions {
  /** Serves the page on this port of loopback; 0 lets the system choose a port. Without a port there is no page. */
  readonly port?: number | undefined;
  /** Sends all records to the inspector of another process on this machine: its `collectorUrl`. */
  readonly collector?: string | undefined;
  /** Records to this file as JSON lines. A large file is rotated: older files get `.1`, `.2`, …. */
  readonly trace?: string | undefined;
  /** Lets pages relay to Stately's public inspector. Nothing is sent there before a user presses the button. */
  readonly stately?: boolean | undefined;
  /** Shown as the title of the page. */
  readonly title?: string;
  /** Takes records from other processes. Default: false. */
  readonly collects?: boolean;
  readonly controls?: ServerOptions['controls'];
  readonly controller?: ServerOptions['controller'];
  /** How much is kept in memory. Default: 100,000 records, and no more text than fits in an eighth of the heap. */
  readonly bounds?: HistoryBounds;
  /** Called once, when recording fails and ends. */
  readonly onTraceError?: (error: unknown) => void;
  readonly time?: Time;
  readonly randomness?: Randomness;
}

/** The actors of one node. */
export interface Watch {
  /**
   * For `createNode(configuration, { inspect })`, `createActor({ inspect })` or `system.inspect`. Synchronous; never
   * throws.
   */
  readonly inspect: (event: InspectionEvent) => void;
  /** Starts to watch an actor that already runs, and all its descendants. */
  meet(actor: AnyActorRef): void;
}

/** Sees what the actors of its process do. Made by {@link createInspector}. */
export interface Inspector {
  /** @param node The name of the node in the page: its NodeId */
  watch(node: string): Watch;
  /** Adds records that were made elsewhere. */
  add(record: InspectorRecord): void;
  /** Records something that no actor knows of, such as a fault. */
  tell(what: string, details?: Pick<WorldRecord, 'partition'>): void;
  /**
   * Opens the outputs: serves the page if a port was given, and connects to the collector.
   *
   * @returns the address of the page, which admits everyone who has it; none after `close`
   * @throws StatemeshError `portInUse`, `addressUnavailable`, `inspectorUnavailable`
   */
  open(): Promise<{ readonly url: Secret | undefined; readonly collectorUrl: Secret | undefined }>;
  close(): Promise<void>;
}

/**
 * Makes an inspector. It sees the actors that `watch` gives it, keeps their latest records in bounded memory, and shows
 * them once it is open. It keeps summaries only: no document, key or token gets into it.
 *
 * @throws StatemeshError `configurationInvalid` for wrong options, and for a collector that is not on this machine
 *
 * @example
 * const inspector = createInspector({ port: 0 });
 * const { inspect } = inspector.watch('shop-1');
 * const node = createNode({ nodeId: 'shop-1', clusterKey, clusterSalt }, { inspect });
 * const { url } = await inspector.open();
 * console.log(`Watch it at ${url?.reveal()}`);
 */
export function createInspector(given?: InspectorOptions): Inspector {
  const options = readOptions(given, inspectorShape);
  const { time = systemTime(), randomness = systemRandomness(), port, collector, trace, title = 'statemesh' } = options;
  if (collector !== undefined) checkCollectorUrl(collector);
  const history = new History(options.bounds ?? boundsFor(heapBytesMax()));
  const recorder =
    trace === undefined ? undefined : new Recorder({ path: trace, time, onError: options.onTraceError ?? (() => {}) });
  const add = (record: InspectorRecord): void => {
    const line = JSON.stringify(record);
    history.addLine(line);
    recorder?.add(line, record);
  };
  let serving: Promise<InspectorServer> | undefined;
  let stopRelay: (() => void) | undefined;
  let isClosed = false;
  let told = 0;
  const serve = async (served: number): Promise<InspectorServer> => {
    const { collects = false, controls = [], controller, stately } = options;
    const { serveInspector } = await import('./inspector-server.js');
    return serveInspector({
      history,
      port: served,
      time,
      title,
      collects,
      controls,
      token: `${randomness.token()}${randomness.token()}`,
      ...(controller !== undefined && { controller }),
      stately: stately === true ? statelyUrl : undefined,
    });
  };
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
      const { collects = false } = options;
      // Loaded on demand: an inspector that only records sends and serves nothing.
      if (collector !== undefined) {
        const { relay } = await import('./relay.js');
        if (!isClosed) stopRelay ??= relay({ url: collector, history, time });
      }
      if (port === undefined || isClosed) return { url: undefined, collectorUrl: undefined };
      serving ??= serve(port);
      try {
        const server = await serving;
        if (isClosed) return { url: undefined, collectorUrl: undefined };
        return { url: server.url, collectorUrl: collects ? server.collectorUrl : undefined };
      } catch (error) {
        // The port may be free later.
        serving = undefined;
        throw error;
      }
    },
    async close() {
      isClosed = true;
      // Synchronously: a process that ends may not wait.
      recorder?.close();
      stopRelay?.();
      // It may still be opening.
      const server = await serving?.catch(() => undefined);
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
