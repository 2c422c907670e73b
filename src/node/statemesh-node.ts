/** The interface of a node for the program that embeds it. */
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

/** The type of an event, or `*` for all events. */
export type NodeEventType = NodeEvent['type'] | '*';

/** A node: its documents, its stored peers, its status, its events, and its life from `start()` to `stop()`. */
export interface StatemeshNode extends Database, PeerManagement, AsyncDisposable {
  /**
   * The node's actor, for subscriptions, inspection and snapshots. After `createNode`, its `stop()` starts {@link
   * StatemeshNode.stop}; an actor of `nodeLogic` closes everything without a goodbye.
   */
  readonly actor: ActorRefFrom<NodeMachine>;
  /**
   * The stored peers, in the interface of the seed document "Dynamic Reconfiguration". See also {@link PeerManagement}.
   */
  readonly peerStore: PeerStore;
  /** The state of each peer. A cloud node lists its guests. */
  readonly peers: readonly PeerStatus[];
  /** The state of each cloud peer. Only the leader's gateways connect. */
  readonly gateways: readonly GatewayStatus[];
  /** The stage of its life. Documents can be read and written while it is `running`. */
  readonly state: NodeState;
  /** Whether this node leads its cluster. The leader connects to the cloud. `leadership.changed` reports changes. */
  readonly isLeader: boolean;
  /** The NodeId of the leader; undefined while this node knows none. */
  readonly leaderId: NodeId | undefined;
  /**
   * Changes fields of the configuration while the node serves. A field that is `undefined` is reset to its default.
   * Several calls in quick succession may become one reconfiguration; for each field the last call wins. The change is
   * not written back to the provider: when the provider later changes a field, its value replaces this one.
   *
   * @returns the changed fields with their old and new values, the duration, and how long writes and new connections
   * had to wait, all in ms
   * @throws StatemeshError `configurationInvalid` and the other errors of `start()`, `reconfigurationQueueFull`,
   * `notRunning`; in that case the previous configuration stays in force
   *
   * @example
   * const { changes, tookMs } = await node.reconfigure({ port: 9001 });
   */
  reconfigure(partial: Partial<ConfigurationInput>): Promise<Reconfiguration>;
  /**
   * Sets whether this node may be elected: `reconfigure({ eligible })`. A leader that becomes ineligible steps down at
   * once.
   */
  setEligible(isEligible: boolean): Promise<Reconfiguration>;
  /**
   * The whole status, from the actors and the database. The database's part is undefined while none is open.
   *
   * @throws StatemeshError `storeClosed` when the node stops meanwhile
   */
  status(): Promise<NodeStatus>;
  /**
   * Makes a backup of the database while the node serves, for `restoreDatabase`. The file appears once it is complete,
   * and replaces a file of the same name.
   *
   * @param onProgress Called after each step with the number of pages copied and in total
   * @throws StatemeshError `requestInvalid`, `diskFull`, `databaseUnavailable`, `storeClosed` when the node stops
   * meanwhile, `notRunning`
   *
   * @example
   * await node.backUp('/backups/shop-1.db', ({ pages, pagesTotal }) => console.log(`${pages} of ${pagesTotal}`));
   */
  backUp(path: string, onProgress?: (progress: BackupProgress) => void): Promise<void>;
  /**
   * Finds other databases in the data directory that no process has open and that hold entries which this node lacks. A
   * node that was stopped and started under another NodeId leaves such a database, with every entry that it had not yet
   * sent. Changes nothing in them.
   *
   * @throws StatemeshError `notRunning`
   */
  databasesLeftBehind(): Promise<readonly DatabaseLeftBehind[]>;
  /**
   * Starts the node. Resolves once it is running.
   *
   * @throws StatemeshError `configurationInvalid`, `clusterKeyMissing`, `portInUse`, `addressUnavailable`,
   * `databaseInUse`, `databaseForeign`, `databaseCorrupt`, `databaseUnavailable`, `controlUnavailable`,
   * `alreadyStarted` on the second call and for an actor that the program has started itself
   */
  start(): Promise<void>;
  /** Says goodbye to the peers, finishes pending writes, and closes everything. Resolves once nothing is left open. */
  stop(): Promise<void>;
  /**
   * Subscribes to events of one type, or with `*` to all events. Returns a function that ends the subscription.
   *
   * @example
   * const stop = node.on('*', (event) => console.log(event.type));
   */
  on<Type extends NodeEventType>(
    type: Type,
    listener: (event: Type extends '*' ? NodeEvent : Extract<NodeEvent, { type: Type }>) => void,
  ): () => void;
}
