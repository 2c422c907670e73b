/** What a node makes of its configuration before it begins. */
import type { ClusterKeys } from '../core/keys.js';
import type { ListenSecurity } from '../ports/ports.js';
import type { RemotePeerDocument } from '../remote-peers/remote-peer.js';
import type { Configuration, InitialRemotePeer } from './schema.js';

/** A configuration that is checked, with what was derived from it. */
export interface Configured {
  readonly configuration: Configuration;
  /** `psk` or `none` for a member of a cluster; a cloud node has a certificate. */
  readonly security: ListenSecurity;
  readonly keys: ClusterKeys | undefined;
  /** Authorities to trust in place of the system's, for cloud peers and OAuth2: PEM. */
  readonly ca: string | undefined;
  /** The initial remote peers of the configuration, ready to be stored: their secrets are sealed. */
  readonly initialPeers: readonly RemotePeerDocument[];
  /** The same as they were written. A function, since there may be secrets in them. */
  readonly initialRemotePeers: () => readonly InitialRemotePeer[];
}

/** How often a session beats, and compares clocks. */
export interface Intervals {
  readonly heartbeatIntervalMs: number;
  readonly syncIntervalMs: number;
}
