/**
 * The contract of the `Network` port. The real adapter and the simulated one both pass it, so it drives them through
 * the port alone, and waits for conditions, never for time.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ConnectionLimits } from '../../src/core/admission.js';
import type { Failure } from '../../src/core/errors.js';
import type {
  Connection,
  ConnectionHandlers,
  ConnectionSecurity,
  DatagramOptions,
  Datagrams,
  DialOptions,
  Listening,
  ListenOptions,
  Network,
} from '../../src/ports/ports.js';

/** Two networks that reach each other, and the facts that a test needs about them. */
export interface NetworkHarness {
  readonly server: Network;
  readonly client: Network;
  /** Where `server` can listen and `client` can dial. */
  readonly host: string;
  /** Free for datagrams of both networks. */
  readonly datagramPort: number;
  /** The scope in which they hear each other. */
  readonly datagramScope: DatagramOptions['scope'];
  readonly security: ConnectionSecurity;
  /** The same key id as `security`, another key. */
  readonly otherKey: ConnectionSecurity;
  /** Another key id. */
  readonly otherKeyId: ConnectionSecurity;
  /** How connections are made unless a test says otherwise. Default: `security` on both sides. */
  readonly way?: ConnectionWay;
  /** Lets the world run until the condition holds; rejects when it clearly never will. */
  until(condition: () => boolean): Promise<void>;
  /** Closes both networks. */
  close(): Promise<void>;
}

/** A kind of connection: the options of both sides. */
export interface ConnectionWay {
  readonly listen: Pick<ListenOptions, 'security' | 'acceptsWebSockets'>;
  readonly dial: Pick<DialOptions, 'security' | 'webSocketPath'>;
}

/** The rules for connections of every kind. */
export function describeConnections(name: string, makeHarness: () => Promise<NetworkHarness>): void {
  describe(`connection contract: ${name}`, () => {
    let world: ContractWorld;

    beforeEach(async () => {
      world = new ContractWorld(await makeHarness());
    });

    afterEach(async () => {
      await world.harness.close();
    });

    describeDials(() => world);
    describeProtecting(() => world);
    describeStreams(() => world);
    describeEndings(() => world);
  });
}

export function describeNetwork(name: string, makeHarness: () => Promise<NetworkHarness>): void {
  describe(`network contract: ${name}`, () => {
    let world: ContractWorld;

    beforeEach(async () => {
      world = new ContractWorld(await makeHarness());
    });

    afterEach(async () => {
      await world.harness.close();
    });

    describeDials(() => world);
    describeOpening(() => world);
    describeKeys(() => world);
    describeStreams(() => world);
    describeEndings(() => world);
    describeListeners(() => world);
    describeDatagrams(() => world);
    describeCloseAll(() => world);
  });
}

/** A test's record of one connection: all calls, and whether a handler was called when it must not be. */
export interface Recorded extends ConnectionHandlers {
  readonly chunks: Uint8Array[];
  readonly closures: (Failure | undefined)[];
  drains: number;
  callsAfterClosed: number;
  byteCount: number;
  text(): string;
  bytes(): Buffer;
}

export function record(): Recorded {
  const recorded: Recorded = {
    chunks: [],
    closures: [],
    drains: 0,
    callsAfterClosed: 0,
    byteCount: 0,
    data(bytes) {
      if (recorded.closures.length > 0) recorded.callsAfterClosed += 1;
      recorded.chunks.push(bytes);
      recorded.byteCount += bytes.length;
    },
    drained() {
      if (recorded.closures.length > 0) recorded.callsAfterClosed += 1;
      recorded.drains += 1;
    },
    closed(failure) {
      recorded.closures.push(failure);
    },
    text: () => recorded.bytes().toString(),
    bytes: () => Buffer.concat(recorded.chunks),
  };
  return recorded;
}

/** As many as a test needs, except for the limits that it tests. */
export function connectionLimits(changes: Partial<ConnectionLimits> = {}): ConnectionLimits {
  const all = {
    connectionsMax: 16,
    connectionsPerAddressMax: 16,
    unauthenticatedMax: 16,
  };
  return { ...all, ...changes };
}

/** A harness with shorthands, and a record of what its listeners accepted and refused. */
export class ContractWorld {
  readonly accepted: Connection[] = [];
  readonly refused: Failure[] = [];

  constructor(readonly harness: NetworkHarness) {}

