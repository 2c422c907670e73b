/** What a gateway knows, and what follows from it. */
import type {
  GatewayCommand,
  GatewayCondition,
  GatewayReport,
  Mailbox,
  SessionCommand,
  SessionIdentified,
  SessionReport,
} from '../actors/mailboxes.js';
import type { AccessToken } from '../actors/slots.js';
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
  /** To open a sealed client secret. */
  readonly keys: ClusterKeys | undefined;
  /** Authorities to trust in place of the system's: PEM. */
  readonly ca: string | undefined;
  readonly random: () => number;
  /** Wall clock, ms since 1970. */
  readonly now: () => number;
}

export interface GatewayContext extends GatewayInput {
  /** What it is for at present. */
  readonly assignment: 'idle' | 'open' | 'probe';
  readonly token: (AccessToken & { readonly refreshAtMs: number }) | undefined;
  /** Whether the cloud node has refused a token, so that another one is its last chance. */
  readonly wasTokenRefused: boolean;
  readonly session: OwnSession | undefined;
  readonly sessionCount: number;
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** Renewals of the token that failed in a row. */
  readonly refreshAttempt: number;
  readonly lastFailure: PastFailure | undefined;
  /** The reason that the outside world was told last. */
  readonly toldFailure: string | undefined;
  readonly toldCondition: GatewayCondition | undefined;
  /** When both sides last came to have the same. */
  readonly lastSyncedAtMs: number | undefined;
}

export interface OwnSession {
  readonly sessionId: string;
  readonly ref: Mailbox<SessionCommand>;
  readonly isAdmitted: boolean;
}

export type AttemptFailed = { readonly type: 'attempt.failed'; readonly failure: Failure };

export type GatewayEvent = GatewayCommand | SessionReport | AttemptFailed;

/** What is of a cluster stays there. */
export const scopes: readonly Scope[] = ['shared'];

/** Waits for a person to correct the configuration, and tries again, but rarely. */
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

/** Tells the end of a session of which the beginning was told. */
export function tellDisconnected(
  { session, peer }: GatewayContext,
  failure: Failure,
  tell: (report: Extract<GatewayReport, { type: 'notice' }>) => void,
): void {
  if (session?.isAdmitted !== true) return;
  tell({ type: 'notice', nodeEvent: { type: 'gateway.disconnected', nodeId: peer.nodeId, failure } });
}
