/**
 * An OAuth2 authority of a world: a public web server that issues tokens, with a clock of its own and with faults that
 * a test can switch on.
 */
import { kinds, readOptions } from '../core/options.js';
import type { HttpResponse, ServerCertificate } from '../ports/ports.js';
import { type Duration, millisecondsOf, type VirtualClock } from './clock.js';
import type { NetworkHub } from './network/hub.js';
import { worldEpochMs } from './node-ports.js';
import { checkArguments, duration, simulationShape } from './options.js';
import type { WebRequest } from './web/message.js';
import { type Grant, json, OAuth2, type OAuth2Client, refusedClient } from './web/oauth2.js';
import { type WebAnswer, WebServer } from './web/server.js';

export interface AuthorityOptions {
  /**
   * The URL of the authority, which its tokens name as their issuer. Its host name ends with `.world`. Default:
   * `https://authority.world`.
   */
  readonly issuer?: string;
  /** Lifetime of the tokens that it issues. Default: an hour. */
  readonly lifetime?: Duration;
}

/** A client to register. Scope and audience default to those of cloud nodes. */
export type ClientInput = Pick<OAuth2Client, 'clientId' | 'clientSecret'> & Partial<OAuth2Client>;
/** The subject of a token. Audience and scope default to those of cloud nodes. */
export type TokenInput = Pick<Grant, 'subject'> & Partial<Pick<Grant, 'audience' | 'scopes'>>;

/** A request that the authority received. */
export interface AuthorityRequest {
  readonly atMs: number;
  /** The address of the caller. */
  readonly from: string;
  readonly method: string;
  readonly path: string;
}

export interface AuthoritySurroundings {
  readonly clock: VirtualClock;
  readonly hub: NetworkHub;
  readonly address: string;
  readonly certificate: ServerCertificate;
  readonly seed: number;
  /** Tells the observers about a change of the world. */
  meddle(what: string): void;
}

type Fault =
  | { readonly kind: 'slow'; readonly byMs: number }
  | { readonly kind: 'busy'; readonly forMs: number }
  | { readonly kind: 'rubbish' | 'refuse' | 'fail' | 'hang' | 'half' | 'echo' };

/** The default scope of tokens: what a cloud node requires by default. */
export const defaultScope = 'entgldb:sync';
/** The default audience of tokens. */
export const defaultAudience = 'https://cloud.world';
/** How long it takes to answer. */
const answerMs = 2;

const registerShape = simulationShape<ClientInput>(
  'register',
  { clientId: kinds.filledText, clientSecret: kinds.text, scopes: kinds.list, audiences: kinds.list },
  ...(['clientId', 'clientSecret'] as const),
);
const rotateShape = simulationShape<{ readonly keepsOld?: boolean }>('rotateKeys', { keepsOld: kinds.boolean });
const issueShape = simulationShape<TokenInput>(
  'issue',
  { subject: kinds.text, audience: kinds.text, scopes: kinds.list },
  'subject',
);

export class Authority {
  readonly issuer: string;
  /** Its host name, as it appears in traces. */
  readonly name: string;
  /** The address of its machine, as rules of the network name it. */
  readonly address: string;
  /** All requests that it received, in order. */
  readonly requests: AuthorityRequest[] = [];
  readonly #around: AuthoritySurroundings;
  readonly #oauth2: OAuth2;
  readonly #server: WebServer;
  #skewMs = 0;
  #fault: Fault | undefined;

