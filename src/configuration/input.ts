/**
 * What a user writes as the configuration of a node.
 *
 * The words of each field are those of the schema, which command line and JSON Schema show: a test holds them together. They stand here
 * because editors show comments of types, and no comment survives in a type that is inferred.
 */

/** What a user writes: everything but `nodeId` has a default. */
export interface ConfigurationInput {
  /** Names this node in its cluster; also names its database file. */
  nodeId: string;
  /** Where the database and the control socket are. Default: ./data. */
  dataDir?: string | undefined;
  /** Address to listen on. Default: 127.0.0.1, or all interfaces with lan. */
  host?: string | undefined;
  /** Port to listen on; 0 lets the system choose one. Default: 0. */
  port?: number | undefined;
  /** Open up to the local network: listen on and announce to every interface. Default: false. */
  lan?: boolean | undefined;
  /** none: no encryption and no authentication whatsoever. Default: psk. */
  security?: 'psk' | 'none' | undefined;
  /** The shared secret of the cluster; a passphrase is stretched. */
  clusterKey?: string | undefined;
  /**
   * Keys accepted beside clusterKey while one takes the place of another: add the new one here on every node, then
   * make it clusterKey and the old one accepted, then drop that.
   */
  acceptedClusterKeys?: string[] | undefined;
  /** Salt of the stretching, the same on every node. */
  clusterSalt?: string | undefined;
  /** Announce this node and find others by UDP beacons. Default: true. */
  discovery?: boolean | undefined;
  /** UDP port of the beacons, the same on every node of the network. Default: 25000. */
  discoveryPort?: number | undefined;
  /** How often this node announces itself. Longer: new nodes are found later, with fewer datagrams. Default: 5000. */
  beaconIntervalMs?: number | undefined;
  /** How often a session that is silent shows that it lives. Longer: a lost peer is noticed later. Default: 1000. */
  heartbeatIntervalMs?: number | undefined;
  /** How often nodes that differ compare vector clocks. Default: 2000. */
  syncIntervalMs?: number | undefined;
  /** Peers to dial besides those discovered and those stored. */
  knownPeers?: { nodeId: string; address: string }[] | undefined;
  /** cloud: only answers nodes that show an access token; no discovery, no election. Default: member. */
  role?: 'member' | 'cloud' | undefined;
  /** Whether this node may be elected leader, and so connect to the cloud. Default: true. */
  eligible?: boolean | undefined;
  /** How often nodes agree on who leads. Longer: a lost leader is replaced later. Default: 5000. */
  electionIntervalMs?: number | undefined;
  /** How long a leader may reach no cloud peer before it lets another node lead. Default: 90000. */
  yieldAfterMs?: number | undefined;
  /** Remote peers to store when the cluster knows nothing of them: changes nothing later. */
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
   * Environment variables that stored cloud peers may name as client secret, each with the origin of the authority
   * that may be sent it.
   */
  secretVariables?: { name: string; origin: string }[] | undefined;
  /** Origins, besides its own, at which an authority may have its token endpoint and its keys. */
  authorityOrigins?: string[] | undefined;
  /** File of certificates (PEM) to trust for the cloud, not those of the system. */
  ca?: string | undefined;
  /** Allow cloud connections without encryption (tcp://, ws://) on loopback. Default: false. */
  plaintextCloud?: boolean | undefined;
  /** Certificate of a cloud node: a PEM file, with its chain. */
  tlsCert?: string | undefined;
  /** Private key of a cloud node: a PEM file. */
  tlsKey?: string | undefined;
  /** Issuer of the access tokens that a cloud node takes. */
  authority?: string | undefined;
  /**
   * Product of the authority. Sets scopeClaim, audienceClaim and tokenTypes to what its access tokens have, and
   * refuses its ID tokens. Default: tokens as in RFC 9068.
   */
  authorityPreset?: 'entra' | 'okta' | 'auth0' | 'keycloak' | 'cognito' | undefined;
  /** Audience that an access token must have for a cloud node; in a file also a list, of which it must have one. */
  audience?: string | string[] | undefined;
  /** Scope that an access token must have for a cloud node. Default: entgldb:sync. */
  scope?: string | undefined;
  /**
   * Claim of an access token that holds its scopes, as text or list; dots lead into objects (realm_access.roles).
   * Default: scope, or what authorityPreset sets.
   */
  scopeClaim?: string | undefined;
  /** Claim of an access token that holds its audience. Default: aud, or what authorityPreset sets. */
  audienceClaim?: string | undefined;
  /**
   * Types (typ) of access tokens that a cloud node takes: at+jwt (RFC 9068); JWT or absent for authorities that say
   * no more of theirs. Default: at+jwt, or what authorityPreset sets.
   */
  tokenTypes?: ('at+jwt' | 'JWT' | 'absent')[] | undefined;
  /** Show the statecharts of this node in a browser of this machine. Off when left out. */
  inspector?:
    | {
        port?: number | undefined;
        collector?: string | undefined;
        trace?: string | undefined;
        stately?: boolean | undefined;
      }
    | undefined;
  /** Serve metrics for Prometheus on this port of loopback, at /metrics; 0: any. Off when left out. */
  metricsPort?: number | undefined;
  /** Open the control socket of the command line in dataDir. Default: false. */
  control?: boolean | undefined;
  /** The least important messages that are logged. Default: info. */
  logLevel?: 'error' | 'trace' | 'debug' | 'info' | 'warn' | 'silent' | undefined;
}
