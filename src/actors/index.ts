/**
 * `statemesh/actors`: the machines, the services that they invoke, the events that they send each other, and the ports
 * to the world. A program that composes a node of its own begins with {@link composeNode} and {@link createServices}.
 */

export type { SystemTime } from '../adapters/time.js';
export type { Configured, Intervals } from '../configuration/configured.js';
export type { ControlCall, ControlCommand, ControlCommands } from '../control/protocol.js';
export type { ConnectionLimits } from '../core/admission.js';
export type { Author, Incarnation, Scope } from '../core/author.js';
export type { Candidacy, ElectionRole, MemberState } from '../core/election-rule.js';
export type { Entry, Operation, Position, Run } from '../core/entry.js';
export { logicOf, wallMsOf } from '../core/hlc.js';
export type { ClusterKeys } from '../core/keys.js';
export type { Origin } from '../core/replication.js';
export type { VectorClock } from '../core/vector-clock.js';
export { type CredentialMachine, credentialMachine } from '../machines/credential.machine.js';
export { type ElectionMachine, electionMachine } from '../machines/election.machine.js';
export { type GatewayMachine, gatewayMachine } from '../machines/gateway.machine.js';
export { type MembershipMachine, membershipMachine } from '../machines/membership.machine.js';
export { type NodeMachine, type NodeMachineEvent, nodeMachine } from '../machines/node.machine.js';
export { type PeerMachine, peerMachine } from '../machines/peer.machine.js';
export { type ReceiverMachine, receiverMachine } from '../machines/receiver.machine.js';
export { type ReceptionMachine, receptionMachine } from '../machines/reception.machine.js';
export { type ReconfigurationMachine, reconfigurationMachine } from '../machines/reconfiguration.machine.js';
export { type SenderMachine, senderMachine } from '../machines/sender.machine.js';
export { type SessionAccess, type SessionMachine, sessionMachine } from '../machines/session.machine.js';
export { type UplinkMachine, uplinkMachine } from '../machines/uplink.machine.js';
export { type WardMachine, wardMachine } from '../machines/ward.machine.js';
export {
  composeNode,
  composeSession,
  createServices,
  type Particulars,
  type Ports,
  type Services,
} from '../node/compose.js';
export { type NodePorts, systemPorts } from '../node/node-options.js';
export { nodeStatusOf } from '../node/status.js';
export type * from '../ports/ports.js';
export type {
  ApplyResult,
  Commit,
  DocumentStore,
  ReadOptions,
  ReadResult,
  Store,
  StoredChange,
  StoredDocument,
  Write,
} from '../ports/store.js';
export type * as messages from '../wire/messages.js';
export type * as events from './mailboxes.js';
export type { Mailbox } from './mailboxes.js';
export * as services from './slots.js';