  /** Lets the world run until a promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.harness.until(() => isSettled);
    return promise;
  }

  listen(options: Partial<ListenOptions> = {}): Promise<Listening> {
    const { server, host, security, way } = this.harness;
    return this.settle(
      server.listen({
        host,
        port: 0,
        ...(way?.listen ?? { security }),
        limits: connectionLimits(),
        handshakeTimeoutMs: 5_000,
        accepted: (connection) => this.accepted.push(connection),
        refused: (failure) => this.refused.push(failure),
        ...options,
      }),
    );
  }

  dial(port: number, options: Partial<DialOptions> = {}): Promise<Connection> {
    const { client, host, security, way } = this.harness;
    const signal = new AbortController().signal;
    return this.settle(
      client.dial({ host, port, ...(way?.dial ?? { security }), timeoutMs: 5_000, signal, ...options }),
    );
  }

  /** One connection with both its ends. */
  async connect(options: Partial<ListenOptions> = {}) {
    const listening = await this.listen(options);
    return { listening, ...(await this.connectTo(listening)) };
  }

  async connectTo(listening: Listening) {
    const already = this.accepted.length;
    const near = await this.dial(listening.port);
    await this.harness.until(() => this.accepted.length > already);
    return { near, far: this.accepted.at(-1) as Connection };
  }

  until(condition: () => boolean): Promise<void> {
    return this.harness.until(condition);
  }
}

/** Rejects as a matcher needs it: errors of other realms are recognized by their code. */
export function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'resolved',
    (error: { code?: unknown }) => error.code,
  );
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index + 4 <= length; index += 4) bytes.writeUInt32LE(index, index);
  return bytes;
}

function describeDials(world: () => ContractWorld): void {
  test('dial: matching options on both sides -> both ends are open and name each other', async () => {
    const { near, far, listening } = await world().connect();
    expect(near.remoteAddress).toBe(`${world().harness.host}:${listening.port}`);
    expect(far.remoteAddress).toMatch(/:\d+$/);
    expect(near.remoteHost).toBe(world().harness.host);
    expect(far.remoteAddress.startsWith(`${far.remoteHost}:`)).toBe(true);
    expect(world().refused).toEqual([]);
  });

  test('dial: no listener -> connectionRefused', async () => {
    const listening = await world().listen();
    await world().settle(listening.close());
    expect(await codeOf(world().dial(listening.port))).toBe('connectionRefused');
  });

  test('dial: an invalid port -> connectionRefused', async () => {
    expect(await codeOf(world().dial(70_000))).toBe('connectionRefused');
  });

  test('dial: aborted before it began -> cancelled, and nothing was opened', async () => {
    const listening = await world().listen();
    expect(await codeOf(world().dial(listening.port, { signal: AbortSignal.abort() }))).toBe('cancelled');
    await world().connectTo(listening);
    expect(world().accepted).toHaveLength(1);
  });

  test('dial: aborted while under way -> cancelled, and a connection that opens later is closed', async () => {
    const listening = await world().listen();
    const abort = new AbortController();
    const dialing = codeOf(world().dial(listening.port, { signal: abort.signal }));
    abort.abort();
    expect(await dialing).toBe('cancelled');
    await world().connectTo(listening);
    // The listener may or may not have seen the abandoned connection; if it did, the connection has ended.
    const ends = world().accepted.map((connection) => {
      const recorded = record();
      connection.attach(recorded);
      return recorded;
    });
    await world().until(() => ends.filter((recorded) => recorded.closures.length === 0).length === 1);
  });

  test('dial: aborted after it has opened -> the connection stays', async () => {
    const listening = await world().listen();
    const abort = new AbortController();
    const near = await world().dial(listening.port, { signal: abort.signal });
    abort.abort();
    await world().until(() => world().accepted.length === 1);
    const received = record();
    world().accepted[0]?.attach(received);
    near.write(bytesOf('still here'));
    await world().until(() => received.text() === 'still here');
  });
}

