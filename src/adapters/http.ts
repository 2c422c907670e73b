/**
 * The system's HTTP client, by undici: for OAuth2 authorities.
 *
 * Invariants: a request settles within `httpTimeoutMs`, and no socket outlives it. A response is cut off as soon as it
 * is too long. Redirects are not followed, so a secret is never sent elsewhere. Certificates are always verified.
 */
import type { Dispatcher } from 'undici';
import { StatemeshError, systemCodeOf } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import { limits } from '../core/limits.js';
import type { Http, HttpRequest, HttpResponse } from '../ports/ports.js';
import { certificateProblem } from './network-errors.js';

export function createHttp(timeoutMs: number = limits.httpTimeoutMs): Http {
  return { request: (request) => ask(request, timeoutMs) };
}

async function ask(request: HttpRequest, timeoutMs: number): Promise<HttpResponse> {
  // Imported on demand: most nodes use no authority, and loading it takes longer than starting a small node.
  const { Agent } = await import('undici');
  const { signal } = request;
  const { origin, path } = targetOf(request);
  const abort = new AbortController();
  const cancel = (): void => abort.abort();
  const timer = setTimeout(cancel, timeoutMs);
  signal.addEventListener('abort', cancel, { once: true });
  // One agent per request: requests are rare, and so no connection is left open when the node stops.
  let interim = 0;
  const agent = new Agent({ connect: connectOptions(request), connections: 1, pipelining: 1 });
  try {
    if (signal.aborted) throw cancelled(request);
    const { method, headers, body } = request;
    const onInfo = (): void => {
      interim += 1;
      if (interim > limits.httpInterimMax) abort.abort();
    };
    const response = await agent.request({
      origin,
      path,
      method,
      headers: { ...asIs, ...headers },
      signal: abort.signal,
      onInfo,
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.statusCode, headers: flat(response.headers), body: await readBody(response, request) };
  } catch (error) {
    if (signal.aborted) throw cancelled(request);
    if (interim > limits.httpInterimMax) {
      throw new StatemeshError('authorityInvalid', `${originOf(request)} sends too many interim responses (1xx).`);
    }
    if (abort.signal.aborted) throw unavailable(request, `it did not answer within ${timeoutMs} ms`);
    throw httpError(error, request);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
    await agent.destroy();
  }
}

/** Without this header, a server may send a compressed response. */
const asIs = { 'accept-encoding': 'identity' } as const;

function connectOptions({ ca }: HttpRequest): object {
  // Set explicitly, because the environment can switch the default off.
  return { rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) };
}

function targetOf({ url }: HttpRequest): { origin: string; path: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.username !== '' || parsed.password !== '') {
    // Not shown, because it may contain a password.
    throw new StatemeshError('authorityInvalid', 'An address of the authority is not an http or https URL.');
  }
  return { origin: parsed.origin, path: `${parsed.pathname}${parsed.search}` };
}

async function readBody({ body }: Dispatcher.ResponseData, request: HttpRequest): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > limits.httpBodyBytesMax) {
      throw new StatemeshError(
        'authorityInvalid',
        `${originOf(request)} answers with more than ${limits.httpBodyBytesMax} bytes: is it the right address?`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function flat(headers: Dispatcher.ResponseData['headers']): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value = '']) => [name.toLowerCase(), [value].flat().join(', ')]);
  return Object.fromEntries(entries) as Record<string, string>;
}

function httpError(error: unknown, request: HttpRequest): StatemeshError {
  if ((error as { name?: unknown }).name === 'StatemeshError') return error as StatemeshError;
  const problem = certificateProblem(error);
  // The error is not attached as cause: it contains the certificate and the response, in which a server may repeat the
  // request.
  if (problem !== undefined) {
    return new StatemeshError('certificateInvalid', `${originOf(request)} cannot be trusted: ${problem}`);
  }
  const code = foreignText(systemCodeOf(error) ?? 'unknown reason');
  if (notHttp.test(code) || (error as { name?: unknown }).name === 'HTTPParserError') {
    return new StatemeshError('authorityInvalid', `The answer of ${originOf(request)} is not HTTP (${code}).`);
  }
  return unavailable(request, code);
}

/** Errors of undici's parser, and of its bounds. */
const notHttp = /^HPE_|^UND_ERR_HEADERS_OVERFLOW$|^UND_ERR_RES_/;

function cancelled(request: HttpRequest): StatemeshError {
  return new StatemeshError('cancelled', `The request to ${originOf(request)} was given up.`);
}

function unavailable(request: HttpRequest, reason: string): StatemeshError {
  const message = `${originOf(request)} cannot be reached (${reason}): is it up, and is the address right?`;
  return new StatemeshError('authorityUnavailable', message);
}

/** The part of a URL that may be shown: a query can contain secrets. */
function originOf({ url }: HttpRequest): string {
  return new URL(url).origin;
}
