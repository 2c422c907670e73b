/**
 * The contract of the `Http` port. The real adapter and a simulated one both pass it, so it drives them through the
 * port alone.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { limits } from '../../src/core/limits.js';
import type { Http, HttpRequest } from '../../src/ports/ports.js';

/** The request that a test's web server receives, and its response. */
export interface ServedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
export interface ServedResponse {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
/** Undefined: never answers. */
export type Handler = (request: ServedRequest) => ServedResponse | undefined;

export interface HttpHarness {
  readonly http: Http;
  /** How long `http` waits, ms: short where time is real. */
  readonly timeoutMs: number;
  /**
   * Serves until the harness is closed. Returns the base URL, without a slash at its end. `tls`: with a certificate of
   * `ca`.
   */
  serve(handler: Handler, options?: { tls?: boolean }): Promise<string>;
  /** The certificate authority of `serve`, PEM. */
  readonly ca: string;
  /** The base URL of an address without a listener. */
  nowhere(): Promise<string>;
  /** Lets the world run until a promise settles. */
  settle<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export function describeHttp(name: string, makeHarness: () => Promise<HttpHarness>): void {
  describe(`http contract: ${name}`, () => {
    let harness: HttpHarness;

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.close();
    });

    const ask = (url: string, changes: Partial<HttpRequest> = {}) => {
      const { signal } = new AbortController();
      const request = { method: 'GET' as const, url, headers: {}, body: undefined, ca: undefined, signal, ...changes };
      return harness.settle(harness.http.request(request));
    };

    test('request: a GET with a query and headers -> arrives, and its response returns', async () => {
      const seen: ServedRequest[] = [];
      const url = await harness.serve((request) => {
        seen.push(request);
        return { status: 203, headers: { 'X-Answer': 'yes' }, body: 'grüße' };
      });
      const response = await ask(`${url}/path?a=1&b=2`, { headers: { 'X-Question': 'ok' } });
      expect(response).toMatchObject({ status: 203, body: 'grüße', headers: { 'x-answer': 'yes' } });
      expect(seen).toMatchObject([{ method: 'GET', path: '/path?a=1&b=2', body: '', headers: { 'x-question': 'ok' } }]);
    });

    test('request: a POST with a body -> arrives complete', async () => {
      const seen: ServedRequest[] = [];
      const url = await harness.serve((request) => {
        seen.push(request);
        return { body: '{}' };
      });
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      expect(await ask(url, { method: 'POST', body: 'a=1&b=%C3%BC', headers })).toMatchObject({ status: 200 });
      expect(seen).toMatchObject([{ method: 'POST', path: '/', body: 'a=1&b=%C3%BC', headers }]);
    });

    test.each([400, 401, 404, 500, 503])('request: status %d -> is a response, not an error', async (status) => {
      const url = await harness.serve(() => ({ status, body: 'no' }));
      expect(await ask(url)).toMatchObject({ status, body: 'no' });
    });

    test('request: a redirect -> is not followed', async () => {
      let asked = 0;
      const elsewhere = await harness.serve(() => {
        asked += 1;
        return {};
      });
      const url = await harness.serve(() => ({ status: 302, headers: { location: elsewhere } }));
      expect(await ask(url)).toMatchObject({ status: 302, headers: { location: elsewhere } });
      expect(asked).toBe(0);
    });

    test('request: a response of the maximum size -> arrives; one byte more -> authorityInvalid', async () => {
      const url = await harness.serve(({ path }) => ({
        body: 'x'.repeat(limits.httpBodyBytesMax + (path === '/more' ? 1 : 0)),
      }));
      expect((await ask(url)).body).toHaveLength(limits.httpBodyBytesMax);
      await expect(ask(`${url}/more`)).rejects.toMatchObject({ code: 'authorityInvalid' });
    });

    test('request: no listener -> authorityUnavailable, with the address and without the query', async () => {
      const url = await harness.nowhere();
      const failed = ask(`${url}/?secret=hush`);
      await expect(failed).rejects.toMatchObject({
        code: 'authorityUnavailable',
        message: expect.stringContaining(url),
      });
      await expect(failed).rejects.toMatchObject({ message: expect.not.stringContaining('hush') });
    });

    test('request: no response -> authorityUnavailable in time', async () => {
      const url = await harness.serve(() => undefined);
      await expect(ask(url)).rejects.toMatchObject({
        code: 'authorityUnavailable',
        message: expect.stringContaining(`${harness.timeoutMs} ms`),
      });
    });

    test('request: aborted before it began, and in flight -> cancelled', async () => {
      const url = await harness.serve(() => undefined);
      await expect(ask(url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
      const abort = new AbortController();
      const asking = ask(url, { signal: abort.signal });
      abort.abort();
      await expect(asking).rejects.toMatchObject({ code: 'cancelled' });
    });

    test('request: https with a known authority -> is answered', async () => {
      const url = await harness.serve(() => ({ body: 'safe' }), { tls: true });
      expect(await ask(url, { ca: harness.ca })).toMatchObject({ body: 'safe' });
    });

    test('request: https with an unknown authority -> certificateInvalid', async () => {
      const url = await harness.serve(() => ({ body: 'safe' }), { tls: true });
      await expect(ask(url)).rejects.toMatchObject({ code: 'certificateInvalid' });
    });

    test.each(['ftp://127.0.0.1/', 'no url', 'http://user:secret@127.0.0.1/'])(
      'request: %s -> authorityInvalid',
      async (url) => {
        await expect(ask(url)).rejects.toMatchObject({ code: 'authorityInvalid' });
      },
    );
  });
}