function describeOpening(world: () => ContractWorld): void {
  test('dial: no security on either side -> bytes pass', async () => {
    const security: ConnectionSecurity = { kind: 'none' };
    const listening = await world().listen({ security });
    const near = await world().dial(listening.port, { security });
    await world().until(() => world().accepted.length === 1);
    const received = record();
    world().accepted[0]?.attach(received);
    near.write(bytesOf('hello'));
    await world().until(() => received.text() === 'hello');
  });

  for (const wrong of ['otherKey', 'otherKeyId'] as const) {
    test(`dial: ${wrong} -> wrongClusterKey on both sides, with what to do`, async () => {
      const listening = await world().listen();
      const failed = world().dial(listening.port, { security: world().harness[wrong] });
      await expect(failed).rejects.toMatchObject({
        code: 'wrongClusterKey',
        message: expect.stringMatching(/configure/),
      });
      await world().until(() => world().refused.length === 1);
      expect(world().refused[0]).toMatchObject({
        code: 'wrongClusterKey',
        message: expect.stringMatching(/configure/),
      });
      expect(world().accepted).toEqual([]);
    });
  }

  test('dial: without security to a listener with a key -> the connection ends within the first bytes', async () => {
    const listening = await world().listen();
    const near = await world().dial(listening.port, { security: { kind: 'none' } });
    const recorded = record();
    near.attach(recorded);
    near.write(bytesOf('a frame in the clear'));
    await world().until(() => recorded.closures.length === 1 && world().refused.length === 1);
    expect(world().refused[0]?.code).toBe('frameMalformed');
    expect(world().accepted).toEqual([]);
  });

  test('dial: with a key to a listener without security -> connectionTimeout, and the accepted connection ends', async () => {
    const listening = await world().listen({ security: { kind: 'none' } });
    expect(await codeOf(world().dial(listening.port, { timeoutMs: 100 }))).toBe('connectionTimeout');
    await world().until(() => world().accepted.length === 1);
    const recorded = record();
    world().accepted[0]?.attach(recorded);
    await world().until(() => recorded.closures.length === 1);
  });

  test('dial: with a key to a listener without security, which closes -> connectionLost', async () => {
    const listening = await world().listen({
      security: { kind: 'none' },
      accepted: (connection) => connection.destroy(),
    });
    expect(await codeOf(world().dial(listening.port))).toBe('connectionLost');
  });
}

/** Rings of keys, of which two nodes need to have one in common. */
function describeKeys(world: () => ContractWorld): void {
  const ring = (...securities: readonly ConnectionSecurity[]): ConnectionSecurity => ({
    kind: 'psk',
    keys: securities.flatMap((security) => (security.kind === 'psk' ? security.keys : [])),
  });

  test("ring: the dialer's first key is unknown to the listener -> connects with the next key", async () => {
    const { security, otherKeyId } = world().harness;
    const listening = await world().listen({ security });
    const near = await world().dial(listening.port, { security: ring(otherKeyId, security) });
    await world().until(() => world().accepted.length === 1);
    const protection = { kind: 'psk', keyId: 'cluster-key' };
    expect([near.protection, world().accepted[0]?.protection]).toEqual([protection, protection]);
  });

  test('ring: of the listener -> each of its keys is accepted, and the connection names the key', async () => {
    const { security, otherKeyId } = world().harness;
    const listening = await world().listen({ security: ring(security, otherKeyId) });
    for (const one of [security, otherKeyId]) await world().dial(listening.port, { security: one });
    await world().until(() => world().accepted.length === 2);
    expect(world().accepted.map(({ protection }) => protection)).toEqual([
      { kind: 'psk', keyId: 'cluster-key' },
      { kind: 'psk', keyId: 'another-key' },
    ]);
  });

  test('ring: no key in common -> wrongClusterKey', async () => {
    const { security, otherKey, otherKeyId } = world().harness;
    const listening = await world().listen({ security });
    const dialing = world().dial(listening.port, { security: ring(otherKeyId, otherKey) });
    expect(await codeOf(dialing)).toBe('wrongClusterKey');
  });

  test('ring: aborted between two keys -> cancelled', async () => {
    const { security, otherKeyId } = world().harness;
    const abort = new AbortController();
    const listening = await world().listen({ security, refused: () => abort.abort() });
    const dialing = world().dial(listening.port, { security: ring(otherKeyId, security), signal: abort.signal });
    expect(await codeOf(dialing)).toBe('cancelled');
  });

  test('protect: another key -> applies from now on, at the same port, and accepted connections stay', async () => {
    const { security, otherKeyId } = world().harness;
    const { listening, near, far } = await world().connect({ security });
    listening.protect({ security: otherKeyId });
    expect(await codeOf(world().dial(listening.port, { security }))).toBe('wrongClusterKey');
    await world().dial(listening.port, { security: otherKeyId });
    const received = record();
    far.attach(received);
    near.write(bytesOf('still here'));
    await world().until(() => received.text() === 'still here');
  });

  test('protect: during a handshake -> it is cut off at once, and nothing is reported', async () => {
    const { security, otherKeyId } = world().harness;
    const { listening } = await world().connect({ security });
    const silent = await world().dial(listening.port, { security: { kind: 'none' } });
    const recorded = record();
    silent.attach(recorded);
    await bytesHavePassed(world(), listening);
    listening.protect({ security: otherKeyId });
    await world().until(() => recorded.closures.length === 1);
    // Its deadline would have been reported.
    expect(world().refused).toEqual([]);
  });

  test('protect: the key is proved to the dialer, but not yet to the listener -> it is no longer accepted', async () => {
    const { security, otherKeyId, client, host } = world().harness;
    const listening = await world().listen({ security });
    const { signal } = new AbortController();
    const dialing = client.dial({ host, port: listening.port, security, timeoutMs: 5_000, signal });
    const protecting = dialing.then((connection) => {
      listening.protect({ security: otherKeyId });
      return connection;
    });
    const recorded = record();
    (await world().settle(protecting)).attach(recorded);
    await world().until(() => recorded.closures.length === 1);
    expect([world().accepted, world().refused]).toEqual([[], []]);
  });

  test('protect: security removed -> connections are in the clear, and say so', async () => {
    const { security } = world().harness;
    const listening = await world().listen({ security });
    listening.protect({ security: { kind: 'none' } });
    const near = await world().dial(listening.port, { security: { kind: 'none' } });
    await world().until(() => world().accepted.length === 1);
    expect([near.protection, world().accepted[0]?.protection]).toEqual([{ kind: 'none' }, { kind: 'none' }]);
  });
}

