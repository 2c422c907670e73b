/**
 * Requests and answers as they travel over a simulated stream. The format is not HTTP, because only the two ends read
 * it: a title line, which traces show, then a line of JSON.
 */
import type { HttpRequest, HttpResponse } from '../../ports/ports.js';

export type WebRequest = Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>;

export function requestBytes({ method, url, headers, body }: WebRequest): Uint8Array {
  const { origin, pathname } = new URL(url);
  // Without the query, which may hold secrets, because traces show the title.
  return encode(`${method} ${origin}${pathname}`, { method, url, headers: lowered(headers), body: body ?? null });
}

export function responseBytes(response: HttpResponse): Uint8Array {
  return encode(String(response.status), { ...response, headers: lowered(response.headers) });
}

/** Assembles a message from the bytes that arrive; `undefined` until it is complete. */
export class MessageReader<Message extends WebRequest | HttpResponse> {
  readonly #parts: Uint8Array[] = [];

  push(bytes: Uint8Array): Message | undefined {
    this.#parts.push(bytes);
    // Neither line contains a line break, because JSON writes line breaks as \n.
    const [, json, end] = Buffer.concat(this.#parts).toString().split('\n');
    return json === undefined || end === undefined ? undefined : (JSON.parse(json) as Message);
  }
}

/** Names of headers are case-insensitive. */
function lowered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function encode(title: string, message: object): Uint8Array {
  return new TextEncoder().encode(`${title}\n${JSON.stringify(message)}\n`);
}
