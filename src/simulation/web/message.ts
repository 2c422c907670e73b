/**
 * Requests and answers as they travel over a simulated stream. Not HTTP as it is written on wires, since nobody but the two ends reads it:
 * a line that says what it is, which traces show, then a line of JSON.
 */
import type { HttpRequest, HttpResponse } from '../../ports/ports.js';

export type WebRequest = Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>;

export function requestBytes({ method, url, headers, body }: WebRequest): Uint8Array {
  const { origin, pathname } = new URL(url);
  // Without the query, which may hold secrets, since traces show the title.
  return encode(`${method} ${origin}${pathname}`, { method, url, headers: lowered(headers), body: body ?? null });
}

export function responseBytes(response: HttpResponse): Uint8Array {
  return encode(String(response.status), { ...response, headers: lowered(response.headers) });
}

/** Puts a message together from what arrives; `undefined` until it is whole. */
export class MessageReader<Message extends WebRequest | HttpResponse> {
  readonly #parts: Uint8Array[] = [];

  push(bytes: Uint8Array): Message | undefined {
    this.#parts.push(bytes);
    // Neither line has a line break within, since JSON writes them as \n.
    const [, json, end] = Buffer.concat(this.#parts).toString().split('\n');
    return json === undefined || end === undefined ? undefined : (JSON.parse(json) as Message);
  }
}

/** Names of headers do not differ by case. */
function lowered(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function encode(title: string, message: object): Uint8Array {
  return new TextEncoder().encode(`${title}\n${JSON.stringify(message)}\n`);
}
