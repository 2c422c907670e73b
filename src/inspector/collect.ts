/**
 * Takes records from another process on this machine into a history.
 *
 * Invariants: every record is well formed, or the sender is disconnected. When a sender disconnects, its process counts
 * as ended.
 */
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { decodeJson } from '../core/document.js';
import type { Time } from '../ports/ports.js';
import type { History } from './history.js';
import type { InspectorRecord } from './records.js';

const stamp = { id: z.int().min(0), node: z.string().max(256), atMs: z.number() };
const name = z.string().max(1_024);
const event = z.looseObject({ type: name });
const snapshot = z.looseObject({});
const sent = { sessionId: name, rootId: name, cause: z.int().optional() };

/** The fields that the fold relies on. Other fields are shown as they came. */
export const recordSchema = z.discriminatedUnion('type', [
  z.looseObject({
    ...stamp,
    ...sent,
    type: z.literal('@xstate.actor'),
    name,
    logic: name,
    isMachine: z.boolean(),
    snapshot,
  }),
  z.looseObject({ ...stamp, ...sent, type: z.literal('@xstate.event'), event }),
  z.looseObject({ ...stamp, ...sent, type: z.literal('@xstate.snapshot'), event, snapshot }),
  z.looseObject({
    ...stamp,
    type: z.literal('statemesh.chart'),
    chart: z.looseObject({ id: name, root: z.looseObject({}) }),
  }),
  z.looseObject({ ...stamp, type: z.literal('statemesh.process'), what: z.enum(['began', 'ended']) }),
  z.looseObject({ ...stamp, type: z.literal('statemesh.world'), what: name }),
]);

/** The largest message from another process. */
const recordsPerMessageMax = 10_000;
const messageSchema = z.array(recordSchema).max(recordsPerMessageMax);

export function collect(socket: WebSocket, history: History, time: Time): void {
  const nodes = new Map<string, number>();
  socket.on('message', (data) => {
    const records = parse(String(data));
    if (records === undefined) {
      socket.close(1_008, 'The message does not hold valid records.');
      return;
    }
    for (const record of records) {
      if (record.node !== '') nodes.set(record.node, record.id);
      history.add(record);
    }
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    for (const [node, id] of nodes) {
      history.add({ id: id + 1, node, atMs: time.now(), type: 'statemesh.process', what: 'ended' });
    }
  });
}

function parse(text: string): readonly InspectorRecord[] | undefined {
  // Not JSON.parse: it reads text that is nested too deeply to be written again.
  const read = messageSchema.safeParse(decodeJson(text));
  return read.success ? (read.data as unknown as readonly InspectorRecord[]) : undefined;
}
