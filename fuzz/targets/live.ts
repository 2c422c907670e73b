/** Running nodes, over real sockets: strangers and members on the network, and local programs. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { startAuthority } from '../../demo/authority.js';
import { makeCertificates } from '../../demo/certificates.js';
import { createNetwork } from '../../src/adapters/network.js';
import { systemTime } from '../../src/adapters/time.js';
import { controlSocketPath } from '../../src/control/protocol.js';
import type { NodeId } from '../../src/core/ids.js';
import { deriveClusterKeys } from '../../src/core/keys.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { type ConfigurationInput, createNode, type NodeExtras, type StatemeshNode } from '../../src/index.js';
import { Feed } from '../../src/inspector/feed.js';
import { History } from '../../src/inspector/history.js';
import { serveInspector } from '../../src/inspector/inspector-server.js';
import type { Connection } from '../../src/ports/ports.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import { isConnected, portOf, sessionsOf, until } from '../../test/integration/cluster-fixture.js';
import { hostileFrames } from '../frames.js';
import {
  anyBoot,
  anyBytes,
  anyJson,
  anyNodeId,
  damaged,
  inPieces,
  orTreacherous,
  pieceSizes,
  spoilt,
  treacherousNames,
} from '../material.js';
import { must, type Opened, type Target } from '../target.js';

const clusterKey = 'the key of the fuzzed cluster';
const clusterSalt = 'fuzz-salt';

/** Some nodes in a temporary directory, without discovery: connections are configured. */
class Nodes {
  readonly directory = mkdtempSync(join(tmpdir(), 'statemesh-fuzz-'));
  readonly #nodes: StatemeshNode[] = [];

