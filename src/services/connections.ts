/** Owns every socket of the node, so that none outlives it. */
import { type EventObject, fromCallback } from 'xstate';
import type { Network } from '../ports/ports.js';

export function createConnections({ network }: { network: Network }) {
  return fromCallback<EventObject, object>(() => () => void network.closeAll());
}
