/**
 * A process of guests of a cloud node: they identify themselves, show their token, and stay, without a node behind
 * them.
 */
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { type Boot, parseNodeId } from '../../src/core/ids.js';
import { limits } from '../../src/core/limits.js';
import { Secret } from '../../src/core/secret.js';
import { encodeFrame, FrameDecoder } from '../../src/wire/framing.js';
import { protocolVersion } from '../../src/wire/messages.js';
import { serve } from './serve.js';

export interface Arrival {
  readonly port: number;
  readonly ca: string;
  readonly token: string;
  readonly count: number;
}

const guests: TLSSocket[] = [];
/** The number of guests that connect at once: fewer than a node's maximum of unidentified connections. */
const atOnce = 16;

const handlers = {
  /** Resolves when `count` more guests were admitted. */
  async arrive({ count, ...where }: Arrival) {
    let left = count;
    const next = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await arriveOne(where);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, next));
    return guests.length;
  },

  /** Disconnects all guests. */
  leave() {
    for (const guest of guests.splice(0)) guest.destroy();
  },
};

export type GuestHandlers = typeof handlers;

serve(handlers, async () => handlers.leave());

async function arriveOne({ port, ca, token }: Omit<Arrival, 'count'>): Promise<void> {
  const number = guests.length + 1;
  const socket = connect({ host: '127.0.0.1', port, ca, minVersion: 'TLSv1.3' });
  guests.push(socket);
  await once(socket, 'secureConnect');
  const decoder = new FrameDecoder(limits.frameBytesMax);
  const admitted = new Promise<void>((resolve, reject) => {
    socket.on('data', (bytes) => {
      for (const frame of decoder.push(bytes)) {
        if (frame.type !== 'frame.handshakeResponse') continue;
        if (frame.refusal === undefined) resolve();
        else reject(new Error(`Guest ${number} was refused: ${frame.refusal.message}`));
      }
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`Guest ${number} was turned away.`)));
  });
  socket.write(
    encodeFrame({
      type: 'frame.handshakeRequest',
      version: protocolVersion,
      identity: { nodeId: parseNodeId(`guest-${number}`), boot: `boot-${number}` as Boot, port: 9_000 },
      token: new Secret(token),
    }),
  );
  await admitted;
}
