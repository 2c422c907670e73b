/**
 * Who may talk to the inspector: a browser on this machine that knows the address with its token.
 *
 * A page on the internet can make a browser send requests to this machine. Such a page does not know the token and
 * cannot forge its own `Origin`. If it points a name of its own at 127.0.0.1 (DNS rebinding), that name shows in
 * `Host`.
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

  /** Checks every request. */
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

  /** Checks a page that wants to watch: it must be the inspector's own page. */
  objectionToPage({ headers: { origin, host } }: IncomingMessage): Refusal | undefined {
    if (origin !== undefined && origin === `http://${host}`) return undefined;
    return { status: 403, message: 'Only the page of this inspector may connect to it.' };
  }

  /** Checks a process that sends records: no page may do that. */
  objectionToProcess({ headers: { origin } }: IncomingMessage): Refusal | undefined {
    return origin === undefined ? undefined : { status: 403, message: 'Pages may not send records.' };
  }
}

/** Compares in a time that does not depend on how many characters match. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}
