/**
 * A configuration on a web server: JSON by HTTP, polled with its ETag (RFC 9110).
 *
 * Invariants: a response is used only if the whole of it is a valid configuration; otherwise the last good one stays.
 * The last good one is kept on disk, readable by its owner only and replaced as a whole, so that a node can start while
 * the server is away. The token goes to that server only, encrypted except on loopback, and appears in no message.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createHttp } from '../adapters/http.js';
import { systemRandomness } from '../adapters/randomness.js';
import { systemTime } from '../adapters/time.js';
import { parseConfiguration } from '../configuration/parse.js';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { parseConfigurationText } from '../configuration/text.js';
import { isLoopback } from '../core/address.js';
import { failureOf, StatemeshError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { kinds, type OptionsShape, objectWith, readOptions } from '../core/options.js';
import type { Secret } from '../core/secret.js';
import type { Http, HttpResponse, Randomness, Time, Timer } from '../ports/ports.js';
import { Source } from './source.js';

/** Which server to poll, how often, and what to keep for when it is away. */
export interface RemoteConfigurationOptions {
  /** https, or http on loopback. */
  readonly url: string;
  /** File for the last good configuration. Default: none; the server must then answer when the node starts. */
  readonly cacheFile?: string;
  /** Sent as a bearer token (RFC 6750). A function is called for each request. */
  readonly token?: Secret | (() => Secret | Promise<Secret>);
  /**
   * Interval between requests in ms, varied by 10 %. Default 60,000, at least 1,000. A longer interval means that
   * changes arrive later.
   */
  readonly intervalMs?: number;
  /** Certificates (PEM) to trust in place of the system's. */
  readonly ca?: string;
  /**
   * Throws for a configuration that must be neither used nor kept. Default: `parseConfiguration`. Pass your own check
   * if the server delivers only a part of the configuration, and `mappedConfiguration` adds the rest.
   */
  readonly check?: Check;
  readonly http?: Http;
  readonly time?: Time;
  readonly randomness?: Randomness;
}

const remoteShape: OptionsShape<RemoteConfigurationOptions> = {
  complaint: 'Invalid options of remoteConfiguration',
  code: 'configurationInvalid',
  fields: {
    url: kinds.text,
    cacheFile: kinds.filledText,
    token: {
      takes: 'a Secret, or a function that gives one',
      accepts: (value) => kinds.function.accepts(value) || objectWith('reveal').accepts(value),
    },
    intervalMs: kinds.amount,
    ca: kinds.filledText,
    check: kinds.function,
    http: objectWith('request'),
    time: objectWith('now'),
    randomness: objectWith('float'),
  },
  required: ['url'],
};

/** A configuration from a web server that is polled. */
export interface RemoteConfiguration extends PeerNodeConfigurationProvider {
  /** Polls the server now, before the interval is over. */
  reload(): void;
}

interface Answer {
  readonly configuration: PeerNodeConfiguration;
  /** Why it could not be kept on disk. */
  readonly trouble: unknown;
}

interface Cached {
  readonly url: string;
  readonly etag: string | undefined;
  readonly configuration: PeerNodeConfiguration;
}

/**
 * Makes a provider over a web server.
 *
 * @throws StatemeshError `configurationInvalid` for wrong options, and for a URL that is invalid or not encrypted
 *
 * @example
 * const provider = remoteConfiguration({
 *   url: 'https://config.example.com/shop-1.json',
 *   token: new Secret('the token'),
 *   cacheFile: './data/configuration.json',
 * });
 * const node = createNode(provider);
 */
