/** Strangers that connect and wait keep no peer out: neither members of a LAN nor guests of a cloud node. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createNetwork } from '../../src/adapters/network.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import { deriveClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import type { DialSecurity, Network } from '../../src/ports/ports.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import { type CloudFixture, createCloud } from './cloud-fixture.js';
import {
  clusterKey,
  clusterSalt,
  createFixture,
  type Fixture,
  portOf,
  type TestNode,
  until,
} from './cluster-fixture.js';
import { type Crowd, type CrowdOptions, gather, loopbackAddresses } from './crowd.js';

const newcomers = 24;

let fixture: Fixture;
let network: Network;
let crowd: Crowd | undefined;
beforeEach(() => {
  fixture = createFixture();
  network = createNetwork();
});
afterEach(async () => {
  crowd?.leave();
  await network.closeAll();
  await fixture.close();
});

const derived = deriveClusterKeys({ passphrase: clusterKey, salt: clusterSalt });

/** Returns once all places are taken. */
async function crowdAt(node: TestNode, options: Omit<CrowdOptions, 'port'>): Promise<void> {
  crowd = gather({ ...options, port: portOf(node) });
  await until('every place is taken', () => (crowd as Crowd).opened > limits.unauthenticatedMax * 1.2, 60_000);
}

interface Caller {
  readonly name: string;
  readonly port: number;
  readonly security: DialSecurity;
  readonly token?: string;
}

/**
 * Dials once, and identifies itself.
 *
 * @returns The result: `in`, or why not
 */
async function call({ name, port, security, token }: Caller): Promise<string> {
  const signal = new AbortController().signal;
  const connection = await network.dial({ host: '127.0.0.1', port, security, timeoutMs: 20_000, signal });
  return new Promise((resolve) => {
    const decoder = new FrameDecoder(limits.frameBytesMax);
    connection.attach({
      data: (bytes) => {
        for (const frame of decoder.push(bytes)) {
          if (frame.type === 'frame.handshakeResponse')
            resolve(frame.refusal === undefined ? 'in' : frame.refusal.code);
        }
      },
      drained: () => {},
      closed: (failure) => resolve(failure?.code ?? 'closed'),
    });
    const request: Frame = {
      type: 'frame.handshakeRequest',
      version: protocolVersion,
      token: token === undefined ? undefined : new Secret(token),
      identity: { nodeId: name as NodeId, boot: `boot-${name}` as Boot, port: 0 },
    };
    connection.write(encodeFrame(request));
  });
}

/** All at once, as after a power cut. */
async function callAll(callerOf: (name: string) => Caller): Promise<string[]> {
  const names = Array.from({ length: newcomers }, (_, index) => `newcomer-${index}`);
  return Promise.all(names.map((name) => call(callerOf(name)).catch((error) => String(error))));
}

async function tokenFrom({ oAuth2 }: CloudFixture): Promise<string> {
  const { authority, clientId, clientSecret, scopes, audience } = oAuth2;
  const described = await (await fetch(`${authority}/.well-known/openid-configuration`)).json();
  const response = await fetch((described as { token_endpoint: string }).token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: String(clientSecret),
      scope: (scopes ?? []).join(' '),
      audience: String(audience),
    }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

const everybody = Array.from({ length: newcomers }, () => 'in');

describe('a member node', () => {
  it.each([
    ['40 a second from two addresses', { perSecond: 40, addresses: loopbackAddresses(2) }],
    ['400 a second from two addresses', { perSecond: 400, addresses: loopbackAddresses(2) }],
    ['400 a second from a hundred addresses', { perSecond: 400, addresses: loopbackAddresses(100) }],
    ['400 a second, dripping', { perSecond: 400, addresses: loopbackAddresses(2), manner: 'drip' }],
    [
      '400 a second, half a handshake each',
      { perSecond: 400, addresses: loopbackAddresses(2), manner: 'half a handshake' },
    ],
    ['40 a second from the very address of the members', { perSecond: 40, addresses: ['127.0.0.1'] }],
  ] as const)(
    'strangers: %s -> every member gets in',
    async (_, options) => {
      const node = await fixture.start('a', { discovery: false });
      const { security } = await derived;
      const caller = (name: string): Caller => ({ name, port: portOf(node), security });
      // One is known already: places are kept for its address.
      expect(await call(caller('first'))).toBe('in');
      await crowdAt(node, options);
      expect(await callAll(caller)).toEqual(everybody);
    },
    90_000,
  );

  it('the stranger that waits longest -> is closed without an answer when its place is needed', async () => {
    const node = await fixture.start('a', { discovery: false });
    const first = connect(portOf(node), '127.0.0.1');
    let isClosed = false;
    first
      .on('error', () => {})
      .on('close', () => {
        isClosed = true;
      });
    await until('it is connected', () => !first.connecting);
    await crowdAt(node, { perSecond: 400, addresses: ['127.0.0.1'] });
    await until('it is closed', () => isClosed);
    const told = node.nodeEvents.filter(({ type }) => type === 'connection.refused');
    expect(told.length).toBeLessThan(5);
    expect(told[0]).toMatchObject({ failure: { code: 'connectionLimit' } });
  }, 90_000);
});

describe('a cloud node', () => {
  let cloud: CloudFixture;
  beforeEach(async () => {
    cloud = await createCloud();
  });
  afterEach(() => cloud.close());

  it.each([
    ['40 a second from two addresses', { perSecond: 40, addresses: loopbackAddresses(2) }],
    ['400 a second from a hundred addresses', { perSecond: 400, addresses: loopbackAddresses(100) }],
  ] as const)(
    'strangers: %s -> every guest gets in',
    async (_, options) => {
      const node = await fixture.start('cloud', { ...cloud.cloudOptions, discovery: false });
      const security = { kind: 'verified', ca: readFileSync(cloud.caPath, 'utf8') } as const;
      const token = await tokenFrom(cloud);
      const caller = (name: string): Caller => ({ name, port: portOf(node), security, token });
      expect(await call(caller('first'))).toBe('in');
      await crowdAt(node, options);
      expect(await callAll(caller)).toEqual(everybody);
    },
    90_000,
  );

  it('strangers that finish TLS and say nothing -> every guest gets in', async () => {
    const node = await fixture.start('cloud', { ...cloud.cloudOptions, discovery: false });
    const security = { kind: 'verified', ca: readFileSync(cloud.caPath, 'utf8') } as const;
    const token = await tokenFrom(cloud);
    // Each with a signal of its own: many listeners on one signal look like a leak.
    const dial = () => {
      const { signal } = new AbortController();
      return network.dial({ host: '127.0.0.1', port: portOf(node), security, timeoutMs: 20_000, signal });
    };
    for (let count = 0; count < limits.unauthenticatedMax; count += 32) {
      const dialed = await Promise.all(Array.from({ length: 32 }, dial));
      for (const connection of dialed) connection.attach({ data: () => {}, drained: () => {}, closed: () => {} });
    }
    const caller = (name: string): Caller => ({ name, port: portOf(node), security, token });
    expect(await callAll(caller)).toEqual(everybody);
  }, 90_000);
});
