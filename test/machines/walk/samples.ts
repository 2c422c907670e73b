/** Samples that several alphabets share: identities, and stand-ins for values that a walk never uses. */

import type { Adjustment, Mailbox } from '../../../src/actors/mailboxes.js';
import type { Configured } from '../../../src/configuration/configured.js';
import type { Effect } from '../../../src/configuration/reconfiguration.js';
import type { Configuration } from '../../../src/configuration/schema.js';
import type { Boot, NodeId } from '../../../src/core/ids.js';
import type { Connection } from '../../../src/ports/ports.js';
import type { Store } from '../../../src/ports/store.js';
import type { Identity } from '../../../src/wire/messages.js';
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
  configuration,
  security: { kind: 'none' },
  keys: undefined,
  ca: undefined,
  initialPeers: [],
  initialRemotePeers: () => [],
};

/** One value of each kind, or a value that concerns no part. */
export function adjusted(...effects: readonly Effect[]): Adjustment {
  return { type: 'configuration.adjusted', effects: new Set(effects), identity: us, configured };
}

export function mailbox<E extends { type: string }>(): Mailbox<E> {
  return recorder<E>().mailbox;
}
