/**
 * Who may talk to the inspector: a browser of this machine that was given the address with its token.
 *
 * A page on the internet can make a browser send requests to this machine. It neither knows the token, nor can it lie about its own
 * `Origin`; and a name of its own that it points at 127.0.0.1 (DNS rebinding) shows in `Host`.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

export interface Refusal {
  readonly status: 400 | 403 | 421;
  readonly message: string;
}

export interface AccessOptions {
  readonly port: number;
  readonly token: string;
}

const loopbackNames = ['127.0.0.1', 'localhost', '[::1]'];

export class Access {
  readonly #hosts: ReadonlySet<string>;
  readonly #token: string;

  constructor({ port, token }: AccessOptions) {
    this.#hosts = new Set(loopbackNames.map((name) => `${name}:${port}`));
    this.#token = token;
  }

  /** Of every request. */
  objectionToHost({ headers: { host } }: IncomingMessage): Refusal | undefined {
    if (host !== undefined && this.#hosts.has(host)) return undefined;
    return {
      status: 421,
      message: 'This is the inspector of statemesh: open it by the address that it was started with.',
    };
  }

  objectionToToken(url: URL): Refusal | undefined {
    if (isSame(url.searchParams.get('token') ?? '', this.#token)) return undefined;
    return {
      status: 403,
      message:
        'The token is missing or wrong: open the whole address that the node printed, or see `statemesh status`.',
    };
  }

  /** Of a page that wants to see: it must be ours. */
  objectionToPage({ headers: { origin, host } }: IncomingMessage): Refusal | undefined {
    if (origin !== undefined && origin === `http://${host}`) return undefined;
    return { status: 403, message: 'Only the page of this inspector may connect to it.' };
  }

  /** Of a process that has something to tell: no page may. */
  objectionToProcess({ headers: { origin } }: IncomingMessage): Refusal | undefined {
    return origin === undefined ? undefined : { status: 403, message: 'Pages do not tell what happens.' };
  }
}

/** In a time that does not depend on how much of them is the same. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
