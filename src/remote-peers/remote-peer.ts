/** Remote peers: nodes outside the reach of beacons, as the seed document "Remote Peer Configuration" describes them. */
import type { CollectionName, DocumentKey, NodeId } from '../core/ids.js';

/** What kind of peer it is: the numbers of the seed document. */
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
  /** The issuer's URL; https, but for loopback. */
  readonly authority: string;
  readonly clientId: string;
  /** `${NAME}` names an environment variable; anything else is stored sealed. */
  readonly clientSecret?: string;
  readonly scopes: readonly string[];
  readonly audience?: string;
}

/** A peer that is stored: a cloud node, or one with a fixed address. */
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

/** A cloud peer, as its gateway takes it. */
export interface CloudPeer extends RemotePeer {
  readonly oAuth2: OAuth2Configuration;
  /** The same secret as in `oAuth2`, sealed again since the cluster key has changed. Either may be the one that can be opened. */
  readonly resealedSecret?: string;
}

/**
 * A document of a `_system_` collection that cannot be used: another program has written it, a newer version of this one, or somebody
 * who means harm. It is left alone until it is removed by its name.
 */
export interface QuarantinedDocument {
  readonly collection: CollectionName;
  /** Its key: of a remote peer the NodeId, if it is one. */
  readonly documentKey: DocumentKey;
  /** Names the field and what is wrong with it; repeats nothing of its content. */
  readonly reason: string;
}

/** A stored peer, as the seed document has it. */
export interface RemotePeerDocument {
  readonly NodeId: string;
  readonly Address: string;
  readonly Type: number;
  /** The JSON text of an {@link OAuth2Configuration}; null for peers that need none. */
  readonly OAuth2Json: string | null;
  readonly IsEnabled: boolean;
}
