/** The check of tokens in simulated cloud nodes passes the contract of the real one, over simulated HTTP. */
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createActor, toPromise } from 'xstate';
import type { Configuration } from '../../src/configuration/schema.js';
import { Secret } from '../../src/core/secret.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { authorityText, issue as issueCertificate } from '../../src/simulation/network/certificates.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { simulatedTime, worldEpochMs } from '../../src/simulation/node-ports.js';
import { randomStream } from '../../src/simulation/random.js';
import { createSimulatedVerifyToken } from '../../src/simulation/verify-token.js';
import { simulatedHttp } from '../../src/simulation/web/http.js';
import type { WebRequest } from '../../src/simulation/web/message.js';
import { json } from '../../src/simulation/web/oauth2.js';
import { WebServer } from '../../src/simulation/web/server.js';
import { stepUntil } from './simulated-clock.js';
import {
  audience,
  describeVerifyToken,
  type IssueOptions,
  issuer,
  scope,
  type VerifyTokenHarness,
} from './verify-token.contract.js';

const address = '203.0.113.1';
const ca = authorityText('contract');
const kinds = ['RS256', 'PS256', 'ES256', 'EdDSA', 'RS512'] as const;
type Kind = (typeof kinds)[number];
type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

/** RSA keys are slow to make: two generations serve all tests. */
const generations = [makeKeys(), makeKeys()] as const;

function makeKeys(): Readonly<Record<Kind, Pair>> {
  const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2_048 });
  return {
    RS256: rsa(),
    PS256: rsa(),
    RS512: rsa(),
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
}

function signatureOf(kind: Kind, text: string, key: KeyObject): Buffer {
  const data = Buffer.from(text);
  switch (kind) {
    case 'RS256':
      return sign('sha256', data, key);
    case 'RS512':
      return sign('sha512', data, key);
    case 'PS256':
      return sign('sha256', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    case 'ES256':
      return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return sign(null, data, key);
  }
}

async function makeHarness(): Promise<VerifyTokenHarness> {
  const clock = new VirtualClock();
  const hub = new NetworkHub(clock, (label) => randomStream(1, label));
  const { hostname } = new URL(issuer);
  hub.publish(address, hostname);
  let generation: 0 | 1 = 0;
  let state: Parameters<VerifyTokenHarness['setAuthority']>[0] = 'well';
  const kidOf = (kind: string) => `${kind}-${generation}`;
  const keys = () =>
    kinds.map((alg) => ({ ...generations[generation][alg].publicKey.export({ format: 'jwk' }), kid: kidOf(alg), alg }));
  const answer = ({ url }: WebRequest) => {
    if (state === 'rubbish') return { status: 200, headers: {}, body: '<html>' };
    if (url === `${issuer}/keys`) return json(200, { keys: keys() });
    if (url !== `${issuer}/.well-known/openid-configuration`) return json(404, {});
    return json(200, {
      issuer: state === 'other issuer' ? 'https://evil.example' : issuer,
      jwks_uri: `${issuer}/keys`,
    });
  };
  const server = new WebServer({
    hub,
    clock,
    address,
    port: 443,
    security: { kind: 'server', server: issueCertificate(ca, [hostname]) },
    answer: (request) => ({ response: answer(request), afterMs: 1 }),
  });
  server.start();
  // The wall clock stands still between advances, so that a token is not older than the contract assumes.
  let wallMs = worldEpochMs;
  const time = { ...simulatedTime(clock), now: () => wallMs };
  const network = hub.join({ address: '10.0.0.1', segments: new Set(['office']) });
  const http = simulatedHttp({ network, time, settled: () => {} });
  const verifyToken = createSimulatedVerifyToken({ http, time });
  const configuration = {
    authority: issuer,
    audience,
    scope,
    authorityOrigins: [],
  } as unknown as Configuration;
  /** One after the other, because each moves the clock. */
  let turn: Promise<unknown> = Promise.resolve();
  const verify: VerifyTokenHarness['verify'] = async (token, settings = {}) => {
    const input = { token: new Secret(token), configuration: { ...configuration, ...settings }, ca };
    const actor = createActor(verifyToken, { input });
    const ended = toPromise(actor);
    let isEnded = false;
    const note = () => {
      isEnded = true;
    };
    ended.then(note, note);
    actor.start();
    await stepUntil(clock, () => isEnded);
    return ended as ReturnType<VerifyTokenHarness['verify']>;
  };
  return {
    algorithms: [...kinds, 'HS256'],
    verify: (token, settings) => {
      const verifying = turn.then(() => verify(token, settings));
      turn = verifying.catch(() => {});
      return verifying;
    },
    async issue(claims, { alg = 'RS256', kid = kidOf(alg), typ: named = 'at+jwt' }: IssueOptions = {}) {
      const typ = named ?? undefined;
      const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      if (alg === 'none') return `${encode({ alg, typ })}.${encode(claims)}.`;
      if (alg === 'HS256') {
        const text = `${encode({ alg, typ, kid: kidOf('RS256') })}.${encode(claims)}`;
        const secret = generations[generation].RS256.publicKey.export({ format: 'pem', type: 'spki' });
        return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
      }
      const text = `${encode({ alg, kid, typ })}.${encode(claims)}`;
      return `${text}.${signatureOf(alg, text, generations[generation][alg].privateKey).toString('base64url')}`;
    },
    async rotate() {
      generation = 1;
    },
    setAuthority(next) {
      state = next;
      if (next === 'unreachable') server.stop();
      else server.start();
    },
    nowMs: () => time.now(),
    advance(ms) {
      wallMs += ms;
      clock.advanceTo(clock.nowMs + ms);
    },
  };
}

describeVerifyToken('the simulation', makeHarness);
