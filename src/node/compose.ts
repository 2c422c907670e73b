/**
 * The composition root: fills every slot, leaves first, and passes each machine into its parent's slot.
 *
 * `.provide()` reaches only a machine's own slots, hence the order. Services are closures over the ports of one node,
 * so a composed machine belongs to one node; the machines themselves are constants.
 */

import type * as slots from '../actors/slots.js';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';
import type { ControlCommands } from '../control/protocol.js';
import { credentialMachine } from '../machines/credential.machine.js';
import { electionMachine } from '../machines/election.machine.js';
import { gatewayMachine } from '../machines/gateway.machine.js';
import { membershipMachine } from '../machines/membership.machine.js';
import { type NodeMachine, nodeMachine } from '../machines/node.machine.js';
import { peerMachine } from '../machines/peer.machine.js';
import { receiverMachine } from '../machines/receiver.machine.js';
import { type ReceptionMachine, receptionMachine } from '../machines/reception.machine.js';
import { reconfigurationMachine } from '../machines/reconfiguration.machine.js';
import { senderMachine } from '../machines/sender.machine.js';
import { type SessionMachine, sessionMachine } from '../machines/session.machine.js';
import { uplinkMachine } from '../machines/uplink.machine.js';
import { wardMachine } from '../machines/ward.machine.js';
import { Meter } from '../ports/meter.js';
import type { Environment, Http, Network, Randomness, Time } from '../ports/ports.js';
import { Acquaintances } from '../services/acquaintances.js';
import { createBatchApplier } from '../services/batch-applier.js';
import { createClose } from '../services/close.js';
import { createCloudPeers } from '../services/cloud-peers.js';
import { createConfigurationFeed } from '../services/configuration-feed.js';
import { createConfigure } from '../services/configure.js';
import { createConnections } from '../services/connections.js';
import { createControl } from '../services/control.js';
import { createCopyStore } from '../services/copy-store.js';
import { createDial } from '../services/dial.js';
import { createDialCloud } from '../services/dial-cloud.js';
import { createDiscovery } from '../services/discovery.js';
import { createDrainStore } from '../services/drain-store.js';
import { createGetConfiguration } from '../services/get-configuration.js';
import { Heartbeats } from '../services/heartbeat.js';
import { createInspection } from '../services/inspection.js';
import { createKnownPeers } from '../services/known-peers.js';
import { createLink } from '../services/link.js';
import { createListen } from '../services/listen.js';
import { createLiveness } from '../services/liveness.js';
import { createMetrics } from '../services/metrics.js';
import { createOpenStore } from '../services/open-store.js';
import { createOplogFeed } from '../services/oplog-feed.js';
import { KeptParcels } from '../services/parcels.js';
import { createReadBatch } from '../services/read-batch.js';
import { createRequestToken } from '../services/request-token.js';
import { createResealer } from '../services/resealer.js';
import { createStoreHealth } from '../services/store-health.js';
import { createVerifyToken } from '../services/verify-token.js';
import type { NodeStatus } from './status.js';

/** What a node needs of the outside world. */
export interface Ports {
  readonly network: Network;
  readonly time: Time;
  readonly randomness: Randomness;
  readonly http: Http;
  readonly environment: Environment;
}

/** One actor for each slot; replace any of them to build a node of your own. */
export type Services = { readonly [Slot in keyof typeof slots]: (typeof slots)[Slot] };

/** What belongs to one node, besides its ports. */
export interface Particulars {
  readonly provider: PeerNodeConfigurationProvider;
  /** The commands that the control socket answers. */
  commands(): ControlCommands;
  /** The status of the node, for its metrics. */
  status(): Promise<NodeStatus>;
  /**
   * The directory that relative paths in the configuration start from. Default: the working directory of the process
   * when a path is read.
   */
  readonly workingDirectory?: string;
}

/** The services of this package over the given ports. */
export function createServices(ports: Ports, { provider, commands, status, workingDirectory }: Particulars): Services {
  const meter = new Meter();
  const acquaintances = new Acquaintances();
  // All links share one ticker for their heartbeats, and those heartbeats tell which nodes are live.
  const shared = {
    time: ports.time,
    heartbeats: new Heartbeats(ports.time),
    meter,
    acquaintances,
    keptParcels: new KeptParcels(),
  };
  return {
    getConfiguration: createGetConfiguration(provider),
    configurationFeed: createConfigurationFeed(provider),
    configure: createConfigure({ ...ports, ...(workingDirectory !== undefined && { workingDirectory }) }),
    openStore: createOpenStore({ ...ports, meter }),
    copyStore: createCopyStore(),
    drainStore: createDrainStore(),
    storeHealth: createStoreHealth(ports),
    listen: createListen({ ...ports, acquaintances }),
    close: createClose(),
    connections: createConnections(ports),
    control: createControl(ports, commands),
    inspection: createInspection(ports),
    metrics: createMetrics({ meter }, status),
    discovery: createDiscovery({ ...ports, acquaintances }),
    knownPeers: createKnownPeers(),
    dial: createDial({ ...ports, acquaintances }),
    liveness: createLiveness(shared),
    cloudPeers: createCloudPeers(),
    resealer: createResealer(ports),
    requestToken: createRequestToken(ports),
    dialCloud: createDialCloud(ports),
    verifyToken: createVerifyToken(ports),
    link: createLink(shared),
    readBatch: createReadBatch(ports),
    batchApplier: createBatchApplier(ports),
    oplogFeed: createOplogFeed(ports),
  };
}

/**
 * A node machine with every slot filled.
 *
 * @example
 * const provider = staticConfiguration({ nodeId: 'shop-1', clusterKey, clusterSalt });
 * const status = () => nodeStatusOf(actor.getSnapshot());
 * const services = createServices(systemPorts(), { provider, commands: () => ({}), status });
 * const machine = composeNode({ ...services, discovery: myDiscovery });
 * const input = { newBoot, random, now: Date.now, monotonicMs: () => performance.now() };
 * const actor = createActor(machine, { input });
 */
export function composeNode(services: Services): NodeMachine {
  const session = composeSession(services);
  const peer = peerMachine.provide({ actors: services });
  const membership = membershipMachine.provide({ actors: { ...services, session, peer } });
  const election = electionMachine.provide({ actors: services });
  const gateway = gatewayMachine.provide({ actors: { ...services, session } });
  const uplink = uplinkMachine.provide({ actors: { ...services, gateway } });
  const reception = composeReception(services);
  const reconfiguration = reconfigurationMachine.provide({ actors: services });
  return nodeMachine.provide({
    actors: { ...services, reconfiguration, membership, election, uplink, reception },
  });
}

/** A reception with every slot filled, including the slots of its wards and their sessions. */
export function composeReception(services: Services): ReceptionMachine {
  const ward = wardMachine.provide({ actors: { session: composeSession(services) } });
  return receptionMachine.provide({ actors: { ward } });
}

/** A session machine with every slot filled, for any parent of sessions. */
export function composeSession(services: Services): SessionMachine {
  const sender = senderMachine.provide({ actors: services });
  const receiver = receiverMachine.provide({ actors: services });
  const credential = credentialMachine.provide({ actors: services });
  return sessionMachine.provide({ actors: { ...services, sender, receiver, credential } });
}
