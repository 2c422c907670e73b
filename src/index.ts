/**
 * statemesh: an embeddable, local-first document database node for LAN clusters.
 *
 * Most programs need six names:
 *
 * - {@link createNode} makes a node; {@link StatemeshNode} is what it makes: documents, peers, status, events.
 * - {@link Collection} holds documents; a node gives one by `node.collection('articles')`.
 * - {@link ConfigurationInput} lists the fields of a configuration, and {@link fileConfiguration} reads them from a
 *   file and watches it.
 * - {@link StatemeshError} is the class of every error; its `code` is one of {@link errorCodes}.
 *
 * {@link nodeLogic} runs a node within a statechart of the program. `statemesh/inspector` shows actors in the browser,
 * `statemesh/simulation` plays clusters in a deterministic world, and `statemesh/actors` has the machines, services and
 * ports for those who compose a node of their own.
 */

export type { NodeEvent } from './actors/mailboxes.js';
export { configurationJsonSchema } from './configuration/fields.js';
export { type CheckedConfiguration, parseConfiguration } from './configuration/parse.js';
export type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from './configuration/provider.js';
export type { ConfigurationChange, Reconfiguration } from './configuration/reconfiguration.js';
export type { Configuration, ConfigurationInput } from './configuration/schema.js';
export type { Logger } from './control/recent-log.js';
export type { AuthorKey } from './core/author.js';
export type { Uplink } from './core/election-rule.js';
export { type ErrorCode, errorCodes, type Failure, type PastFailure, StatemeshError } from './core/errors.js';
export type { Hlc } from './core/hlc.js';
export type { Boot, CollectionName, Cursor, DocumentKey, NodeId } from './core/ids.js';
export { encodeClusterKey, type PresharedKey } from './core/keys.js';
export { limits } from './core/limits.js';
export type { MalformedDocuments } from './core/malformed.js';
export type { Condition, FieldPath, OrderBy, Query, Scalar, Where } from './core/query.js';
export type { RefusalRecord } from './core/refusals.js';
export { Secret } from './core/secret.js';
export type { GatewayState, PeerState } from './core/states.js';
export type { Change, ChangesOptions } from './database/changes.js';
export { type Collection, type CollectionOptions, nothing } from './database/collection.js';
export type { Database } from './database/database.js';
export type { Documents, PutManyOptions, PutManyProgress } from './database/put-many.js';
export type { Stream } from './database/streams.js';
export type { Recipe } from './database/update.js';
export type { DocumentStreamOptions, Found, WatchOptions } from './database/watch.js';
export type { NodeActor, NodeSnapshot, NodeState } from './node/actor-tree.js';
export type { AuditLogger } from './node/audit.js';
export {
  type CertificateFinding,
  type CertificateStatus,
  examineCertificates,
  type OwnCertificate,
} from './node/certificates.js';
export { databasesHeldIn, databasesLeftBehind, examineDatabase, examineInstallation } from './node/examine.js';
export { createNode } from './node/node.js';
export { type NodeLogic, nodeLogic, nodeOf } from './node/node-logic.js';
export type { NodeConfiguration, NodeExtras, NodeLogicExtras } from './node/node-options.js';
export { quarantinedIn, type RepairOptions, removeStoredPeer, repairDatabase } from './node/repair.js';
export { restoreDatabase, setDatabaseAside } from './node/restore.js';
export type { NodeEventType, StatemeshNode } from './node/statemesh-node.js';
export type {
  ElectionState,
  GatewayStatus,
  LeadershipStatus,
  NodeStatus,
  PeerStatus,
} from './node/status.js';
export type {
  BackupProgress,
  ContentDigest,
  Restored,
  RestoreOptions,
  StoreHealth,
  StoreStatistics,
  Written,
} from './ports/store.js';
export {
  type EnvironmentConfiguration,
  type EnvironmentConfigurationOptions,
  environmentConfiguration,
  type Signals,
} from './providers/environment.js';
export { type FileConfiguration, fileConfiguration } from './providers/file.js';
export { mappedConfiguration } from './providers/mapped.js';
export { type RemoteConfiguration, type RemoteConfigurationOptions, remoteConfiguration } from './providers/remote.js';
export { type StaticConfiguration, staticConfiguration } from './providers/static.js';
export type { PeerManagement, PeerStore } from './remote-peers/management.js';
export type { RemotePeerInput } from './remote-peers/peer-document.js';
export {
  type CloudPeer,
  type OAuth2Configuration,
  PeerType,
  type QuarantinedDocument,
  type RemotePeer,
  type RemotePeerDocument,
} from './remote-peers/remote-peer.js';
export type { HeldDatabase } from './store/database-lock.js';
export type { Examination, ExaminationOptions } from './store/examination.js';
export type { DatabaseLeftBehind } from './store/left-behind.js';
