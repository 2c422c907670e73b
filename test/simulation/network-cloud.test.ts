/** Servers with certificates, public machines, and names: the cloud as the simulated network knows it. */
import { describe, expect, it } from '@jest/globals';
import type { Failure } from '../../src/core/errors.js';
import { limits } from '../../src/core/limits.js';
import type { Connection, DialOptions, ListenOptions, Network } from '../../src/ports/ports.js';
import { VirtualClock } from '../../src/simulation/clock.js';
import { authorityText, issue, isTrusted } from '../../src/simulation/network/certificates.js';
import { NetworkHub } from '../../src/simulation/network/hub.js';
import { randomStream } from '../../src/simulation/random.js';
import { stepUntil } from '../contracts/simulated-clock.js';

const ca = authorityText('one');
const cloudAddress = '203.0.113.1';
const server = { kind: 'server', server: issue(ca, ['cloud.world', cloudAddress]) } as const;
const verified = { kind: 'verified', ca } as const;
const psk = { kind: 'psk', keys: [{ keyId: 'cluster-key', key: new Uint8Array(32).fill(1) }] } as const;
const none = { kind: 'none' } as const;

class Site {
  readonly clock = new VirtualClock();
  readonly hub = new NetworkHub(this.clock, (label) => randomStream(1, label));
  readonly accepted: Connection[] = [];
  readonly refused: Failure[] = [];
  readonly office = this.#join('10.0.0.1', 'office');
  readonly desk = this.#join('10.0.0.2', 'office');
  readonly shop = this.#join('10.0.0.3', 'shop');
  readonly cloud = this.#join(cloudAddress);

  constructor() {
    this.hub.publish(cloudAddress, 'Cloud.world');
  }

  listen(network: Network, host: string, options: Partial<ListenOptions>): void {
    void network.listen({
      host,
      port: 9_000,
      security: server,
      limits,
      handshakeTimeoutMs: 5_000,
      accepted: (connection) => this.accepted.push(connection),
      refused: (failure) => this.refused.push(failure),
      ...options,
    });
  }

  /** The code with which a dial fails, or `opened`. */
  async outcome(from: Network, options: Partial<DialOptions> = {}): Promise<unknown> {
    let outcome: unknown;
    const { signal } = new AbortController();
    from.dial({ host: 'cloud.world', port: 9_000, security: verified, timeoutMs: 5_000, signal, ...options }).then(
      () => {
        outcome = 'opened';
      },
      (error: { code: unknown }) => {
        outcome = error.code;
      },
    );
    await stepUntil(this.clock, () => outcome !== undefined);
    // How the other side sees it.
    await stepUntil(this.clock, () => this.clock.nextAtMs === undefined || this.accepted.length > 0);
    return outcome;
  }

  #join(address: string, ...segments: string[]): Network {
    return this.hub.join({ address, segments: new Set(segments) });
  }
}

describe('certificates', () => {
  it('a certificate: for the named host, by a trusted authority, alone or among others -> trusted', () => {
    const { certificate } = server.server;
    expect(isTrusted(certificate, { ca, host: 'Cloud.World' })).toBe(true);
    expect(isTrusted(certificate, { ca: `${authorityText('two')}\n${ca}`, host: cloudAddress })).toBe(true);
  });

  it('a certificate: for another host, by another authority, by those of the system, or none -> not trusted', () => {
    const { certificate } = server.server;
    expect(isTrusted(certificate, { ca, host: 'world' })).toBe(false);
    expect(isTrusted(certificate, { ca: authorityText('two'), host: 'cloud.world' })).toBe(false);
    expect(isTrusted(certificate, { ca: undefined, host: 'cloud.world' })).toBe(false);
    expect(isTrusted('nonsense', { ca, host: 'cloud.world' })).toBe(false);
  });
});

describe('a server with a certificate', () => {
  const outcome = async (listening: Partial<ListenOptions>, dialing: Partial<DialOptions>) => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, listening);
    const result = await site.outcome(site.office, dialing);
    return [result, site.accepted.length, site.refused.map(({ code }) => code)];
  };

  it("a dial: trusts the server's authority, by name or address -> opens", async () => {
    expect(await outcome({}, {})).toEqual(['opened', 1, []]);
    expect(await outcome({}, { host: cloudAddress })).toEqual(['opened', 1, []]);
  });

  it('a dial: trusts another authority, or none -> certificateInvalid, and the server sees the connection break', async () => {
    const lost = ['certificateInvalid', 0, ['connectionLost']];
    expect(await outcome({}, { security: { kind: 'verified', ca: authorityText('two') } })).toEqual(lost);
    expect(await outcome({}, { security: { kind: 'verified', ca: undefined } })).toEqual(lost);
  });

  // As measured with the system's TLS.
  it.each([
    ['the cluster key', 'a server', server, psk, 'wrongClusterKey', ['connectionLost']],
    ['who verifies', 'the cluster key', psk, verified, 'protocolUnsupported', ['wrongClusterKey']],
    ['who says nothing', 'a server', server, none, 'opened', ['handshakeTimeout']],
  ] as const)('%s at %s -> fails', async (_, __, listening, dialing, code, refused) => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, { security: listening });
    expect(await site.outcome(site.office, { security: dialing })).toBe(code);
    expect(site.refused.map((failure) => failure.code)).toEqual(refused);
  });

  it('a verifying dial: at plain text -> protocolUnsupported when it answers, and it has received the hello as bytes', async () => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, {
      security: none,
      accepted: (connection) => {
        connection.attach({ data: () => connection.write(Uint8Array.of(1)), drained() {}, closed() {} });
      },
    });
    expect(await site.outcome(site.office)).toBe('protocolUnsupported');
  });
});

