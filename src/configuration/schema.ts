/**
 * The configuration of a node: one schema for files, the environment, command lines and programs.
 *
 * Defaults are safe: a node listens and announces itself on this machine only, and does not start without a cluster key
 * unless its configuration says so.
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

/**
 * The path of a file or directory. The system ends names at NUL, and Node.js throws at one in every function that takes
 * a path.
 */
const path = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'it is not a path: it contains a NUL');
const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'use the name of an environment variable');

const origin = z
  .string()
  .refine(isSafeOrigin, 'use an origin such as https://identity.example.com, without a path (http on loopback only)');

const claimName = z.string().min(1).max(128);

export type { ConfigurationInput } from './input.js';

/** Unknown fields are refused: a misspelled field would silently leave a default in force. */
export const configurationSchema = z.strictObject({
  nodeId: nodeId.describe(
    'Name of this node in its cluster, and of its database file. 1 to 64 letters, digits, dots, underscores and hyphens; the first is a letter or digit.',
  ),
  dataDir: path.default('./data').describe('Directory of the database and the control socket.'),
  host: z.string().min(1).optional().describe('Address to listen on. Default: 127.0.0.1, or all interfaces with lan.'),
  port: z.int().min(0).max(65_535).default(0).describe('TCP port to listen on. 0 lets the system choose a free one.'),
  lan: z
    .boolean()
    .default(false)
    .describe(
      'Open the node to the local network: listen on every interface and announce the node on it. Without lan, both stay on this machine.',
    ),
  security: z
    .enum(['psk', 'none'])
    .default('psk')
    .describe(
      'How members protect their connections. psk: encrypted and authenticated with clusterKey. none: neither; any host that can connect reads and writes everything.',
    ),
  clusterKey: z
    .string()
    .min(12)
    .max(1_024)
    .optional()
    .describe(
      'Shared secret of the cluster, the same on every member: 12 to 1024 characters. Required with security psk.',
    ),
  acceptedClusterKeys: z
    .array(z.string().min(12).max(1_024))
    .max(limits.acceptedKeysMax)
    .default([])
    .describe(
      'Keys to accept besides clusterKey while it is replaced, at most 3. To rotate: add the new key here on every node; then make it clusterKey and accept the old one; then remove the old one.',
    ),
  clusterSalt: z
    .string()
    .min(8)
    .max(128)
    .optional()
    .describe(
      'Salt for deriving keys from clusterKey, the same on every member: 8 to 128 characters. Required with clusterKey.',
    ),
  discovery: z.boolean().default(true).describe('Announce this node and find other nodes by UDP beacons.'),
  discoveryPort: z
    .int()
    .min(1)
    .max(65_535)
    .default(25_000)
    .describe('UDP port of the beacons, the same on every node of the network.'),
  beaconIntervalMs: milliseconds(100, 60_000)
    .default(5_000)
    .describe(
      'How often this node announces itself, in ms. A longer interval sends fewer datagrams, but new nodes are found later.',
    ),
  heartbeatIntervalMs: milliseconds(50, limits.heartbeatIntervalMaxMs)
    .default(1_000)
    .describe(
      'How often each session sends a heartbeat, in ms. A longer interval sends less, but a lost peer is noticed later.',
    ),
  syncIntervalMs: milliseconds(50, 600_000)
    .default(2_000)
    .describe(
      'How often two nodes compare vector clocks while they differ, in ms. A longer interval sends less, but missing entries are found later.',
    ),
  knownPeers: z
    .array(z.strictObject({ nodeId, address }))
    .max(limits.peersMax)
    .default([])
    .describe('Peers to dial besides discovered and stored ones, with host:port; at most 256.'),
  role: z
    .enum(['member', 'cloud'])
    .default('member')
    .describe(
      'member: belongs to a cluster. cloud: accepts only nodes with an access token, without discovery and election.',
    ),
  eligible: z
    .boolean()
    .default(true)
    .describe('Whether this node may be elected leader. The leader connects the cluster to the cloud.'),
  electionIntervalMs: milliseconds(100, 600_000)
    .default(5_000)
    .describe(
      'How often this node checks again who leads, in ms, besides at each change. A longer interval can delay the replacement of a lost leader.',
    ),
  yieldAfterMs: milliseconds(1_000, 3_600_000)
    .default(90_000)
    .describe(
      'How long a leader may reach no cloud peer before it lets another node lead, in ms. A longer time avoids needless changes, but the cluster stays offline longer.',
    ),
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
    .describe(
      'Remote peers to store if the cluster does not know them yet. They never override later changes or removals. At most 256.',
    ),
  secretVariables: z
    .array(z.strictObject({ name: variableName, origin }))
    .max(limits.secretVariablesMax)
    .default([])
    .describe(
      'Environment variables that stored cloud peers may name as client secret, each with the origin of the authority that may receive it; at most 64.',
    ),
  authorityOrigins: z
    .array(origin)
    .max(limits.authorityOriginsMax)
    .default([])
    .describe(
      'Origins where an authority may have its token endpoint and its keys, besides its own origin; at most 16.',
    ),
  ca: path.optional().describe("PEM file of certificate authorities to trust for the cloud, in place of the system's."),
  plaintextCloud: z
    .boolean()
    .default(false)
    .describe('Allow unencrypted cloud connections (tcp://, ws://) on loopback.'),
  tlsCert: path.optional().describe('Certificate of a cloud node with its chain: a PEM file.'),
  tlsKey: path.optional().describe('Private key of a cloud node: a PEM file.'),
  authority: z
    .string()
    .min(1)
    .optional()
    .describe('Issuer of the access tokens that a cloud node accepts: an https URL (http on loopback).'),
  authorityPreset: z
    .enum(authorityPresets)
    .optional()
    .describe(
      'Product of the authority. Sets scopeClaim, audienceClaim and tokenTypes for its access tokens, and refuses its ID tokens. Default: tokens as in RFC 9068.',
    ),
  audience: z
    .string()
    .min(1)
    .or(z.array(z.string().min(1)).min(1).max(limits.audiencesMax))
    .optional()
    .describe('Audience that access tokens for a cloud node must have. In a file, a list means any one of them.'),
  scope: z.string().min(1).default('entgldb:sync').describe('Scope that access tokens for a cloud node must have.'),
  scopeClaim: claimName
    .optional()
    .describe(
      'Claim of an access token that holds its scopes, as a text or a list. Dots lead into objects (realm_access.roles). Default: scope, or as authorityPreset sets it.',
    ),
  audienceClaim: claimName
    .optional()
    .describe('Claim of an access token that holds its audience. Default: aud, or as authorityPreset sets it.'),
  tokenTypes: z
    .array(z.enum(tokenTypes))
    .min(1)
    .max(tokenTypes.length)
    .optional()
    .describe(
      'Types (typ) of access tokens that a cloud node accepts: at+jwt (RFC 9068), or JWT or absent for authorities that set no other type. Default: at+jwt, or as authorityPreset sets it.',
    ),
  inspector: z
    .strictObject({
      port: z
        .int()
        .min(0)
        .max(65_535)
        .optional()
        .describe('Port on loopback that serves the page. 0 lets the system choose a free one.'),
      collector: z.string().min(1).max(2_048).optional().describe('Send to the inspector of another process: ws://…'),
      trace: path.optional().describe('Record to this file. Earlier recordings are renamed to .1, .2, …'),
      stately: z.boolean().optional().describe("Allow the page, on request, to relay to Stately's public inspector."),
    })
    .optional()
    .describe('Show the statecharts of this node in a browser of this machine. Default: off.'),
  metricsPort: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe(
      'Port on loopback for Prometheus metrics, at /metrics. 0 lets the system choose a free one. Default: off.',
    ),
  control: z.boolean().default(false).describe('Open the control socket in dataDir, which the command line uses.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least severe level that is logged. trace and debug can log much.'),
});

/** The configuration that a node works with: checked and complete, without secrets, so that it may be shown. */
export type Configuration = Omit<
  z.output<typeof configurationSchema>,
  'clusterKey' | 'acceptedClusterKeys' | 'initialRemotePeers'
>;
/** How the statecharts of a node may be watched. */
export type InspectorSettings = NonNullable<Configuration['inspector']>;
/** A remote peer as a configuration names it. Its secret may be a literal one. */
export type InitialRemotePeer = z.output<typeof configurationSchema>['initialRemotePeers'][number];

/** How many connections a node accepts. A cloud node has guests, which may come from few addresses. */
export function connectionLimitsOf({ role }: Configuration): ConnectionLimits {
  if (role !== 'cloud') return limits;
  return { ...limits, connectionsMax: limits.guestsMax, connectionsPerAddressMax: limits.guestsMax };
}

/** The host on which a configuration listens. */
export function listeningHost(configuration: Configuration): string {
  return configuration.host ?? (configuration.lan ? '::' : '127.0.0.1');
}
