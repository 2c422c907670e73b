/** What the alphabets share: who is there, and stand-ins for what nobody touches during a walk. */
import type { Boot, NodeId } from '../../../src/core/ids.js';
import type { Configuration } from '../../../src/protocol/configuration.js';
import type { Configured } from '../../../src/protocol/configured.js';
import type { Adjustment, Mailbox } from '../../../src/protocol/events.js';
import type { Identity } from '../../../src/protocol/messages.js';
import type { Connection } from '../../../src/protocol/ports.js';
import type { Effect } from '../../../src/protocol/reconfiguration.js';
import type { Store } from '../../../src/protocol/store.js';
import { recorder } from '../bench.js';

export const us: Identity = { nodeId: 'b' as NodeId, boot: 'boot-b' as Boot, port: 1 };
export const smaller: Identity = { nodeId: 'a' as NodeId, boot: 'boot-a' as Boot, port: 2 };
export const larger: Identity = { nodeId: 'c' as NodeId, boot: 'boot-c' as Boot, port: 3 };

export const address = { host: '127.0.0.1', port: 9_000 };
export const connection = {
  remoteAddress: '127.0.0.1:5',
  remoteHost: '127.0.0.1',
  protection: { kind: 'none' },
} as Connection;
export const configuration = { nodeId: us.nodeId } as Configuration;
export const store = { nodeId: us.nodeId, clock: () => new Map() } as unknown as Store;
export const lost = { code: 'connectionLost', message: 'It ended.' } as const;

export const configured: Configured = {
  ...{ configuration, security: { kind: 'none' }, keys: undefined, ca: undefined },
  ...{ initialPeers: [], initialRemotePeers: () => [] },
};

/** Something of each kind, or nothing that concerns anybody. */
export function adjusted(...effects: readonly Effect[]): Adjustment {
  return { type: 'configuration.adjusted', effects: new Set(effects), identity: us, configured };
}

export function mailbox<E extends { type: string }>(): Mailbox<E> {
  return recorder<E>().mailbox;
}
