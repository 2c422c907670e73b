/**
 * An OAuth2 authority of a world: a web server in the open that issues tokens, with a clock of its own, and with whatever can go wrong with it.
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
  /** Where it is, and who its tokens say has issued them. Its host name ends with `.world`. Default: `https://authority.world`. */
  readonly issuer?: string;
  /** Of the tokens that it issues. Default: an hour. */
  readonly lifetime?: Duration;
}

/** A client to register. Scope and audience are the defaults of cloud nodes if left out. */
export type ClientInput = Pick<OAuth2Client, 'clientId' | 'clientSecret'> & Partial<OAuth2Client>;
/** Whom a token is for. Audience and scope are the defaults of cloud nodes if left out. */
export type TokenInput = Pick<Grant, 'subject'> & Partial<Pick<Grant, 'audience' | 'scopes'>>;

/** What an authority was asked. */
export interface AuthorityRequest {
  readonly atMs: number;
  /** The address of who has asked. */
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
  /** Tells the observers that somebody meddles with the world. */
  meddle(what: string): void;
}

type Fault =
  | { readonly kind: 'slow'; readonly byMs: number }
  | { readonly kind: 'busy'; readonly forMs: number }
  | { readonly kind: 'rubbish' | 'refuse' | 'fail' | 'hang' | 'half' | 'echo' };

/** The scope that tokens are for, if nothing else is said: what a cloud node asks for by default. */
export const defaultScope = 'entgldb:sync';
/** The audience of tokens, if nothing else is said. */
export const defaultAudience = 'https://cloud.world';
/** How long it takes to think. */
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
  /** Its host name, by which traces call it. */
  readonly name: string;
  /** Of its machine, as rules of the network name it. */
  readonly address: string;
  /** Everything that it was asked, in order. */
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
   * Registers a client, or changes one. Scope and audience are the defaults of cloud nodes if left out.
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

  /** Signs with a new key; without the old ones, earlier tokens do not verify any more. */
  rotateKeys(options: { readonly keepsOld?: boolean } = {}): void {
    const { keepsOld = true } = readOptions(options, rotateShape);
    this.#around.meddle(`${this.name} rotates its keys${keepsOld ? '' : ' and forgets the old ones'}`);
    this.#oauth2.rotateKeys({ keepsOld });
  }

  /** How long tokens are valid that it issues from now on. */
  setLifetime(lifetime: Duration): void {
    checkArguments('setLifetime', { lifetime }, { lifetime: duration });
    this.#around.meddle(`${this.name} issues tokens for ${lifetime}`);
    this.#oauth2.lifetimeMs = millisecondsOf(lifetime);
  }

  /** A token, as if somebody had asked for it. */
  issue(given: TokenInput) {
    const { subject, audience = defaultAudience, scopes = [defaultScope] } = readOptions(given, issueShape);
    return this.#oauth2.issue({ subject, audience, scopes });
  }

  /** What a token was issued for; undefined when it is none of this authority. */
  grantOf(token: string): Grant | undefined {
    return this.#oauth2.grantOf(token);
  }

  /** Moves its clock. */
  skew(by: Duration): void {
    const byMs = millisecondsOf(by);
    this.#around.meddle(`skew ${this.name} ${by}`);
    this.#skewMs += byMs;
  }

  /** Its process is gone: nobody accepts connections there. */
  down(): void {
    this.#around.meddle(`${this.name} is down`);
    this.#server.stop();
  }

  up(): void {
    this.#around.meddle(`${this.name} is up`);
    this.#server.start();
  }

  /** Answers so much later. */
  slow(by: Duration): void {
    checkArguments('slow', { by }, { by: duration });
    this.#break(`answers ${by} later`, { kind: 'slow', byMs: millisecondsOf(by) });
  }

  /** Answers every request with a page for people. */
  rubbish(): void {
    this.#break('answers rubbish', { kind: 'rubbish' });
  }

  /** Refuses every client, whatever its secret. */
  refuse(): void {
    this.#break('refuses every client', { kind: 'refuse' });
  }

  /** Answers that it is out of order (503). */
  fail(): void {
    this.#break('fails', { kind: 'fail' });
  }

  /** Has too much to do (429), and says for how long it wants to be left alone. */
  busy(time: Duration): void {
    checkArguments('busy', { duration: time }, { duration });
    this.#break(`wants to be left alone for ${time}`, { kind: 'busy', forMs: millisecondsOf(time) });
  }

  /** Answers with a page for people where OpenID Connect has its metadata; where RFC 8414 has it, it is. */
  halfDiscovery(): void {
    this.#break('has its metadata at one address only', { kind: 'half' });
  }

  /** Refuses every client, and repeats what it was sent. */
  echo(): void {
    this.#break('repeats what it is sent', { kind: 'echo' });
  }

  /** Takes requests, and never answers. */
  hang(): void {
    this.#break('hangs', { kind: 'hang' });
  }

  /** Ends all faults, and sets the clock right. */
  mend(): void {
    this.#break('is in order', undefined);
    this.#skewMs = 0;
    this.#server.start();
  }

  /** For the end of the world. */
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
