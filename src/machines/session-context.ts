/** The context of a session, and what it may tell the other side. */
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

/** The kind of node on the other side, and its proof of identity. */
export type SessionAccess =
  /** A member of our cluster: the connection has proved it. */
  | { readonly kind: 'cluster' }
  /** A cloud node, to which we show a token. */
  | { readonly kind: 'token'; readonly token: Secret }
  /** We are the cloud node, and admit nodes that show a token of our authority. */
  | { readonly kind: 'guarded'; readonly configuration: Configuration; readonly ca: string | undefined };

export interface SessionInput {
  readonly sessionId: string;
  readonly parent: Mailbox<SessionReport>;
  readonly connection: Connection;
  readonly direction: Direction;
  /** The peer that we dialed; undefined for an accepted connection. */
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
  /** The capacity of the connection: the link measures it, and the sender follows it. */
  readonly rate: LinkRate;
  /** The identity of the other side; undefined before it has identified itself. */
  readonly peer: Identity | undefined;
  /** The subject of its access token. */
  readonly subject: string | undefined;
  readonly theirClock: VectorClock;
  readonly neighbors: ReadonlySet<NodeId>;
  /** Authors of which the other side has a different history. */
  readonly diverged: ReadonlySet<AuthorKey>;
  /** Whether the parent knows that the other side has probed this session: another process claims our NodeId. */
  readonly isDoubted: boolean;
  /** Frames that the other side cannot use yet: the latest of each type. */
  readonly owed: readonly Frame[];
  /** Whether both sides had the same entries at the last heartbeat. */
  readonly isMatched: boolean;
  /** Whether the session has been of use: entries were exchanged, or proved equal. */
  readonly isAdvanced: boolean;
  /** Authors with entries from the future that wait. */
  readonly parked: ReadonlySet<AuthorKey>;
  readonly roundTripMs: number | undefined;
  /** Lead of the other side's clock over ours, in ms. */
  readonly clockAheadMs: number | undefined;
  /** Measured capacity of the link, in bytes a second; undefined until traffic has filled the link once. */
  readonly bytesPerSecond: number | undefined;
  readonly failure: Failure;
  /** Whether we have admitted the other side. */
  readonly isAdmitted: boolean;
}

/** The context before the handshake. */
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

/** Gives one measure to the link, which writes to the connection, and to the sender, which fills it. */
export function linkOf<Link>(
  { connection, store, scopes, access, intervals }: SessionInput,
  parent: Mailbox<LinkReport>,
  spawn: (input: LinkInput) => Link,
): { readonly rate: LinkRate; readonly link: Link } {
  const rate = new LinkRate();
  const isLocal = access.kind === 'cluster';
  return { rate, link: spawn({ parent, connection, store, scopes, isLocal, intervals, rate }) };
}

/** The authors not reported before, as many as may still be remembered. */
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

/** The part of a failure that the other side may know: it hides the path of our database. */
export function refusalOf({ code, message }: Failure): Refusal {
  return { code, message: privateCodes.includes(code) ? errorCodes[code] : message };
}

/** Codes that tell one side about the other, or about the link between them. */
const codesTold: ReadonlySet<ErrorCode> = new Set([
  ...(['goodbye', 'identityChanged', 'duplicateNodeId', 'nodeIdMismatch', 'selfConnection'] as const),
  ...(['duplicateConnection', 'connectionLimit', 'clusterKeyRetired', 'protocolUnsupported'] as const),
  ...(['frameTooLarge', 'frameMalformed', 'unexpectedFrame', 'windowExceeded', 'receiveBudgetExceeded'] as const),
  ...(['tokenRefused', 'tokenExpired', 'authorityUnavailable'] as const),
]);

/**
 * A refusal by the other side, as a failure of ours. The text is marked as the other side's. A code about its own files
 * or configuration becomes `goodbye`: here it would say that this node's disk is full, or that its secret is missing.
 */
export function toldFailureOf({ code, message }: Refusal): Failure {
  return {
    code: codesTold.has(code) ? code : 'goodbye',
    message:
      message === '' ? 'The other side ended the session and gave no reason.' : `The other side says: ${message}`,
  };
}

/** What a stranger may know about its refused token: the kind of fault, and nothing about troubles of our authority. */
export function tokenRefusalOf({ code, message }: Failure): Refusal {
  return toldOfTokens.includes(code) ? { code, message } : cannotVerify;
}

const toldOfTokens: readonly ErrorCode[] = ['tokenRefused', 'tokenExpired', 'unexpectedFrame'];
const cannotVerify = {
  code: 'authorityUnavailable',
  message: 'The cloud node cannot verify access tokens at present.',
} as const;

/** The other side as the origin of commits. Only on the local network does its NodeId alone identify it. */
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
