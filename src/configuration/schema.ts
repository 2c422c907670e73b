/**
 * The configuration of a node: one schema for files, the environment, command lines and programs.
 *
 * Defaults are safe: a node listens and announces itself on this machine only, and does not start without a cluster key
 * unless it is told to.
 */
import { z } from 'zod';
import { parseAddress } from '../core/address.js';
import type { ConnectionLimits } from '../core/admission.js';
import { isSafeOrigin } from '../core/authority-target.js';
import { isNodeId } from '../core/ids.js';
import { limits } from '../core/limits.js';
import { authorityPresets, tokenTypes } from '../core/token-shape.js';

const milliseconds = (from: number, to: number) => z.int().min(from).max(to);

const nodeId = z
  .string()
  .refine(isNodeId, `use 1 to ${limits.nodeIdLengthMax} of A-Z a-z 0-9 . _ - and start with a letter or digit`);

const address = z.string().refine((text) => {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}, 'use host:port, for example 192.168.1.50:9000');

/** Of a file or directory. The system ends names at NUL, and Node.js throws at one, in whatever looks at the file. */
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'it is no path: it has a NUL');
const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'use the name of an environment variable');

const origin = z
  .string()
  .refine(isSafeOrigin, 'use an origin such as https://identity.example.com, without a path (http on loopback only)');

const claimName = z.string().min(1).max(128);

export type { ConfigurationInput } from './input.js';

