/** A node as the program that embeds it sees it. */
import type { ActorRefFrom } from 'xstate';
import type { NodeEvent } from '../actors/mailboxes.js';
import type { Reconfiguration } from '../configuration/reconfiguration.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import type { NodeId } from '../core/ids.js';
import type { Database } from '../database/database.js';
import type { NodeMachine } from '../machines/node.machine.js';
import type { BackupProgress } from '../ports/store.js';
import type { PeerManagement, PeerStore } from '../remote-peers/management.js';
import type { DatabaseLeftBehind } from '../store/left-behind.js';
import type { NodeState } from './actor-tree.js';
import type { GatewayStatus, NodeStatus, PeerStatus } from './status.js';

/** What `on` takes: the type of an event, or `*` for all. */
export type NodeEventType = NodeEvent['type'] | '*';

export interface StatemeshNode extends Database, PeerManagement, AsyncDisposable {
  /** The root actor: subscribe to it, inspect it, take its snapshot. Its `stop()` begins what {@link StatemeshNode.stop} does. */
  readonly actor: ActorRefFrom<NodeMachine>;
  /** The stored peers as the seed document "Dynamic Reconfiguration" has them; see also {@link PeerManagement}. */
  readonly peerStore: PeerStore;
  /** How things stand with each peer. */
  readonly peers: readonly PeerStatus[];
  /** How things stand with each cloud peer. Only the leader's gateways connect. */
  readonly gateways: readonly GatewayStatus[];
  readonly state: NodeState;
  /** Whether this node leads its cluster, and so connects to the cloud. `on('leadership.changed')` tells of changes. */
  readonly isLeader: boolean;
  /** The leader, as far as this node knows; undefined while it knows none. */
  readonly leaderId: NodeId | undefined;
  /**
   * Changes some fields of the configuration while the node serves; a field that is `undefined` goes back to its default. Several in
   * quick succession become one, and the last wins. Where the configuration comes from hears nothing of it: what a provider
   * changes later replaces it, field by field.
   *
   * @returns what changed from what to what, how long it took, and how long writes and connections had to wait
   * @throws StatemeshError `configurationInvalid` and the other errors of `start()`, `reconfigurationQueueFull`, `notRunning`; the
   * configuration that was in force still is then
   *
   * @example
   * const { changes, tookMs } = await node.reconfigure({ port: 9001 });
   */
  reconfigure(partial: Partial<ConfigurationInput>): Promise<Reconfiguration>;
  /** Lets this node be elected, or not, from now on: `reconfigure({ eligible })`. A leader that may not lead steps down at once. */
  setEligible(isEligible: boolean): Promise<Reconfiguration>;
  status(): Promise<NodeStatus>;
  /**
   * Copies the database into a file, while the node serves: what `restoreDatabase` puts back. It appears when it is whole; a file of
   * that name is replaced.
   *
   * @throws StatemeshError `diskFull`, `databaseUnavailable`, `storeClosed` when the node stops meanwhile, `notRunning`
   *
   * @example
   * await node.backUp('/backups/shop-1.db', ({ pages, pagesTotal }) => console.log(`${pages} of ${pagesTotal}`));
   */
  backUp(path: string, onProgress?: (progress: BackupProgress) => void): Promise<void>;
  /**
   * Finds other databases in the data directory that no process has open and that have entries which this node lacks. A node
   * that was stopped and started under another NodeId leaves one, with every entry that it had not sent yet. This reads
   * them, and changes nothing.
   *
   * @throws StatemeshError `notRunning`
   */
  databasesLeftBehind(): Promise<readonly DatabaseLeftBehind[]>;
  /**
   * Resolves when the node is running.
   * @throws StatemeshError `configurationInvalid`, `clusterKeyMissing`, `portInUse`, `addressUnavailable`,
   * `databaseInUse`, `databaseForeign`, `databaseCorrupt`, `databaseUnavailable`, `controlUnavailable`, `alreadyStarted`
   */
  start(): Promise<void>;
  /** Says goodbye to the peers, finishes the writes at hand, and resolves when nothing is left open. */
  stop(): Promise<void>;
  /**
   * Hears what happens: events of one type, or with `*` all of them. Returns how to stop hearing it.
   *
   * @example
   * const stop = node.on('*', (event) => console.log(event.type));
   */
  on<Type extends NodeEventType>(
    type: Type,
    listener: (event: Type extends '*' ? NodeEvent : Extract<NodeEvent, { type: Type }>) => void,
  ): () => void;
}
