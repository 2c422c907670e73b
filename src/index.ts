/**
 * statemesh: an embeddable, local-first document database node for LAN clusters.
 *
 * `createNode` is all that most programs need. Those who compose their own node find the machines, the service slots and
 * `composeNode` here, too.
 */

export type * as events from './actors/mailboxes.js';
export type { Mailbox, NodeEvent } from './actors/mailboxes.js';
export * as services from './actors/slots.js';
export type { SystemTime } from './adapters/time.js';
export type { Configured, Intervals } from './configuration/configured.js';
export { configurationJsonSchema } from './configuration/fields.js';
export { type CheckedConfiguration, parseConfiguration } from './configuration/parse.js';
export type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from './configuration/provider.js';
export type { ConfigurationChange, Reconfiguration } from './configuration/reconfiguration.js';
export { type Configuration, type ConfigurationInput, configurationSchema } from './configuration/schema.js';
export type { ControlCall, ControlCommand, ControlCommands } from './control/protocol.js';
export type { Logger } from './control/recent-log.js';
export type { ConnectionLimits } from './core/admission.js';
export type { Author, AuthorKey, Incarnation, Scope } from './core/author.js';
export type { ElectionRole, MemberState, Uplink } from './core/election-rule.js';
export type { Entry, Operation, Position, Run } from './core/entry.js';
export { type ErrorCode, errorCodes, type Failure, type PastFailure, StatemeshError } from './core/errors.js';
export { type Hlc, logicOf, wallMsOf } from './core/hlc.js';
export type { Boot, CollectionName, Cursor, DocumentKey, NodeId } from './core/ids.js';
export { type ClusterKeys, encodeClusterKey, type PresharedKey } from './core/keys.js';
export { limits } from './core/limits.js';
export type { Condition, FieldPath, OrderBy, Query, Scalar, Where } from './core/query.js';
export type { RefusalRecord } from './core/refusals.js';
export type { Origin } from './core/replication.js';
export { Secret } from './core/secret.js';
export type { VectorClock } from './core/vector-clock.js';
export type { Change, ChangesOptions } from './database/changes.js';
export { type Collection, type CollectionOptions, nothing } from './database/collection.js';
export type { Database } from './database/database.js';
export type { Documents, PutManyOptions, PutManyProgress } from './database/put-many.js';
export type { Stream } from './database/streams.js';
export type { Recipe } from './database/update.js';
export type { Found, WatchOptions } from './database/watch.js';
export type { Chart, ChartState, ChartTransition } from './inspector/chart.js';
export type { History, HistoryBounds } from './inspector/history.js';
export { createInspector, type Inspector, type InspectorOptions, type Watch } from './inspector/inspector.js';
export type { InspectorServer } from './inspector/inspector-server.js';
export type * from './inspector/records.js';
export type { Summary } from './inspector/summary.js';
export { readTrace, type ServeTraceOptions, serveTrace, type Trace } from './inspector/trace.js';
export type { Control, Controller, ControlName } from './inspector/wire.js';
export { type CredentialMachine, credentialMachine } from './machines/credential.machine.js';
export { type ElectionMachine, electionMachine } from './machines/election.machine.js';
export { type GatewayMachine, gatewayMachine } from './machines/gateway.machine.js';
export { type MembershipMachine, membershipMachine } from './machines/membership.machine.js';
export { type NodeMachine, nodeMachine } from './machines/node.machine.js';
export { type PeerMachine, peerMachine } from './machines/peer.machine.js';
export { type ReceiverMachine, receiverMachine } from './machines/receiver.machine.js';
export { type ReceptionMachine, receptionMachine } from './machines/reception.machine.js';
export {
  type ReconfigurationMachine,
  reconfigurationMachine,
} from './machines/reconfiguration.machine.js';
export { type SenderMachine, senderMachine } from './machines/sender.machine.js';
export { type SessionAccess, type SessionMachine, sessionMachine } from './machines/session.machine.js';
export { type UplinkMachine, uplinkMachine } from './machines/uplink.machine.js';
export { type WardMachine, wardMachine } from './machines/ward.machine.js';
export type { NodeState } from './node/actor-tree.js';
export type { AuditLogger } from './node/audit.js';
export {
  type CertificateFinding,
  type CertificateStatus,
  examineCertificates,
  type OwnCertificate,
} from './node/certificates.js';
export {
  composeNode,
  composeSession,
  createServices,
  type Particulars,
  type Ports,
  type Services,
} from './node/compose.js';
export { databasesLeftBehind, examineDatabase, examineInstallation } from './node/examine.js';
export {
  createNode,
  type NodeExtras,
  type NodeOptions,
  type NodePorts,
  systemPorts,
} from './node/node.js';
export { quarantinedIn, type RepairOptions, removeStoredPeer, repairDatabase } from './node/repair.js';
export { restoreDatabase, setDatabaseAside } from './node/restore.js';
export type { NodeEventType, StatemeshNode } from './node/statemesh-node.js';
export {
  type ElectionState,
  type GatewayState,
  type GatewayStatus,
  type LeadershipStatus,
  type NodeStatus,
  nodeStatusOf,
  type PeerState,
  type PeerStatus,
} from './node/status.js';
export type * from './ports/ports.js';
export type {
  ApplyResult,
  BackupProgress,
  Commit,
  ContentDigest,
  ReadOptions,
  ReadResult,
  Restored,
  RestoreOptions,
  Store,
  StoredChange,
  StoredDocument,
  StoreHealth,
  StoreStatistics,
  Write,
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
export type { Examination, ExaminationOptions } from './store/examination.js';
export type { DatabaseLeftBehind } from './store/left-behind.js';
export type * as messages from './wire/messages.js';