/** A listener of a cluster that changes to this kind and back, as when a member becomes a cloud node. */
function describeProtecting(world: () => ContractWorld): void {
  test('protect: from the cluster key to this kind and back -> the present kind is accepted; accepted connections stay', async () => {
    const { security, way } = world().harness;
    const member = { security, acceptsWebSockets: false } as const;
    const byKey = { security, webSocketPath: undefined } as const;
    const listening = await world().listen(member);
    const opened: Connection[] = [];
    const open = async (how: Partial<DialOptions>): Promise<void> => {
      opened.push(await world().dial(listening.port, how));
      await world().until(() => world().accepted.length === opened.length);
    };
    await open(byKey);
    listening.protect(way?.listen ?? member);
    await open({});
    listening.protect(member);
    await open(byKey);
    const { accepted } = world();
    const kinds = (ends: readonly Connection[]) => ends.map(({ protection }) => protection.kind);
    expect(kinds(opened)).toEqual(['psk', way?.dial.security.kind, 'psk']);
    expect(kinds(accepted)).toEqual(['psk', way?.listen.security.kind, 'psk']);
    for (const [index, near] of opened.entries()) {
      const received = record();
      accepted[index]?.attach(received);
      near.write(bytesOf(`still here: ${index}`));
      await world().until(() => received.text() === `still here: ${index}`);
    }
  });
}