  constructor(options: AuthorityOptions, around: AuthoritySurroundings) {
    const { issuer = 'https://authority.world', lifetime = '1h' } = options;
    const { hostname, port } = new URL(issuer);
    const { clock, hub, address, certificate, seed } = around;
    this.issuer = issuer;
    this.name = hostname;
    this.address = address;
    this.#around = around;
    this.#oauth2 = new OAuth2({
      issuer,
      seed: String(seed),
      lifetimeMs: millisecondsOf(lifetime),
      now: () => worldEpochMs + clock.nowMs + this.#skewMs,
    });
    this.#server = new WebServer({
      hub,
      clock,
      address,
      port: Number(port) || 443,
      security: { kind: 'server', server: certificate },
      answer: (request, from) => this.#answer(request, from),
    });
    this.#server.start();
  }

  get isUp(): boolean {
    return this.#server.isUp;
  }

  get skewMs(): number {
    return this.#skewMs;
  }

  /**
   * Registers a client, or changes one. Scope and audience default to those of cloud nodes.
   *
   * @example
   * const office = world.authority().register({ clientId: 'office', clientSecret: 'open sesame' });
   */
  register(given: ClientInput): OAuth2Client {
    const { scopes = [defaultScope], audiences = [defaultAudience], ...client } = readOptions(given, registerShape);
    const registered = { ...client, scopes, audiences };
    this.#around.meddle(`${this.name} registers ${client.clientId}`);
    this.#oauth2.register(registered);
    return registered;
  }

  /** Issues no more tokens to a client. */
  forget({ clientId }: Pick<OAuth2Client, 'clientId'>): void {
    this.#around.meddle(`${this.name} forgets ${clientId}`);
    this.#oauth2.forget(clientId);
  }

  /** Signs with a new key; without the old keys, earlier tokens no longer verify. */
  rotateKeys(options: { readonly keepsOld?: boolean } = {}): void {
    const { keepsOld = true } = readOptions(options, rotateShape);
    this.#around.meddle(`${this.name} rotates its keys${keepsOld ? '' : ' and forgets the old ones'}`);
    this.#oauth2.rotateKeys({ keepsOld });
  }

  /** Sets the lifetime of the tokens that it issues from now on. */
  setLifetime(lifetime: Duration): void {
    checkArguments('setLifetime', { lifetime }, { lifetime: duration });
    this.#around.meddle(`${this.name} issues tokens for ${lifetime}`);
    this.#oauth2.lifetimeMs = millisecondsOf(lifetime);
  }

  /** Issues a token without a request. */
  issue(given: TokenInput) {
    const { subject, audience = defaultAudience, scopes = [defaultScope] } = readOptions(given, issueShape);
    return this.#oauth2.issue({ subject, audience, scopes });
  }

  /** What a token was issued for; undefined when this authority did not issue it. */
  grantOf(token: string): Grant | undefined {
    return this.#oauth2.grantOf(token);
  }

  /** Moves its clock. */
  skew(by: Duration): void {
    const byMs = millisecondsOf(by);
    this.#around.meddle(`skew ${this.name} ${by}`);
    this.#skewMs += byMs;
  }

  /** Stops its process: it accepts no connections. */
  down(): void {
    this.#around.meddle(`${this.name} is down`);
    this.#server.stop();
  }

  up(): void {
    this.#around.meddle(`${this.name} is up`);
    this.#server.start();
  }

  /** Answers later by this time. */
  slow(by: Duration): void {
    checkArguments('slow', { by }, { by: duration });
    this.#break(`answers ${by} later`, { kind: 'slow', byMs: millisecondsOf(by) });
  }

  /** Answers every request with an HTML page. */
  rubbish(): void {
    this.#break('answers rubbish', { kind: 'rubbish' });
  }

  /** Refuses every client, even with the right secret. */
  refuse(): void {
    this.#break('refuses every client', { kind: 'refuse' });
  }

  /** Answers every request with 503. */
  fail(): void {
    this.#break('fails', { kind: 'fail' });
  }

  /** Answers every request with 429 and a `Retry-After` of this time. */
  busy(time: Duration): void {
    checkArguments('busy', { duration: time }, { duration });
    this.#break(`wants to be left alone for ${time}`, { kind: 'busy', forMs: millisecondsOf(time) });
  }

  /** Answers with an HTML page at the metadata address of OpenID Connect; the one of RFC 8414 works. */
  halfDiscovery(): void {
    this.#break('has its metadata at one address only', { kind: 'half' });
  }

  /** Refuses every client, and repeats the request in its answer. */
  echo(): void {
    this.#break('repeats what it is sent', { kind: 'echo' });
  }

  /** Accepts requests and never answers. */
  hang(): void {
    this.#break('hangs', { kind: 'hang' });
  }

  /** Ends all faults and sets the clock right. */
  mend(): void {
    this.#break('is in order', undefined);
    this.#skewMs = 0;
    this.#server.start();
  }

  /** Called at the end of the world. */
  close(): void {
    this.#server.stop();
  }

  #break(what: string, fault: Fault | undefined): void {
    this.#around.meddle(`${this.name} ${what}`);
    this.#fault = fault;
  }

  #answer(request: WebRequest, from: string): WebAnswer {
    const { method, url } = request;
    const path = new URL(url).pathname;
    this.requests.push({ atMs: this.#around.clock.nowMs, from, method, path });
    const fault = this.#fault;
    switch (fault?.kind) {
      case 'hang':
        return 'never';
      case 'busy':
        return { response: tooMany(fault.forMs), afterMs: answerMs };
      case 'half':
        return {
          response: path.endsWith('/openid-configuration') ? page : this.#oauth2.answer(request),
          afterMs: answerMs,
        };
      case 'echo':
        return { response: method === 'POST' ? echoOf(request) : this.#oauth2.answer(request), afterMs: answerMs };
      case 'fail':
        return { response: outOfOrder, afterMs: answerMs };
      case 'rubbish':
        return { response: page, afterMs: answerMs };
      case 'refuse':
        return { response: method === 'POST' ? refusedClient : this.#oauth2.answer(request), afterMs: answerMs };
      case 'slow':
        return { response: this.#oauth2.answer(request), afterMs: answerMs + fault.byMs };
      case undefined:
        return { response: this.#oauth2.answer(request), afterMs: answerMs };
    }
  }
}

function tooMany(forMs: number): HttpResponse {
  return { status: 429, headers: { 'retry-after': String(Math.ceil(forMs / 1_000)) }, body: '' };
}

function echoOf({ headers, body }: WebRequest): HttpResponse {
  const description = `${headers.authorization ?? ''} ${body ?? ''}`;
  return json(401, { error: 'invalid_client', error_description: description });
}

const outOfOrder = { status: 503, headers: { 'content-type': 'text/plain' }, body: 'out of order' };
const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><h1>It works!</h1>' };
