/** What a node derives from its configuration before it starts. */
import type { ClusterKeys } from '../core/keys.js';
import type { ListenSecurity } from '../ports/ports.js';
import type { RemotePeerDocument } from '../remote-peers/remote-peer.js';
import type { Configuration, InitialRemotePeer } from './schema.js';

/** A checked configuration, with the values derived from it. */
export interface Configured {
  readonly configuration: Configuration;
  /** `psk` or `none` for a member of a cluster; a cloud node has a certificate. */
  readonly security: ListenSecurity;
  readonly keys: ClusterKeys | undefined;
  /** Certificate authorities to trust in place of the system's, for cloud peers and OAuth2: PEM. */
  readonly ca: string | undefined;
  /** The initial remote peers of the configuration, ready to be stored: their secrets are sealed. */
  readonly initialPeers: readonly RemotePeerDocument[];
  /** The initial remote peers as written. A function, because they may contain secrets. */
  readonly initialRemotePeers: () => readonly InitialRemotePeer[];
}

/** How often a session sends heartbeats, and how often it compares clocks. */
export interface Intervals {
  readonly heartbeatIntervalMs: number;
  readonly syncIntervalMs: number;
}