function describeStreams(world: () => ContractWorld): void {
  test('connection: much data both ways at once -> all of it arrives, in order', async () => {
    const { near, far } = await world().connect();
    const bytes = patterned(3 * 1024 * 1024);
    const nearReceived = record();
    const farReceived = record();
    near.attach(nearReceived);
    far.attach(farReceived);
    for (let start = 0; start < bytes.length; start += 100_000) {
      near.write(bytes.subarray(start, start + 100_000));
      far.write(bytes.subarray(start, start + 100_000));
    }
    await world().until(() => nearReceived.byteCount >= bytes.length && farReceived.byteCount >= bytes.length);
    expect(nearReceived.bytes().equals(bytes)).toBe(true);
    expect(farReceived.bytes().equals(bytes)).toBe(true);
  });

  test('connection: bytes that arrive before attach -> are kept', async () => {
    const { near, far, listening } = await world().connect();
    near.write(bytesOf('early '));
    near.write(bytesOf('bird'));
    await bytesHavePassed(world(), listening);
    const received = record();
    far.attach(received);
    await world().until(() => received.text() === 'early bird');
  });

  test('connection: written and ended before the other side attaches -> bytes, then the end', async () => {
    const { near, far, listening } = await world().connect();
    const sent = record();
    near.attach(sent);
    near.write(bytesOf('last words'));
    near.end();
    await bytesHavePassed(world(), listening);
    const received = record();
    far.attach(received);
    await world().until(() => received.closures.length === 1 && sent.closures.length === 1);
    expect(received.text()).toBe('last words');
    expect(received.closures).toStrictEqual([undefined]);
  });

  test('write: the other side does not read -> false in the end; when it reads, drained once and nothing is queued', async () => {
    const { near, far } = await world().connect();
    const sent = record();
    near.attach(sent);
    const chunk = patterned(64 * 1024);
    let written = 0;
    let mayGoOn = true;
    // However much the network takes in between, it is finite.
    while (mayGoOn && written < 64 * 1024 * 1024) {
      mayGoOn = near.write(chunk);
      written += chunk.length;
    }
    expect(mayGoOn).toBe(false);
    expect(near.queuedBytes).toBeGreaterThan(0);
    expect(near.write(chunk)).toBe(false);
    written += chunk.length;

    const received = record();
    far.attach(received);
    await world().until(() => sent.drains > 0);
    expect(near.queuedBytes).toBe(0);
    await world().until(() => received.byteCount === written);
    expect(sent.drains).toBe(1);
    expect(near.write(chunk)).toBe(true);
  });

  test('pause: nothing more is read, and the other side waits; resume -> everything arrives, in order, and once', async () => {
    const { near, far, listening } = await world().connect();
    const received = record();
    const sent = record();
    near.attach(sent);
    far.attach(received);
    near.write(bytesOf('first'));
    await world().until(() => received.text() === 'first');
    far.pause();
    const bytes = patterned(32 * 1024 * 1024);
    for (let start = 0; start < bytes.length; start += 65_536) near.write(bytes.subarray(start, start + 65_536));
    await bytesHavePassed(world(), listening);
    // Data that was read before may still come: a piece of what the network carries at once.
    expect(received.byteCount).toBeLessThan(256 * 1024);
    expect(near.queuedBytes).toBeGreaterThan(0);
    far.resume();
    await world().until(() => received.byteCount === 'first'.length + bytes.length);
    expect(received.bytes().subarray(5).equals(bytes)).toBe(true);
    expect(sent.drains).toBe(1);
  });

  test('pause: the other side ends meanwhile -> its data, then the end, after resume', async () => {
    const { near, far, listening } = await world().connect();
    const received = record();
    near.attach(record());
    far.attach(received);
    near.write(bytesOf('a'));
    await world().until(() => received.text() === 'a');
    far.pause();
    near.write(bytesOf('b'));
    near.end();
    await bytesHavePassed(world(), listening);
    far.resume();
    await world().until(() => received.closures.length === 1);
    expect(received.text()).toBe('ab');
    far.pause();
    far.resume();
    expect(received.callsAfterClosed).toBe(0);
  });

  test('write: a short queue -> true, and drained is not called', async () => {
    const { near, far } = await world().connect();
    const sent = record();
    const received = record();
    near.attach(sent);
    far.attach(received);
    expect(near.write(patterned(100_000))).toBe(true);
    await world().until(() => received.byteCount === 100_000 && near.queuedBytes === 0);
    near.end();
    await world().until(() => sent.closures.length === 1);
    expect(sent.drains).toBe(0);
  });

  test('handlers: attach, write, end and destroy -> none is called before they return', async () => {
    const { near, far, listening } = await world().connect();
    far.write(bytesOf('waiting'));
    await bytesHavePassed(world(), listening);
    let isInside = false;
    const calls: string[] = [];
    const note = (call: string) => {
      calls.push(isInside ? `${call} inside` : call);
    };
    const inside = (action: () => void) => {
      isInside = true;
      action();
      isInside = false;
    };
    inside(() => near.attach({ data: () => note('data'), drained: () => {}, closed: () => note('closed') }));
    await world().until(() => calls.includes('data'));
    inside(() => near.write(bytesOf('more')));
    inside(() => near.end());
    inside(() => near.destroy());
    await world().until(() => calls.length >= 2);
    expect(calls).toEqual(['data', 'closed']);
  });
}

/** A round trip over another connection: after it, earlier data has arrived. */
async function bytesHavePassed(world: ContractWorld, listening: Listening): Promise<void> {
  const { near, far } = await world.connectTo(listening);
  const received = record();
  far.attach(received);
  near.write(bytesOf('passed'));
  await world.until(() => received.text() === 'passed');
}

