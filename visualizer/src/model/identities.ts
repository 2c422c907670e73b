/**
 * The identity of a process, from the last report of its root actor: its name in the records need not be its NodeId.
 */
import type { InspectorRecord } from '../../../src/inspector/records.js';

export interface Identity {
  readonly nodeId: string;
  readonly role: string;
}

export function learn(identities: Map<string, Identity>, record: InspectorRecord): void {
  if (record.type !== '@xstate.actor' && record.type !== '@xstate.snapshot') return;
  if (record.sessionId !== record.rootId || record.snapshot.context === undefined) return;
  const { configured } = record.snapshot.context as { configured?: { configuration?: Partial<Identity> } };
  const { nodeId, role } = configured?.configuration ?? {};
  if (typeof nodeId !== 'string') return;
  identities.set(record.node, { nodeId, role: typeof role === 'string' ? role : 'member' });
}
