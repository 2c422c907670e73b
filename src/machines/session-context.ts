/** What a session knows, and what it may say of that to others. */
import type {
  CredentialCommand,
  CredentialReport,
  Direction,
  LinkCommand,
  LinkReport,
  Mailbox,
  ReplicationReport,
  SessionCommand,
  SessionReport,
} from '../actors/mailboxes.js';
import type { LinkInput } from '../actors/slots.js';
import type { Intervals } from '../configuration/configured.js';
import type { Configuration } from '../configuration/schema.js';
import type { AuthorKey, Scope } from '../core/author.js';
import { type ErrorCode, errorCodes, type Failure } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { LinkRate } from '../core/link-rate.js';
import type { Origin } from '../core/replication.js';
import type { Secret } from '../core/secret.js';
import type { VectorClock } from '../core/vector-clock.js';
import type { Connection } from '../ports/ports.js';
import type { Store } from '../ports/store.js';
import { type Frame, type Identity, protocolVersion, type Refusal } from '../wire/messages.js';

/** Which side may be there, and how it proves that. */
export type SessionAccess =
  /** A member of our cluster: the connection has proved it. */
  | { readonly kind: 'cluster' }
  /** A cloud node, to which we show a token. */
  | { readonly kind: 'token'; readonly token: Secret }
  /** We are the cloud node, and let in who shows a token of our authority. */
  | { readonly kind: 'guarded'; readonly configuration: Configuration; readonly ca: string | undefined };

export interface SessionInput {
  readonly sessionId: string;
  readonly parent: Mailbox<SessionReport>;
  readonly connection: Connection;
  readonly direction: Direction;
  /** The peer that we dialed, if we did. */
  readonly expected: NodeId | undefined;
  readonly identity: Identity;
  readonly store: Store;
  readonly access: SessionAccess;
  readonly scopes: readonly Scope[];
  readonly intervals: Intervals;
  readonly random: () => number;
}

export interface SessionContext extends SessionInput {
  readonly link: Mailbox<LinkCommand>;
  /** What the connection carries: the link measures it, the sender goes by it. */
  readonly rate: LinkRate;
  /** The other side, once it has said who it is. */
  readonly peer: Identity | undefined;
  /** The subject of its access token. */
  readonly subject: string | undefined;
  readonly theirClock: VectorClock;
  readonly neighbors: ReadonlySet<NodeId>;
  /** Authors with another history on the other side. */
  readonly diverged: ReadonlySet<AuthorKey>;
  /** Whether our own node has heard that the other side doubts it. */
  readonly isDoubted: boolean;
  /** Frames that would have no meaning for the other side yet: the latest of each type. */
  readonly owed: readonly Frame[];
  /** Whether both sides had the same entries at the last heartbeat. */
  readonly isMatched: boolean;
  /** Whether the session has been of use. */
  readonly isAdvanced: boolean;
  /** Authors whose entries wait for their time to come. */
  readonly parked: ReadonlySet<AuthorKey>;
  readonly roundTripMs: number | undefined;
  /** How far the clock of the other side is ahead of ours. */
  readonly clockAheadMs: number | undefined;
  /** What the link carries, known when the link was the limit. */
  readonly bytesPerSecond: number | undefined;
  readonly failure: Failure;
  /** Whether the other side was let in. */
  readonly isAdmitted: boolean;
}

/** What a session knows before it has heard anything. */
export function beforeHandshake() {
  return {
    peer: undefined,
    subject: undefined,
    theirClock: new Map(),
    neighbors: new Set(),
    diverged: new Set(),
    isDoubted: false,
    owed: [],
    isMatched: false,
    isAdvanced: false,
    parked: new Set(),
    roundTripMs: undefined,
    clockAheadMs: undefined,
    bytesPerSecond: undefined,
    failure: { code: 'connectionLost', message: 'The connection ended.' },
    isAdmitted: false,
  } satisfies Partial<SessionContext>;
}

export type SessionEvent = SessionCommand | LinkReport | ReplicationReport | CredentialReport;

/** One measure for both who write to the connection and who fill it. */
export function linkOf<Link>(
  { connection, store, scopes, access, intervals }: SessionInput,
  parent: Mailbox<LinkReport>,
  spawn: (input: LinkInput) => Link,
): { readonly rate: LinkRate; readonly link: Link } {
  const rate = new LinkRate();
  const isLocal = access.kind === 'cluster';
  return { rate, link: spawn({ parent, connection, store, scopes, isLocal, intervals, rate }) };
}

/** The authors that were not reported yet, as many as may still be remembered. */
export function newsOf(authors: readonly AuthorKey[], told: ReadonlySet<AuthorKey>): readonly AuthorKey[] {
  return authors.filter((author) => !told.has(author)).slice(0, limits.authorsOnTrustMax - told.size);
}

/** Failures that name files of ours. */
const privateCodes: readonly ErrorCode[] = [
  'databaseCorrupt',
  'databaseUnavailable',
  'diskFull',
  'storeClosed',
  'internal',
];

/** What the other side may know of a failure of ours: where our database lies is our own business. */
export function refusalOf({ code, message }: Failure): Refusal {
  return { code, message: privateCodes.includes(code) ? errorCodes[code] : message };
}

/** What one side may know of the other, or of what is between them. */
const codesTold: ReadonlySet<ErrorCode> = new Set([
  ...(['goodbye', 'identityChanged', 'duplicateNodeId', 'nodeIdMismatch', 'selfConnection'] as const),
  ...(['duplicateConnection', 'connectionLimit', 'clusterKeyRetired', 'protocolUnsupported'] as const),
  ...(['frameTooLarge', 'frameMalformed', 'unexpectedFrame', 'windowExceeded', 'receiveBudgetExceeded'] as const),
  ...(['tokenRefused', 'tokenExpired', 'authorityUnavailable'] as const),
]);

/**
 * A refusal that the other side has told, as our failure. The words are marked as its own, and a code about its own files or
 * configuration becomes `goodbye`: here it would say that this node's disk is full, or its secret missing.
 */
export function toldFailureOf({ code, message }: Refusal): Failure {
  return {
    code: codesTold.has(code) ? code : 'goodbye',
    message:
      message === '' ? 'The other side ended the session and gave no reason.' : `The other side says: ${message}`,
  };
}

/** What a stranger may know of its token: the class of what is wrong with it, and nothing of our authority's troubles. */
export function tokenRefusalOf({ code, message }: Failure): Refusal {
  return toldOfTokens.includes(code) ? { code, message } : cannotVerify;
}

const toldOfTokens: readonly ErrorCode[] = ['tokenRefused', 'tokenExpired', 'unexpectedFrame'];
const cannotVerify = {
  code: 'authorityUnavailable',
  message: 'The cloud node cannot verify access tokens at present.',
} as const;

/** The other side as the origin of commits: its NodeId tells who it is on the local network only. */
export function originOf({ access, subject, peer }: SessionContext): Origin {
  const nodeId = peer?.nodeId ?? '';
  return access.kind === 'cluster' ? nodeId : `${subject ?? ''}/${nodeId}`;
}

export function renewalOf({ token }: { token: Secret }): CredentialCommand {
  return { type: 'credential.renew', token };
}

export function otherVersion(): Refusal {
  return {
    code: 'protocolUnsupported',
    message: `This node speaks version ${protocolVersion} of the protocol: run the same version of statemesh on both sides.`,
  };
}