function describeEndings(world: () => ContractWorld): void {
  test('end: much is queued -> all of it arrives, then both sides close in good order, once', async () => {
    const { near, far, listening } = await world().connect();
    const sent = record();
    const received = record();
    near.attach(sent);
    far.attach(received);
    const bytes = patterned(2 * 1024 * 1024);
    near.write(bytes);
    near.end();
    near.end();
    await world().until(() => sent.closures.length > 0 && received.closures.length > 0);
    await bytesHavePassed(world(), listening);
    expect(received.bytes().equals(bytes)).toBe(true);
    expect([sent.closures, received.closures]).toStrictEqual([[undefined], [undefined]]);
    expect([sent.callsAfterClosed, received.callsAfterClosed]).toEqual([0, 0]);
  });

  test('end: the other side never reads -> still closes', async () => {
    const { near } = await world().connect();
    const sent = record();
    near.attach(sent);
    const chunk = patterned(64 * 1024);
    for (let count = 0; count < 1_000 && near.write(chunk); count += 1);
    near.end();
    await world().until(() => sent.closures.length === 1);
  });

  test('destroy: with data in flight -> both sides hear of the end once, and of nothing after it', async () => {
    const { near, far, listening } = await world().connect();
    const nearRecorded = record();
    const farRecorded = record();
    near.attach(nearRecorded);
    far.attach(farRecorded);
    far.write(patterned(1024 * 1024));
    await world().until(() => nearRecorded.chunks.length > 0);
    near.destroy();
    near.destroy();
    const seen = nearRecorded.chunks.length;
    await world().until(() => nearRecorded.closures.length > 0 && farRecorded.closures.length > 0);
    near.destroy();
    await bytesHavePassed(world(), listening);
    expect(nearRecorded.chunks.length).toBe(seen);
    expect(nearRecorded.closures).toStrictEqual([undefined]);
    expect(farRecorded.closures).toHaveLength(1);
    expect([nearRecorded.callsAfterClosed, farRecorded.callsAfterClosed]).toEqual([0, 0]);
  });

  test('destroy: from inside data, with more waiting -> no more data is handed over', async () => {
    const { near, far, listening } = await world().connect();
    near.write(bytesOf('one'));
    await bytesHavePassed(world(), listening);
    near.write(bytesOf('two'));
    await bytesHavePassed(world(), listening);
    const received = record();
    far.attach({
      ...received,
      data: (bytes) => {
        received.data(bytes);
        far.destroy();
      },
    });
    await world().until(() => received.closures.length === 1);
    // If the network keeps no boundaries between writes, both may come as one.
    expect(received.chunks).toHaveLength(1);
  });

  test('closed connection: write, end and destroy -> false and no effect', async () => {
    const { near, far, listening } = await world().connect();
    const recorded = record();
    near.attach(recorded);
    far.destroy();
    await world().until(() => recorded.closures.length === 1);
    expect(near.write(bytesOf('into the void'))).toBe(false);
    near.end();
    near.destroy();
    await bytesHavePassed(world(), listening);
    expect(recorded.closures).toHaveLength(1);
  });

  test('attach: the connection has already ended -> closed is still called, later, once', async () => {
    const { near, far, listening } = await world().connect();
    near.destroy();
    const other = record();
    far.attach(other);
    await world().until(() => other.closures.length === 1);
    await bytesHavePassed(world(), listening);
    const late = record();
    near.attach(late);
    expect(late.closures).toStrictEqual([]);
    await world().until(() => late.closures.length === 1);
    await bytesHavePassed(world(), listening);
    expect(late.closures).toStrictEqual([undefined]);
  });
}

