/**
 * The configuration of a node as a user writes it.
 *
 * The words of each field are those of the schema, which the command line and the JSON Schema show; a test keeps them
 * equal. They are repeated here because editors show the comments of types, and an inferred type has none.
 */

/** The configuration as a user writes it: every field but `nodeId` has a default. */
export interface ConfigurationInput {
  /**
   * Name of this node in its cluster, and of its database file. 1 to 64 letters, digits, dots, underscores and hyphens;
   * the first is a letter or digit.
   */
  nodeId: string;
  /** Directory of the database and the control socket. Default: ./data. */
  dataDir?: string | undefined;
  /** Address to listen on. Default: 127.0.0.1, or all interfaces with lan. */
  host?: string | undefined;
  /** TCP port to listen on. 0 lets the system choose a free one. Default: 0. */
  port?: number | undefined;
  /**
   * Open the node to the local network: listen on every interface and announce the node on it. Without lan, both stay
   * on this machine. Default: false.
   */
  lan?: boolean | undefined;
  /**
   * How members protect their connections. psk: encrypted and authenticated with clusterKey. none: neither; any host
   * that can connect reads and writes everything. Default: psk.
   */
  security?: 'psk' | 'none' | undefined;
  /** Shared secret of the cluster, the same on every member: 12 to 1024 characters. Required with security psk. */
  clusterKey?: string | undefined;
  /**
   * Keys to accept besides clusterKey while it is replaced, at most 3. To rotate: add the new key here on every node;
   * then make it clusterKey and accept the old one; then remove the old one.
   */
  acceptedClusterKeys?: string[] | undefined;
  /**
   * Salt for deriving keys from clusterKey, the same on every member: 8 to 128 characters. Required with clusterKey.
   */
  clusterSalt?: string | undefined;
  /** Announce this node and find other nodes by UDP beacons. Default: true. */
  discovery?: boolean | undefined;
  /** UDP port of the beacons, the same on every node of the network. Default: 25000. */
  discoveryPort?: number | undefined;
  /**
   * How often this node announces itself, in ms. A longer interval sends fewer datagrams, but new nodes are found
   * later. Default: 5000.
   */
  beaconIntervalMs?: number | undefined;
  /**
   * How often each session sends a heartbeat, in ms. A longer interval sends less, but a lost peer is noticed later.
   * Default: 1000.
   */
  heartbeatIntervalMs?: number | undefined;
  /**
   * How often two nodes compare vector clocks while they differ, in ms. A longer interval sends less, but missing
   * entries are found later. Default: 2000.
   */
  syncIntervalMs?: number | undefined;
  /** Peers to dial besides discovered and stored ones, with host:port; at most 256. */
  knownPeers?: { nodeId: string; address: string }[] | undefined;
  /**
   * member: belongs to a cluster. cloud: accepts only nodes with an access token, without discovery and election.
   * Default: member.
   */
  role?: 'member' | 'cloud' | undefined;
  /** Whether this node may be elected leader. The leader connects the cluster to the cloud. Default: true. */
  eligible?: boolean | undefined;
  /**
   * How often this node checks again who leads, in ms, besides at each change. A longer interval can delay the
   * replacement of a lost leader. Default: 5000.
   */
  electionIntervalMs?: number | undefined;
  /**
   * How long a leader may reach no cloud peer before it lets another node lead, in ms. A longer time avoids needless
   * changes, but the cluster stays offline longer. Default: 90000.
   */
  yieldAfterMs?: number | undefined;
  /**
   * Remote peers to store if the cluster does not know them yet. They never override later changes or removals. At most
   * 256.
   */
  initialRemotePeers?:
    | {
        nodeId: string;
        address: string;
        type: 1 | 2 | 'StaticRemote' | 'CloudRemote';
        oAuth2?:
          | {
              authority: string;
              clientId: string;
              clientSecret?: string | undefined;
              scopes?: string[] | undefined;
              audience?: string | undefined;
            }
          | undefined;
        isEnabled?: boolean | undefined;
      }[]
    | undefined;
  /**
   * Environment variables that stored cloud peers may name as client secret, each with the origin of the authority that
   * may receive it; at most 64.
   */
  secretVariables?: { name: string; origin: string }[] | undefined;
  /** Origins where an authority may have its token endpoint and its keys, besides its own origin; at most 16. */
  authorityOrigins?: string[] | undefined;
  /** PEM file of certificate authorities to trust for the cloud, in place of the system's. */
  ca?: string | undefined;
  /** Allow unencrypted cloud connections (tcp://, ws://) on loopback. Default: false. */
  plaintextCloud?: boolean | undefined;
  /** Certificate of a cloud node with its chain: a PEM file. */
  tlsCert?: string | undefined;
  /** Private key of a cloud node: a PEM file. */
  tlsKey?: string | undefined;
  /** Issuer of the access tokens that a cloud node accepts: an https URL (http on loopback). */
  authority?: string | undefined;
  /**
   * Product of the authority. Sets scopeClaim, audienceClaim and tokenTypes for its access tokens, and refuses its ID
   * tokens. Default: tokens as in RFC 9068.
   */
  authorityPreset?: 'entra' | 'okta' | 'auth0' | 'keycloak' | 'cognito' | undefined;
  /** Audience that access tokens for a cloud node must have. In a file, a list means any one of them. */
  audience?: string | string[] | undefined;
  /** Scope that access tokens for a cloud node must have. Default: entgldb:sync. */
  scope?: string | undefined;
  /**
   * Claim of an access token that holds its scopes, as a text or a list. Dots lead into objects (realm_access.roles).
   * Default: scope, or as authorityPreset sets it.
   */
  scopeClaim?: string | undefined;
  /** Claim of an access token that holds its audience. Default: aud, or as authorityPreset sets it. */
  audienceClaim?: string | undefined;
  /**
   * Types (typ) of access tokens that a cloud node accepts: at+jwt (RFC 9068), or JWT or absent for authorities that
   * set no other type. Default: at+jwt, or as authorityPreset sets it.
   */
  tokenTypes?: ('at+jwt' | 'JWT' | 'absent')[] | undefined;
  /** Show the statecharts of this node in a browser of this machine. Default: off. */
  inspector?:
    | {
        port?: number | undefined;
        collector?: string | undefined;
        trace?: string | undefined;
        stately?: boolean | undefined;
      }
    | undefined;
  /** Port on loopback for Prometheus metrics, at /metrics. 0 lets the system choose a free one. Default: off. */
  metricsPort?: number | undefined;
  /** Open the control socket in dataDir, which the command line uses. Default: false. */
  control?: boolean | undefined;
  /** Least severe level that is logged. trace and debug can log much. Default: info. */
  logLevel?: 'error' | 'trace' | 'debug' | 'info' | 'warn' | 'silent' | undefined;
}
