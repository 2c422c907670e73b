/** Remote peers: nodes outside the reach of beacons. */
import type { CollectionName, DocumentKey, NodeId } from '../core/ids.js';

/** The kind of a peer. The numbers are those that EntglDB stores. */
export const PeerType = {
  /** Found by its beacons; never stored. */
  LanDiscovered: 0,
  /** A known node at a fixed address, dialed by every node. */
  StaticRemote: 1,
  /** A cloud node, dialed by the leader only. */
  CloudRemote: 2,
} as const;
export type PeerType = (typeof PeerType)[keyof typeof PeerType];

/** How to get an access token for a cloud peer: the client credentials grant (RFC 6749, section 4.4). */
export interface OAuth2Configuration {
  /** The issuer's URL; https, except on loopback. */
  readonly authority: string;
  readonly clientId: string;
  /** `${NAME}` names an environment variable; any other text is stored sealed. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  readonly audience?: string;
}

/** A stored peer: a cloud node, or one with a fixed address. */
export interface RemotePeer {
  readonly nodeId: NodeId;
  /** `host:port` or `[IPv6]:port`; a cloud peer may also have `wss://host/path`. */
  readonly address: string;
  readonly type: PeerType;
  /** A disabled peer stays known and is not dialed. */
  readonly isEnabled: boolean;
  /** For cloud peers only. */
  readonly oAuth2?: OAuth2Configuration;
}

/** A cloud peer in the form that its gateway takes. */
export interface CloudPeer extends RemotePeer {
  readonly oAuth2: OAuth2Configuration;
  /**
   * The secret of `oAuth2`, sealed again after the cluster key changed. A node may be able to open only one of the two.
   */
  readonly resealedSecret?: string;
}

/**
 * A document of a `_system_` collection that cannot be used: another program, a newer version of this one, or an
 * attacker has written it. It stays untouched until it is removed by its name.
 */
export interface QuarantinedDocument {
  readonly collection: CollectionName;
  /** Its key; for a remote peer the NodeId, if the key is one. */
  readonly documentKey: DocumentKey;
  /** Names the field and its fault; never repeats the content. */
  readonly reason: string;
}

/** A remote peer as it is stored. */
export interface RemotePeerDocument {
  readonly NodeId: string;
  readonly Address: string;
  readonly Type: number;
  /** The JSON text of an {@link OAuth2Configuration}; null for peers that need none. */
  readonly OAuth2Json: string | null;
  readonly IsEnabled: boolean;
}