export function remoteConfiguration(given: RemoteConfigurationOptions): RemoteConfiguration {
  const options = readOptions(given, remoteShape);
  const { http = createHttp(), time = systemTime(), randomness = systemRandomness(), cacheFile } = options;
  const { check = parseConfiguration } = options;
  const url = checkUrl(options.url);
  const intervalMs = Math.max(options.intervalMs ?? intervalDefaultMs, intervalMinMs);
  /** The last good configuration, and whether it is on disk. */
  let good: Cached | undefined;
  let isKept = cacheFile === undefined;
  let asked: Promise<unknown> = Promise.resolve();
  let abort = new AbortController();
  let timer: Timer | undefined;
  let failures = 0;

  /** One request after the other: an earlier answer must not replace a later one. */
  const ask = (signal?: AbortSignal): Promise<Answer> => {
    const answer = asked.then(() => askNow(signal ?? new AbortController().signal));
    asked = answer.catch(() => {});
    return answer;
  };
  const askNow = async (signal: AbortSignal): Promise<Answer> => {
    const { token, ca } = options;
    const secret = typeof token === 'function' ? await token() : token;
    const headers = {
      accept: 'application/json',
      ...(good?.etag === undefined ? {} : { 'if-none-match': good.etag }),
      ...(secret === undefined ? {} : { authorization: `Bearer ${secret.reveal()}` }),
    };
    const response = await request(http, { method: 'GET', url: url.href, headers, body: undefined, ca, signal });
    if (response.status !== 304 || good?.etag === undefined) {
      good = { url: url.href, etag: response.headers.etag, configuration: configurationIn(response, url, check) };
      isKept = cacheFile === undefined;
    }
    return { configuration: good.configuration, trouble: isKept ? undefined : await keepGood(good) };
  };
  /** A failing disk is no reason to reject a good configuration. Keeping it is tried again with the next answer. */
  const keepGood = async (cached: Cached): Promise<unknown> => {
    try {
      await keep(cacheFile as string, cached, randomness.token());
      isKept = true;
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const poll = async (): Promise<void> => {
    const { signal } = abort;
    timer = undefined;
    try {
      const { configuration, trouble } = await ask(signal);
      if (signal.aborted) return;
      failures = 0;
      source.offer(configuration, trouble);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      source.fail(error);
    }
    schedule();
  };
  const schedule = (): void => {
    const backoff = Math.min(2 ** failures, backoffMax);
    timer = time.after(intervalMs * backoff * (1 + jitter * (2 * randomness.float() - 1)), () => void poll());
  };
  const source = new Source(() => {
    abort = new AbortController();
    schedule();
    return () => {
      timer?.cancel();
      timer = undefined;
      abort.abort();
    };
  });
  return {
    async getConfiguration() {
      try {
        const { configuration, trouble } = await ask();
        return source.gave(configuration, trouble);
      } catch (error) {
        const cached = cacheFile === undefined ? undefined : await kept(cacheFile, url.href, check);
        if (good === undefined && cached !== undefined) {
          good = cached;
          isKept = true;
        }
        if (good === undefined) throw error;
        return source.gave(good.configuration, usingLast(error));
      }
    },
    onConfigurationChanged: source.onConfigurationChanged,
    onTrouble: source.onTrouble,
    reload() {
      // Without a timer there is no listener, or a request is under way.
      if (timer === undefined) return;
      timer.cancel();
      void poll();
    },
  };
}

/** How often the server is asked unless the options say otherwise. */
const intervalDefaultMs = 60_000;
/** A shorter interval is raised to this. */
const intervalMinMs = 1_000;
const jitter = 0.1;
/** By which factor the interval grows at most while the server is away. */
const backoffMax = 8;

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '' || !/^https?:$/.test(url.protocol)) {
    throw new StatemeshError('configurationInvalid', 'The URL of the configuration server is not an https URL.');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) {
    throw new StatemeshError(
      'configurationInvalid',
      `${url.origin} is not encrypted, and configurations hold secrets: use https, or a server on this machine.`,
    );
  }
  return url;
}

async function request(http: Http, asked: Parameters<Http['request']>[0]): Promise<HttpResponse> {
  try {
    return await http.request(asked);
  } catch (error) {
    const { message } = failureOf(error);
    throw unreadable(`The configuration server did not answer correctly: ${message}`, error);
  }
}

type Check = (configuration: PeerNodeConfiguration) => unknown;

function configurationIn({ status, body }: HttpResponse, { origin }: URL, check: Check): PeerNodeConfiguration {
  const remedy = remedies[status] ?? 'see its own logs.';
  if (status !== 200)
    throw unreadable(`The configuration server ${origin} answers with the status ${status}: ${remedy}`);
  if (body.length > limits.configurationBytesMax) {
    throw unreadable(`The configuration server ${origin} sends more than ${limits.configurationBytesMax} bytes.`);
  }
  const configuration = parseConfigurationText(body, `What the configuration server ${origin} sends`);
  // A configuration that a node would refuse must not replace the last good one.
  check(configuration);
  return configuration;
}

const remedies: Readonly<Record<number, string>> = {
  401: 'its token is missing, wrong or has expired.',
  403: 'its token does not allow this.',
  404: 'correct the URL.',
};

function usingLast(error: unknown): StatemeshError {
  const { message } = failureOf(error);
  return unreadable(`${message} The last good configuration, which was kept, stays in use.`, error);
}

async function keep(path: string, cached: Cached, suffix: string): Promise<void> {
  const target = resolve(path);
  const draft = `${target}.${suffix}.new`;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(cached));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, target);
  } catch (error) {
    // The cause of the failure may prevent the removal, too.
    await rm(draft, { force: true }).catch(() => {});
    throw unreadable(`${target} cannot be written, where the configuration is kept: check its directory.`, error);
  }
}

async function kept(path: string, url: string, check: Check): Promise<Cached | undefined> {
  try {
    const cached = JSON.parse(await readFile(resolve(path), 'utf8')) as Partial<Cached>;
    if (cached.url !== url || cached.configuration === undefined) return undefined;
    check(cached.configuration);
    return { url, etag: cached.etag, configuration: cached.configuration };
  } catch {
    return undefined;
  }
}

function unreadable(message: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationUnreadable', message, { cause });
}