/** Unknown fields are refused: a misspelt one would silently leave a default in force. */
export const configurationSchema = z.strictObject({
  nodeId: nodeId.describe('Names this node in its cluster; also names its database file.'),
  dataDir: path.default('./data').describe('Where the database and the control socket are.'),
  host: z.string().min(1).optional().describe('Address to listen on. Default: 127.0.0.1, or all interfaces with lan.'),
  port: z.int().min(0).max(65_535).default(0).describe('Port to listen on; 0 lets the system choose one.'),
  lan: z.boolean().default(false).describe('Open up to the local network: listen on and announce to every interface.'),
  security: z.enum(['psk', 'none']).default('psk').describe('none: no encryption and no authentication whatsoever.'),
  clusterKey: z
    .string()
    .min(12)
    .max(1_024)
    .optional()
    .describe('The shared secret of the cluster; a passphrase is stretched.'),
  acceptedClusterKeys: z
    .array(z.string().min(12).max(1_024))
    .max(limits.acceptedKeysMax)
    .default([])
    .describe(
      'Keys accepted beside clusterKey while one takes the place of another: add the new one here on every node, then make it clusterKey and the old one accepted, then drop that.',
    ),
  clusterSalt: z.string().min(8).max(128).optional().describe('Salt of the stretching, the same on every node.'),
  discovery: z.boolean().default(true).describe('Announce this node and find others by UDP beacons.'),
  discoveryPort: z
    .int()
    .min(1)
    .max(65_535)
    .default(25_000)
    .describe('UDP port of the beacons, the same on every node of the network.'),
  beaconIntervalMs: milliseconds(100, 60_000)
    .default(5_000)
    .describe('How often this node announces itself. Longer: new nodes are found later, with fewer datagrams.'),
  heartbeatIntervalMs: milliseconds(50, limits.heartbeatIntervalMaxMs)
    .default(1_000)
    .describe('How often a session that is silent shows that it lives. Longer: a lost peer is noticed later.'),
  syncIntervalMs: milliseconds(50, 600_000)
    .default(2_000)
    .describe('How often nodes that differ compare vector clocks.'),
  knownPeers: z
    .array(z.strictObject({ nodeId, address }))
    .max(limits.peersMax)
    .default([])
    .describe('Peers to dial besides those discovered and those stored.'),
  role: z
    .enum(['member', 'cloud'])
    .default('member')
    .describe('cloud: only answers nodes that show an access token; no discovery, no election.'),
  eligible: z.boolean().default(true).describe('Whether this node may be elected leader, and so connect to the cloud.'),
  electionIntervalMs: milliseconds(100, 600_000)
    .default(5_000)
    .describe('How often nodes agree on who leads. Longer: a lost leader is replaced later.'),
  yieldAfterMs: milliseconds(1_000, 3_600_000)
    .default(90_000)
    .describe('How long a leader may reach no cloud peer before it lets another node lead.'),
  initialRemotePeers: z
    .array(
      z.strictObject({
        nodeId,
        address: z.string().min(1).max(2_048),
        type: z.literal(['StaticRemote', 'CloudRemote', 1, 2]),
        oAuth2: z
          .strictObject({
            authority: z.string(),
            clientId: z.string(),
            clientSecret: z.string().optional(),
            scopes: z.array(z.string()).optional(),
            audience: z.string().optional(),
          })
          .optional(),
        isEnabled: z.boolean().optional(),
      }),
    )
    .max(limits.peersMax)
    .default([])
    .describe('Remote peers to store when the cluster knows nothing of them: changes nothing later.'),
  secretVariables: z
    .array(z.strictObject({ name: variableName, origin }))
    .max(limits.secretVariablesMax)
    .default([])
    .describe(
      'Environment variables that stored cloud peers may name as client secret, each with the origin of the authority that may be sent it.',
    ),
  authorityOrigins: z
    .array(origin)
    .max(limits.authorityOriginsMax)
    .default([])
    .describe('Origins, besides its own, at which an authority may have its token endpoint and its keys.'),
  ca: path.optional().describe('File of certificates (PEM) to trust for the cloud, not those of the system.'),
  plaintextCloud: z
    .boolean()
    .default(false)
    .describe('Allow cloud connections without encryption (tcp://, ws://) on loopback.'),
  tlsCert: path.optional().describe('Certificate of a cloud node: a PEM file, with its chain.'),
  tlsKey: path.optional().describe('Private key of a cloud node: a PEM file.'),
  authority: z.string().min(1).optional().describe('Issuer of the access tokens that a cloud node takes.'),
  authorityPreset: z
    .enum(authorityPresets)
    .optional()
    .describe(
      'Product of the authority. Sets scopeClaim, audienceClaim and tokenTypes to what its access tokens have, and refuses its ID tokens. Default: tokens as in RFC 9068.',
    ),
  audience: z
    .string()
    .min(1)
    .or(z.array(z.string().min(1)).min(1).max(limits.audiencesMax))
    .optional()
    .describe(
      'Audience that an access token must have for a cloud node; in a file also a list, of which it must have one.',
    ),
  scope: z.string().min(1).default('entgldb:sync').describe('Scope that an access token must have for a cloud node.'),
  scopeClaim: claimName
    .optional()
    .describe(
      'Claim of an access token that holds its scopes, as text or list; dots lead into objects (realm_access.roles). Default: scope, or what authorityPreset sets.',
    ),
  audienceClaim: claimName
    .optional()
    .describe('Claim of an access token that holds its audience. Default: aud, or what authorityPreset sets.'),
  tokenTypes: z
    .array(z.enum(tokenTypes))
    .min(1)
    .max(tokenTypes.length)
    .optional()
    .describe(
      'Types (typ) of access tokens that a cloud node takes: at+jwt (RFC 9068); JWT or absent for authorities that say no more of theirs. Default: at+jwt, or what authorityPreset sets.',
    ),
  inspector: z
    .strictObject({
      port: z.int().min(0).max(65_535).optional().describe('Serve the page on this port of loopback; 0: any.'),
      collector: z.string().min(1).max(2_048).optional().describe('Send to the inspector of another process: ws://…'),
      trace: path.optional().describe('Record to this file, which is replaced; older ones get .1, .2, …'),
      stately: z
        .boolean()
        .optional()
        .describe("Let the page relay to Stately's public inspector, if somebody asks it to."),
    })
    .optional()
    .describe('Show the statecharts of this node in a browser of this machine. Off when left out.'),
  metricsPort: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('Serve metrics for Prometheus on this port of loopback, at /metrics; 0: any. Off when left out.'),
  control: z.boolean().default(false).describe('Open the control socket of the command line in dataDir.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('The least important messages that are logged.'),
});

/** What a node works with: checked and complete, without the secret, so that it may be shown. */
export type Configuration = Omit<
  z.output<typeof configurationSchema>,
  'clusterKey' | 'acceptedClusterKeys' | 'initialRemotePeers'
>;
/** How the statecharts of a node may be watched. */
export type InspectorSettings = NonNullable<Configuration['inspector']>;
/** A remote peer as a configuration names it. Its secret may be a literal one. */
export type InitialRemotePeer = z.output<typeof configurationSchema>['initialRemotePeers'][number];

/** How many connections a node takes: a cloud node has guests, from however few addresses. */
export function connectionLimitsOf({ role }: Configuration): ConnectionLimits {
  if (role !== 'cloud') return limits;
  return { ...limits, connectionsMax: limits.guestsMax, connectionsPerAddressMax: limits.guestsMax };
}

/** Where a configuration listens. */
export function listeningHost(configuration: Configuration): string {
  return configuration.host ?? (configuration.lan ? '::' : '127.0.0.1');
}
