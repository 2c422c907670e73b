/** The context of a gateway, and values derived from it. */
import type {
  GatewayCommand,
  GatewayCondition,
  GatewayReport,
  Mailbox,
  Notice,
  SessionCommand,
  SessionIdentified,
  SessionReport,
} from '../actors/mailboxes.js';
import type { AccessToken } from '../actors/slots.js';
import { noticeOf } from '../actors/typed.js';
import type { Configuration } from '../configuration/schema.js';
import type { Scope } from '../core/author.js';
import type { ErrorCode, Failure, PastFailure } from '../core/errors.js';
import type { ClusterKeys } from '../core/keys.js';
import type { Store } from '../ports/store.js';
import type { CloudPeer } from '../remote-peers/remote-peer.js';
import type { Identity } from '../wire/messages.js';

export interface GatewayInput {
  readonly peer: CloudPeer;
  readonly parent: Mailbox<GatewayReport>;
  readonly identity: Identity;
  readonly store: Store;
  readonly configuration: Configuration;
  /** The keys that open a sealed client secret. */
  readonly keys: ClusterKeys | undefined;
  /** Authorities to trust instead of the system's, in PEM format. */
  readonly ca: string | undefined;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
}

export interface GatewayContext extends GatewayInput {
  /** The current task of the gateway. */
  readonly assignment: 'idle' | 'open' | 'probe';
  readonly token: (AccessToken & { readonly refreshAtMs: number }) | undefined;
  /** Whether the cloud node has refused a token. A second refusal is final. */
  readonly wasTokenRefused: boolean;
  readonly session: OwnSession | undefined;
  readonly sessionCount: number;
  /** Number of failed attempts in a row. */
  readonly attempt: number;
  /** Number of failed token renewals in a row. */
  readonly refreshAttempt: number;
  readonly lastFailure: PastFailure | undefined;
  /** The failure that was last reported to the outside world. */
  readonly toldFailure: string | undefined;
  readonly toldCondition: GatewayCondition | undefined;
  /** When both sides last had the same entries, ms since 1970. */
  readonly lastSyncedAtMs: number | undefined;
}

export interface OwnSession {
  readonly sessionId: string;
  readonly ref: Mailbox<SessionCommand>;
  readonly isAdmitted: boolean;
}

export type AttemptFailed = { readonly type: 'attempt.failed'; readonly failure: Failure };

export type GatewayEvent = GatewayCommand | SessionReport | AttemptFailed;

/** Entries of scope `cluster` never leave the cluster. */
export const scopes: readonly Scope[] = ['shared'];

/** Failures that a person has to correct in the configuration. The gateway retries, but rarely. */
export const refusals: ReadonlySet<ErrorCode> = new Set([
  'tokenRefused',
  'authorityRefused',
  'secretVariableUnlisted',
  'environmentMissing',
  'secretUnsealable',
  'certificateInvalid',
  'plaintextRefused',
  'nodeIdMismatch',
  'duplicateNodeId',
  'selfConnection',
  'protocolUnsupported',
  'peerInvalid',
]);

export const notLeading = { code: 'goodbye', message: 'This node does not lead any more.' } as const;
export const revised = { code: 'goodbye', message: 'The configuration of the cloud peer has changed.' } as const;
export const adjusted = { code: 'goodbye', message: 'The way to the cloud has been configured anew.' } as const;
export const probed = { code: 'goodbye', message: 'This node only asked whether it could reach you.' } as const;

export function isSameTrust(a: Configuration, b: Configuration): boolean {
  const trust = ({ plaintextCloud, secretVariables, authorityOrigins }: Configuration) =>
    JSON.stringify([plaintextCloud, secretVariables, authorityOrigins]);
  return trust(a) === trust(b);
}

export function isSame(a: CloudPeer, b: CloudPeer): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export function wrongNode({ peer }: GatewayContext, { identity }: SessionIdentified): Failure {
  const message = `"${identity.nodeId}" answers at the address of the cloud peer "${peer.nodeId}": correct the address.`;
  return { code: 'nodeIdMismatch', message };
}

/** Reports the end of a session whose beginning was reported. */
export function tellDisconnected(
  { session, peer }: GatewayContext,
  failure: Failure,
  tell: (notice: Notice) => void,
): void {
  if (session?.isAdmitted !== true) return;
  tell(noticeOf({ type: 'gateway.disconnected', nodeId: peer.nodeId, failure }));
}