describe('a WebSocket', () => {
  const webSocketPath = '/sync';
  it.each([
    ['a certificate', server, verified],
    ['the cluster key', psk, psk],
    ['plain text', none, none],
  ] as const)('a dial: with %s, at a listener that accepts WebSockets -> a stream', async (_, listening, security) => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, { security: listening, acceptsWebSockets: true });
    let opened: Connection | undefined;
    const { signal } = new AbortController();
    const dialing = { host: 'cloud.world', port: 9_000, security, timeoutMs: 5_000, signal, webSocketPath };
    site.office.dial(dialing).then((connection) => {
      opened = connection;
    });
    await stepUntil(site.clock, () => opened !== undefined);
    const heard: number[] = [];
    site.accepted[0]?.attach({ data: (bytes) => heard.push(...bytes), drained() {}, closed() {} });
    opened?.write(Uint8Array.of(7));
    await stepUntil(site.clock, () => heard.length > 0);
    expect(heard).toEqual([7]);
  });

  it.each([
    ['a certificate', server, verified],
    ['plain text', none, none],
  ] as const)(
    'a dial: with %s, at a listener that does not -> protocolUnsupported, and the listener receives the request as bytes',
    async (_, listening, security) => {
      const site = new Site();
      let heard = '';
      site.listen(site.cloud, cloudAddress, {
        security: listening,
        accepted: (connection) => {
          connection.attach({
            data: (bytes) => {
              heard += Buffer.from(bytes);
              connection.write(Uint8Array.of(1));
            },
            drained() {},
            closed() {},
          });
        },
      });
      expect(await site.outcome(site.office, { security, webSocketPath })).toBe('protocolUnsupported');
      expect(heard).toMatch(/^GET /);
    },
  );
});

describe('a public machine', () => {
  it('a public machine: dialed from any local network -> answers; a dial from it to a local network -> connectionTimeout', async () => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, {});
    site.listen(site.office, '10.0.0.1', { security: none });
    expect(await site.outcome(site.office)).toBe('opened');
    expect(await site.outcome(site.shop)).toBe('opened');
    expect(await site.outcome(site.cloud, { host: '10.0.0.1', security: none })).toBe('connectionTimeout');
    expect(await site.outcome(site.shop, { host: '10.0.0.1', security: none })).toBe('connectionTimeout');
    expect(await site.outcome(site.desk, { host: '10.0.0.1', security: none })).toBe('opened');
  });

  it('a datagram: sent on a local network -> is heard on that network only', async () => {
    const site = new Site();
    const heard: string[] = [];
    const open = (network: Network, name: string) =>
      network.openDatagrams({ port: 25_000, scope: 'lan', received: () => heard.push(name), failed() {} });
    const office = await open(site.office, 'office');
    await open(site.desk, 'desk');
    await open(site.shop, 'shop');
    await open(site.cloud, 'cloud');
    office.broadcast(Uint8Array.of(1));
    await stepUntil(site.clock, () => site.clock.nextAtMs === undefined);
    expect(heard.sort()).toEqual(['desk', 'office']);
  });

  it('the way to a public machine: compared with a local network -> takes longer, and a cut holds it up', async () => {
    const site = new Site();
    site.listen(site.cloud, cloudAddress, {});
    site.listen(site.desk, '10.0.0.2', { security: none });
    await site.outcome(site.office, { host: '10.0.0.2', security: none });
    const nearMs = site.clock.nowMs;
    await site.outcome(site.office);
    expect(site.clock.nowMs - nearMs).toBeGreaterThan(10 * nearMs);
    site.hub.cut('10.0.0.1', cloudAddress);
    expect(await site.outcome(site.office)).toBe('connectionTimeout');
    expect(await site.outcome(site.shop)).toBe('opened');
  });

  it('an unknown name: dialed -> connectionRefused, as when it cannot be resolved', async () => {
    const site = new Site();
    expect(await site.outcome(site.office, { host: 'nowhere.world' })).toBe('connectionRefused');
  });
});
