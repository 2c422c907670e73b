/**
 * The reception of a cloud node, and its sessions with guests whose connections lead nowhere: the whole cost of a guest
 * without the operating system, TLS and the signature of its token.
 */
import { join } from 'node:path';
import { createActor, fromCallback, fromPromise } from 'xstate';
import type { Mailbox, Notice } from '../../src/actors/mailboxes.js';
import { parseConfiguration } from '../../src/configuration/parse.js';
import { type Boot, type NodeId, parseNodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { composeReception, createServices } from '../../src/node/compose.js';
import { systemPorts } from '../../src/node/node-options.js';
import type { Connection, ConnectionHandlers } from '../../src/ports/ports.js';
import { openSqliteStore } from '../../src/store/sqlite-store.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { type Frame, protocolVersion } from '../../src/wire/messages.js';
import { serve } from './serve.js';

const lifetimeMs = 3_600_000;
const token = new Secret('verified-already');
const ports = systemPorts();

let house: House | undefined;

const handlers = {
  async open(directory: string, guestsMax: number) {
    Object.assign(limits, { guestsMax });
    house = await openHouse(directory);
  },

  /** Admits this many more guests. */
  arrive: (count: number) => there().arrive(count),

  /**
   * Disconnects the `count` oldest guests, and admits as many new ones.
   *
   * @returns The time in ms of processor time
   */
  async turnOver(count: number) {
    const before = process.cpuUsage();
    await there().leave(count);
    await there().arrive(count);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  },
};

export type ReceptionHandlers = typeof handlers;

serve(handlers, async () => house?.close());

type House = Awaited<ReturnType<typeof openHouse>>;

function there(): House {
  if (house === undefined) throw new Error('There is no reception yet.');
  return house;
}

async function openHouse(directory: string) {
  const path = join(directory, 'cloud.db');
  const store = await openSqliteStore({ path, nodeId: 'cloud' as NodeId, ...ports });
  const { configuration } = parseConfiguration({
    nodeId: 'cloud',
    role: 'cloud',
    authority: 'http://127.0.0.1:1',
    audience: 'bench',
    plaintextCloud: true,
  });
  const services = createServices(ports, {
    provider: {
      getConfiguration: () => Promise.reject(new Error('Not used here.')),
      onConfigurationChanged: () => () => {},
    },
    commands: () => ({}),
    status: () => Promise.reject(new Error('Not used here.')),
  });
  const verifyToken = fromPromise(async () => ({
    subject: 'site',
    expiresAtMs: Date.now() + lifetimeMs,
    lifetimeMs,
  })) as unknown as typeof services.verifyToken;
  let present = 0;
  const parent = createActor(
    fromCallback<Notice>(({ receive }) =>
      receive(({ nodeEvent }) => {
        if (nodeEvent.type === 'peer.connected') present += 1;
        else if (nodeEvent.type === 'peer.disconnected') present -= 1;
        else throw new Error(`The reception tells: ${JSON.stringify(nodeEvent)}`);
      }),
    ),
  ).start();
  const actor = createActor(composeReception({ ...services, verifyToken }), {
    clock: ports.time,
    input: {
      parent: parent as unknown as Mailbox<Notice>,
      identity: { nodeId: parseNodeId('cloud'), boot: 'boot-cloud' as Boot, port: 1 },
      // Only the first heartbeat comes: later ones would count in the cost of a new guest, and guests do not answer
      // them.
      configuration: { ...configuration, heartbeatIntervalMs: 24 * 3_600_000 },
      store,
      ca: undefined,
      random: Math.random,
    },
  }).start();
  const guests: Guest[] = [];
  let count = 0;
  /** Waits until the sessions have done their work of the next turns, and no guest is in between. */
  const settle = async (expected: number): Promise<void> => {
    while (present !== expected) await ports.time.turn();
    for (let turn = 0; turn < 4; turn += 1) await ports.time.turn();
  };
  return {
    async arrive(newcomers: number) {
      const expected = present + newcomers;
      for (let left = newcomers; left > 0; left -= 1) {
        count += 1;
        const guest = new Guest(count);
        guests.push(guest);
        actor.send({ type: 'connection.accepted', connection: guest });
        guest.introduce();
        await guest.synchronized;
      }
      await settle(expected);
    },
    async leave(leavers: number) {
      const expected = present - leavers;
      for (const guest of guests.splice(0, leavers)) {
        guest.leave();
        await ports.time.turn();
      }
      await settle(expected);
    },
    async close() {
      actor.stop();
      await store.close();
    },
  };
}

/** The other end of a connection, and the guest there. */
class Guest implements Connection {
  readonly remoteHost = '127.0.0.1';
  readonly remoteAddress: string;
  readonly protection = { kind: 'server' } as const;
  readonly queuedBytes = 0;
  readonly synchronized: Promise<void>;
  readonly #decoder = new FrameDecoder(limits.frameBytesMax);
  #handlers: ConnectionHandlers | undefined;
  #isSynchronized: () => void = () => {};

  constructor(readonly number: number) {
    this.remoteAddress = `127.0.0.1:${number}`;
    this.synchronized = new Promise((resolve) => {
      this.#isSynchronized = resolve;
    });
  }

  introduce(): void {
    const identity = { nodeId: parseNodeId(`guest-${this.number}`), boot: `boot-${this.number}` as Boot, port: 9_000 };
    this.#say({ type: 'frame.handshakeRequest', version: protocolVersion, identity, token });
  }

  leave(): void {
    this.#handlers?.closed({ code: 'connectionLost', message: 'The guest has gone.' });
    this.#handlers = undefined;
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
  }

  write(bytes: Uint8Array): boolean {
    for (const frame of this.#decoder.push(bytes)) {
      if (frame.type === 'frame.handshakeResponse') {
        if (frame.refusal !== undefined) throw new Error(`Guest ${this.number} was refused: ${frame.refusal.message}`);
        setImmediate(() => this.#say({ type: 'frame.vectorClock', clock: new Map(), received: 0 }));
      } else if (frame.type === 'frame.vectorClock') {
        this.#isSynchronized();
      }
    }
    return true;
  }

  admitted(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  #say(frame: Frame): void {
    this.#handlers?.data(encodeFrame(frame));
  }
}