function describeListeners(world: () => ContractWorld): void {
  test('listen: port 0 -> a port that can be dialed; a taken port -> portInUse with its number', async () => {
    const listening = await world().listen();
    expect(listening.port).toBeGreaterThan(0);
    expect(listening.host).toBe(world().harness.host);
    await expect(world().listen({ port: listening.port })).rejects.toMatchObject({
      code: 'portInUse',
      message: expect.stringContaining(`${listening.host}:${listening.port}`),
    });
  });

  for (const [what, options, named] of [
    ['a port that is none', { port: 70_000 }, ':70000'],
    // Of a network reserved for documentation (RFC 5737), so no machine has it.
    ['an address of another machine', { host: '192.0.2.1' }, '192.0.2.1'],
  ] as const) {
    test(`listen: ${what} -> addressUnavailable with the address`, async () => {
      await expect(world().listen(options)).rejects.toMatchObject({
        code: 'addressUnavailable',
        message: expect.stringContaining(named),
      });
    });
  }

  test('listening close: accepted connections -> stay open; the port is free at once', async () => {
    const { near, far, listening } = await world().connect();
    await world().settle(listening.close());
    await world().settle(listening.close());
    const again = await world().listen({ port: listening.port });
    const received = record();
    far.attach(received);
    near.write(bytesOf('still up'));
    await world().until(() => received.text() === 'still up');
    expect(received.closures).toStrictEqual([]);
    await world().connectTo(again);
  });

  /** A client that opens a connection and then stays silent, as one without security does. */
  async function silentClient(listening: Listening): Promise<Recorded> {
    const near = await world().dial(listening.port, { security: { kind: 'none' } });
    const recorded = record();
    near.attach(recorded);
    return recorded;
  }

  test('listen: a silent client -> handshakeTimeout, and it is closed', async () => {
    const listening = await world().listen({ handshakeTimeoutMs: 50 });
    const client = await silentClient(listening);
    await world().until(() => client.closures.length === 1 && world().refused.length === 1);
    expect(world().refused[0]?.code).toBe('handshakeTimeout');
    expect(world().accepted).toEqual([]);
  });

  test('listen: a client that hangs up in the handshake -> connectionLost, once', async () => {
    const listening = await world().listen();
    const near = await world().dial(listening.port, { security: { kind: 'none' } });
    near.destroy();
    await world().until(() => world().refused.length === 1);
    await bytesHavePassed(world(), listening);
    expect(world().refused.map(({ code }) => code)).toEqual(['connectionLost']);
  });

  test('listen: more handshakes than unauthenticatedMax -> the first gives way, and a newcomer gets in', async () => {
    const listening = await world().listen({ limits: connectionLimits({ unauthenticatedMax: 2 }) });
    const first = await silentClient(listening);
    const second = await silentClient(listening);
    const third = await silentClient(listening);
    await world().until(() => first.closures.length === 1 && world().refused.length === 1);
    expect(world().refused[0]?.code).toBe('connectionLimit');
    expect([...second.closures, ...third.closures]).toEqual([]);
    await world().connectTo(listening);
    expect(world().accepted).toHaveLength(1);
  });

  test('listen: accepted but never admitted -> gives way, and its owner gets the reason; an admitted one stays', async () => {
    const { far, listening } = await world().connect({ limits: connectionLimits({ unauthenticatedMax: 1 }) });
    far.admitted();
    const [stays, yields] = [record(), record()];
    far.attach(stays);
    (await world().connectTo(listening)).far.attach(yields);
    await world().connectTo(listening);
    await world().until(() => yields.closures.length === 1);
    expect(yields.closures).toEqual([expect.objectContaining({ code: 'connectionLimit' })]);
    expect([stays.closures, world().refused]).toEqual([[], []]);
  });

  test('listen: more connections from one address than allowed -> the last is refused', async () => {
    const { near, far, listening } = await world().connect({
      limits: connectionLimits({ connectionsPerAddressMax: 1 }),
    });
    far.admitted();
    expect(await codeOf(world().dial(listening.port))).not.toBe('resolved');
    await world().until(() => world().refused.length === 1);
    expect(world().refused.map(({ code }) => code)).toEqual(['connectionLimit']);
    near.destroy();
  });

  test('listen: several arrive while one place is left, and all are admitted -> the last is closed with the reason', async () => {
    const { far, listening } = await world().connect({ limits: connectionLimits({ connectionsMax: 1 }) });
    const { far: late } = await world().connectTo(listening);
    const told = record();
    late.attach(told);
    far.admitted();
    late.admitted();
    await world().until(() => told.closures.length === 1);
    expect(told.closures).toEqual([expect.objectContaining({ code: 'connectionLimit' })]);
  });

  test('listening close: during a handshake -> the client is closed, and nothing is reported', async () => {
    const { near, far, listening } = await world().connect();
    const client = await silentClient(listening);
    await bytesHavePassed(world(), listening);
    await world().settle(listening.close());
    await world().until(() => client.closures.length === 1);
    const received = record();
    far.attach(received);
    near.write(bytesOf('still up'));
    await world().until(() => received.text() === 'still up');
    expect(world().refused).toEqual([]);
  });

  test('listen: more connections than connectionsMax -> the last is refused; when one ends, the next is accepted', async () => {
    const { near, far, listening } = await world().connect({ limits: connectionLimits({ connectionsMax: 2 }) });
    const second = await world().connectTo(listening);
    far.admitted();
    second.far.admitted();
    const third = codeOf(world().dial(listening.port));
    await world().until(() => world().refused.length === 1);
    expect(world().refused[0]?.code).toBe('connectionLimit');
    expect(await third).not.toBe('resolved');
    expect(world().accepted).toHaveLength(2);

    const received = record();
    second.far.attach(received);
    second.near.write(bytesOf('unharmed'));
    await world().until(() => received.text() === 'unharmed');

    const ended = record();
    world().accepted[0]?.attach(ended);
    near.destroy();
    await world().until(() => ended.closures.length === 1);
    await world().connectTo(listening);
  });
}