  async start(
    nodeId: string,
    options: Partial<ConfigurationInput> = {},
    inspect?: NodeExtras['inspect'],
  ): Promise<StatemeshNode> {
    const settings = { nodeId, dataDir: join(this.directory, nodeId), discovery: false, logLevel: 'silent' as const };
    const keys = options.role === 'cloud' ? {} : { clusterKey, clusterSalt };
    const node = createNode({ ...settings, ...keys, ...options }, { inspect });
    this.#nodes.push(node);
    await node.start();
    return node;
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What must hold for a node after each attack. */
async function checkUnharmed(node: StatemeshNode, friend?: StatemeshNode): Promise<void> {
  must(node.state === 'running', 'the node runs');
  await until('the sessions of strangers are over', () => sessionsOf(node) <= (friend === undefined ? 0 : 1));
  must((await node.collection('things').get('k')) === 'untouched', 'documents of others stay as they are');
  if (friend === undefined) return;
  const friendId = friend.actor.getSnapshot().context.configured?.configuration.nodeId as string;
  must(isConnected(node, friendId), 'other peers are undisturbed');
}

/** The visitor's identity, which may be a name that means something to JavaScript. */
const visitors = fc.record({
  nodeId: fc.oneof(anyNodeId, fc.constant('mallory' as NodeId)).filter((name) => !['a', 'b', 'cloud'].includes(name)),
  boot: anyBoot,
});

type Visitor = typeof visitors extends fc.Arbitrary<infer T> ? T : never;

const helloWith = (token: Secret | undefined, { nodeId, boot }: Visitor): Frame => ({
  type: 'frame.handshakeRequest',
  version: protocolVersion,
  identity: { nodeId, boot, port: 0 },
  token,
});
const clock: Frame = { type: 'frame.vectorClock', clock: new Map(), received: 0 };

/** How far a member follows the protocol before it attacks. */
const stages = ['connected', 'greeted', 'compared', 'synchronized'] as const;

const members: Target = {
  name: 'members',
  promise: 'a member of the cluster that sends anything, in any state of its session, does no harm',
  runs: 60,
  async open(): Promise<Opened> {
    const nodes = new Nodes();
    const network = createNetwork();
    const node = await nodes.start('a');
    const friend = await nodes.start('b', { knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(node)}` }] });
    await node.collection('things').put('k', 'untouched');
    await until('the friend is connected', () => isConnected(node, 'b'));
    const { security } = await deriveClusterKeys({ passphrase: clusterKey, salt: clusterSalt });
    const dial = (): Promise<Connection> =>
      network.dial({
        host: '127.0.0.1',
        port: portOf(node),
        security,
        timeoutMs: 5_000,
        signal: new AbortController().signal,
      });
    return {
      async close() {
        await network.closeAll();
        await nodes.close();
      },
      property: attacks(dial, undefined, () => checkUnharmed(node, friend)),
    };
  },
};

/** Any bytes, from a visitor that has followed the protocol up to this stage. */
function attacks(dial: () => Promise<Connection>, token: Secret | undefined, check: () => Promise<void>) {
  const stage = fc.constantFrom(...stages);
  return fc.asyncProperty(stage, visitors, hostileFrames, pieceSizes, async (end, visitor, bytes, sizes) => {
    const connection = await dial();
    await advance(connection, helloWith(token, visitor), end);
    for (const piece of inPieces(bytes, sizes)) connection.write(piece);
    connection.end();
    await check();
  });
}

async function advance(connection: Connection, hello: Frame, stage: (typeof stages)[number]): Promise<void> {
  const heard: Frame['type'][] = [];
  let isOver = false;
  const decoder = new FrameDecoder(limits.frameBytesMax);
  connection.attach({
    data: (bytes) => void heard.push(...[...decoder.push(bytes)].map(({ type }) => type)),
    drained: () => {},
    closed: () => {
      isOver = true;
    },
  });
  const steps: readonly (readonly [Frame, Frame['type']])[] = [
    [hello, 'frame.handshakeResponse'],
    [clock, 'frame.vectorClock'],
    [{ type: 'frame.batch', sequence: 1, runs: [] }, 'frame.acknowledgement'],
  ];
  for (const [frame, answer] of steps.slice(0, stages.indexOf(stage))) {
    connection.write(encodeFrame(frame));
    await until(`there is a ${answer}`, () => isOver || heard.includes(answer));
    must(heard.includes(answer), `a visitor that follows the protocol receives a ${answer}`);
  }
}

const guests: Target = {
  name: 'guests',
  promise: 'a node that a cloud node has admitted by its token does no harm there, whatever it sends in any state',
  runs: 60,
  async open(): Promise<Opened> {
    const nodes = new Nodes();
    const network = createNetwork();
    const [scope, audience] = ['entgldb:sync', 'urn:statemesh:fuzz'];
    const client = { id: 'fuzz', secret: randomBytes(24).toString('base64url') };
    const authority = await startAuthority({ clients: [client], scope, audience, lifetimeSeconds: 86_400 });
    const { node, certificates } = await startCloud(nodes, { authority: authority.url, audience, scope });
    const answer = await fetch(`${authority.url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const security = { kind: 'verified', ca: certificates.ca } as const;
    const where = { host: '127.0.0.1', port: portOf(node), security, timeoutMs: 5_000 };
    return {
      async close() {
        await network.closeAll();
        await nodes.close();
        await authority.close();
      },
      property: attacks(
        () => network.dial({ ...where, signal: new AbortController().signal }),
        new Secret(token),
        () => checkUnharmed(node),
      ),
    };
  },
};

/** A cloud node with a self-made certificate. */
async function startCloud(nodes: Nodes, options: { authority: string; audience: string; scope?: string }) {
  const certificates = await makeCertificates();
  const pathOf = (name: string): string => join(nodes.directory, `${name}.pem`);
  for (const [name, text] of Object.entries(certificates)) writeFileSync(pathOf(name), text, { mode: 0o600 });
  const node = await nodes.start('cloud', {
    role: 'cloud',
    tlsCert: pathOf('certificate'),
    tlsKey: pathOf('key'),
    ca: pathOf('ca'),
    ...options,
  });
  await node.collection('things').put('k', 'untouched');
  return { node, certificates };
}

/** Writes bytes in pieces to a socket, and waits for its end; the other side may end it earlier. */
function pour(socket: Socket, bytes: Uint8Array, sizes: readonly number[]): Promise<void> {
  socket.on('error', () => {});
  socket.resume();
  for (const piece of inPieces(bytes, sizes)) socket.write(piece);
  socket.end();
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

const greetings = [
  'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'GET / HTTP/1.1\r\n\r\n',
  // The start of a TLS 1.3 hello.
  '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03',
].map((text) => Buffer.from(text, 'latin1'));
const openings = fc.oneof(
  hostileFrames,
  anyBytes,
  damaged(fc.constantFrom<Uint8Array>(...greetings)),
  fc.tuple(fc.constantFrom<Uint8Array>(...greetings), anyBytes).map((parts) => new Uint8Array(Buffer.concat(parts))),
);

const strangers: Target = {
  name: 'strangers',
  promise: 'without the key, a connection reaches nothing behind the port of a member',
  runs: 60,
  async open() {
    const nodes = new Nodes();
    const node = await nodes.start('a');
    await node.collection('things').put('k', 'untouched');
    return {
      close: () => nodes.close(),
      property: fc.asyncProperty(openings, pieceSizes, async (bytes, sizes) => {
        await pour(connect(portOf(node), '127.0.0.1'), bytes, sizes);
        await checkUnharmed(node);
      }),
    };
  },
};

const cloud: Target = {
  name: 'cloud',
  promise: 'without a token, a connection reaches nothing on a cloud node, by frames or by WebSocket',
  runs: 60,
  async open() {
    const nodes = new Nodes();
    // No authority runs: a claimed token cannot be checked.
    const { node, certificates } = await startCloud(nodes, { authority: 'https://127.0.0.1:9', audience: 'fuzz' });
    return {
      close: () => nodes.close(),
      property: fc.asyncProperty(openings, pieceSizes, fc.boolean(), async (bytes, sizes, isEncrypted) => {
        const where = { host: '127.0.0.1', port: portOf(node) };
        await pour(isEncrypted ? connectTls({ ...where, ca: certificates.ca }) : connect(where), bytes, sizes);
        await checkUnharmed(node);
      }),
    };
  },
};

const control: Target = {
  name: 'control',
  promise: 'every request to the control socket is answered, or refused as a mistake of its caller',
  runs: 200,
  async open() {
    const nodes = new Nodes();
    const node = await nodes.start('a', { control: true });
    await node.collection('things').put('k', 'untouched');
    const socketPath = controlSocketPath(join(nodes.directory, 'a'));
    // Commands that end the node, write files or change what other runs rely on have tests of their own.
    const commands = ['status', 'peers', 'put', 'get', 'delete', 'find', 'count', 'export', 'import', 'digest'];
    const peerCommands = ['addStaticPeer', 'addCloudPeer', 'remotePeers', 'enablePeer', 'disablePeer', 'removePeer'];
    const name = fc.oneof(
      { arbitrary: fc.constantFrom(...commands, ...peerCommands), weight: 6 },
      { arbitrary: orTreacherous(fc.string({ maxLength: 12 })), weight: 1 },
    );
    const example = {
      collection: 'fuzz',
      key: 'k',
      document: { a: 1 },
      where: { a: { $gt: 0 } },
      nodeId: 'x',
      address: 'h:1',
    };
    const part = fc.oneof(
      anyJson('collection', 'key', 'document', 'where', 'oAuth2', 'authority', 'clientId'),
      fc.constantFrom(...treacherousNames),
    );
    const some = fc.subarray(Object.entries(example)).map((fields) => Object.fromEntries(fields));
    const body = fc.oneof(spoilt(example, part), some).map((value) => JSON.stringify(value) ?? '');
    const type = fc.constantFrom('application/json', 'application/x-ndjson', 'text/plain', '');
    return {
      close: () => nodes.close(),
      property: fc.asyncProperty(name, body, type, async (command, text, contentType) => {
        // Only requests to other collections, with commands of the list or unknown ones.
        if (text.includes('"things"') || ['changes', 'stop', 'backup', 'reconfigure'].includes(command)) return;
        const status = await post(socketPath, `/v1/${encodeURIComponent(command)}`, text, contentType);
        must([200, 400, 404, 413, 415].includes(status), `an answer is no ${status}`);
        await checkUnharmed(node);
      }),
    };
  },
};

function post(socketPath: string, path: string, body: string, contentType: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = contentType === '' ? {} : { 'content-type': contentType };
    const asked = request({ socketPath, path, method: 'POST', agent: false, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

const inspectors: Target = {
  name: 'inspectors',
  promise: 'without the token, the inspector shows nothing, and nothing that is sent to it harms the node',
  runs: 100,
  async open() {
    const nodes = new Nodes();
    const history = new History();
    const feed = new Feed({ node: 'a', origin: 'a', now: Date.now, sink: (record) => history.add(record) });
    // The page itself is irrelevant.
    const assets = new Map([['/index.html', { type: 'text/html', body: Buffer.from('page') }]]);
    const time = systemTime();
    const server = await serveInspector({ history, assets, time, port: 0, token: clusterKey, title: 'fuzz' });
    const node = await nodes.start('a', {}, feed.inspect);
    await node.collection('things').put('k', 'untouched');
    const { port } = server;
    const upgrade = `GET /records?token=x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    const page = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
    const headed = fc
      .tuple(fc.constantFrom(upgrade, page), fc.constantFrom(...treacherousNames))
      .map(([text, name]) => new Uint8Array(Buffer.from(text.replace('\r\n\r\n', `\r\n${name}: ${name}\r\n\r\n`))));
    const request = fc.oneof(headed, damaged(headed));
    return {
      async close() {
        await server.close();
        await nodes.close();
      },
      property: fc.asyncProperty(fc.oneof(request, openings), pieceSizes, async (bytes, sizes) => {
        const socket = connect(port, '127.0.0.1');
        let said = '';
        socket.on('data', (text) => {
          said += text.toString('latin1');
        });
        await pour(socket, bytes, sizes);
        must(!said.startsWith('HTTP/1.1 101'), 'a connection without the token was admitted');
        must(!said.includes('@xstate'), 'nothing is shown');
        await checkUnharmed(node);
      }),
    };
  },
};

export const liveTargets: readonly Target[] = [members, guests, strangers, cloud, control, inspectors];