function describeDatagrams(world: () => ContractWorld): void {
  /** Opens datagrams and records what they hear. */
  async function open(network: Network) {
    const heard: string[] = [];
    const senders = new Set<string>();
    const failures: Failure[] = [];
    const datagrams: Datagrams = await world().settle(
      network.openDatagrams({
        port: world().harness.datagramPort,
        scope: world().harness.datagramScope,
        received: (bytes, senderHost) => {
          heard.push(Buffer.from(bytes).toString());
          senders.add(senderHost);
        },
        failed: (failure) => failures.push(failure),
      }),
    );
    return { datagrams, heard, senders, failures };
  }

  test('datagrams: several share the port -> each hears every broadcast, including the sender', async () => {
    const { server, client } = world().harness;
    const all = [await open(server), await open(client), await open(client)];
    for (const [index, { datagrams }] of all.entries()) datagrams.broadcast(bytesOf(`from ${index}`));
    await world().until(() => all.every(({ heard }) => heard.length === 3));
    for (const { heard, failures } of all) {
      expect([...heard].sort()).toEqual(['from 0', 'from 1', 'from 2']);
      expect(failures).toEqual([]);
    }
  });

  test("datagrams: the sender's host -> can be dialed", async () => {
    const { server, client } = world().harness;
    const speaker = await open(server);
    const hearer = await open(client);
    const listening = await world().listen();
    speaker.datagrams.broadcast(bytesOf(String(listening.port)));
    await world().until(() => hearer.heard.length === 1);
    const [host] = [...hearer.senders];
    await world().dial(Number(hearer.heard[0]), { host: host as string });
  });

  test('datagrams: larger than the maximum -> failed, once for all of them; later ones are heard', async () => {
    const speaker = await open(world().harness.server);
    const tooLarge = new Uint8Array(70_000);
    speaker.datagrams.broadcast(tooLarge);
    speaker.datagrams.broadcast(tooLarge);
    await world().until(() => speaker.failures.length > 0);
    speaker.datagrams.broadcast(tooLarge);
    speaker.datagrams.broadcast(bytesOf('fits'));
    await world().until(() => speaker.heard.length === 1);
    expect(speaker.heard).toEqual(['fits']);
    expect(speaker.failures).toEqual([{ code: 'addressUnavailable', message: expect.stringMatching(/EMSGSIZE/) }]);
  });

  test('datagrams: closed while a datagram is in flight -> does not hear it', async () => {
    const { server, client } = world().harness;
    const [speaker, gone] = [await open(server), await open(client)];
    speaker.datagrams.broadcast(bytesOf('too late'));
    gone.datagrams.close();
    await world().until(() => speaker.heard.length === 1);
    speaker.datagrams.broadcast(bytesOf('the end'));
    await world().until(() => speaker.heard.length === 2);
    expect(gone.heard).toEqual([]);
  });

  test('datagrams: closed -> neither hear nor send, and report nothing', async () => {
    const { server, client } = world().harness;
    const gone = await open(server);
    const present = await open(client);
    gone.datagrams.close();
    gone.datagrams.close();
    gone.datagrams.broadcast(bytesOf('ghost'));
    present.datagrams.broadcast(bytesOf('real'));
    await world().until(() => present.heard.length === 1);
    expect(present.heard).toEqual(['real']);
    expect(gone.heard).toEqual([]);
    expect([...gone.failures, ...present.failures]).toEqual([]);
  });
}

function describeCloseAll(world: () => ContractWorld): void {
  test('closeAll: datagrams and a listener in a handshake -> neither hears anything any more, and the client is closed', async () => {
    const { server, client, datagramPort: port, datagramScope: scope } = world().harness;
    const heard: string[] = [];
    const open = (name: string, network: Network) =>
      world().settle(network.openDatagrams({ port, scope, received: () => heard.push(name), failed: () => {} }));
    const closed = await open('closed', server);
    const present = await open('present', client);
    const listening = await world().listen();
    const near = await world().dial(listening.port, { security: { kind: 'none' } });
    const recorded = record();
    near.attach(recorded);
    await world().settle(server.closeAll());
    present.broadcast(bytesOf('anybody?'));
    closed.broadcast(bytesOf('I am'));
    await world().until(() => heard.length > 0 && recorded.closures.length === 1);
    expect(heard).toEqual(['present']);
    expect(await codeOf(world().dial(listening.port))).toBe('connectionRefused');
    expect([world().accepted, world().refused.length]).toEqual([[], 0]);
  });

  test('closeAll: connections, listeners and dials -> all end, and nothing opens any more', async () => {
    const { server, client, host, security } = world().harness;
    const { near, far, listening } = await world().connect();
    const nearRecorded = record();
    const farRecorded = record();
    near.attach(nearRecorded);
    far.attach(farRecorded);
    const { signal } = new AbortController();
    const dialing = codeOf(client.dial({ host, port: listening.port, security, timeoutMs: 5_000, signal }));
    await world().settle(client.closeAll());
    expect(await world().settle(dialing)).toBe('cancelled');
    expect(nearRecorded.closures).toStrictEqual([undefined]);
    await world().until(() => farRecorded.closures.length === 1);
    expect(await codeOf(world().dial(listening.port))).toBe('notRunning');

    await world().settle(server.closeAll());
    expect(await codeOf(world().listen())).toBe('notRunning');
    const { datagramPort: port, datagramScope: scope } = world().harness;
    const opened = server.openDatagrams({ port, scope, received: () => {}, failed: () => {} });
    expect(await codeOf(opened)).toBe('notRunning');
    await world().settle(server.closeAll());
  });
}
