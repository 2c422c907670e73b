/**
 * The configuration of a node: one schema for files, the environment, command lines and programs.
 *
 * Defaults are safe: a node listens and announces itself on this machine only, and does not start without a cluster key
 * unless it is told to.
 */
import { z } from 'zod';
import { parseAddress } from '../core/address.js';
import { StatemeshError } from '../core/errors.js';
import { isNodeId } from '../core/ids.js';
import type { ClusterKeySource } from '../core/keys.js';
import { limits } from '../core/limits.js';

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

/** Unknown fields are refused: a misspelt one would silently leave a default in force. */
export const configurationSchema = z.strictObject({
  nodeId: nodeId.describe('Names this node in its cluster; also names its database file.'),
  dataDir: z.string().min(1).default('./data').describe('Where the database and the control socket are.'),
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
  clusterSalt: z.string().min(8).max(128).optional().describe('Salt of the stretching, the same on every node.'),
  discovery: z.boolean().default(true).describe('Announce this node and find others by UDP beacons.'),
  discoveryPort: z.int().min(1).max(65_535).default(25_000),
  beaconIntervalMs: milliseconds(100, 60_000).default(5_000),
  heartbeatIntervalMs: milliseconds(50, limits.heartbeatIntervalMaxMs).default(1_000),
  syncIntervalMs: milliseconds(50, 600_000)
    .default(2_000)
    .describe('How often nodes that differ compare vector clocks.'),
  knownPeers: z
    .array(z.strictObject({ nodeId, address }))
    .max(limits.peersMax)
    .default([])
    .describe('Peers to dial besides those discovered and those stored.'),
  control: z.boolean().default(false).describe('Open the control socket of the command line in dataDir.'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** What a user writes: everything but `nodeId` has a default. */
export type ConfigurationInput = z.input<typeof configurationSchema>;
/** What a node works with: checked and complete, without the secret, so that it may be shown. */
export type Configuration = Omit<z.output<typeof configurationSchema>, 'clusterKey'>;

export interface CheckedConfiguration {
  readonly configuration: Configuration;
  /** What the keys of the cluster are derived from; undefined with security `none`. */
  readonly keySource: ClusterKeySource | undefined;
}

/**
 * Checks a configuration and fills in the defaults.
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`
 */
export function parseConfiguration(input: unknown): CheckedConfiguration {
  const result = configurationSchema.safeParse(input);
  if (!result.success) {
    const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'}: ${issue.message}`);
    throw new StatemeshError('configurationInvalid', `Invalid configuration: ${problems.join('; ')}.`);
  }
  const { clusterKey, ...configuration } = result.data;
  if (configuration.security === 'none') return { configuration, keySource: undefined };
  if (clusterKey === undefined) {
    throw new StatemeshError(
      'clusterKeyMissing',
      'No clusterKey is configured. Create a configuration with `statemesh init`, or copy clusterKey and clusterSalt from another node of the cluster. (security "none" does without, and trusts everyone who can connect.)',
    );
  }
  if (configuration.clusterSalt === undefined) {
    throw new StatemeshError(
      'configurationInvalid',
      'Invalid configuration: clusterSalt: it goes with clusterKey; copy both.',
    );
  }
  return { configuration, keySource: { passphrase: clusterKey, salt: configuration.clusterSalt } };
}

/** Where a configuration listens. */
export function listeningHost(configuration: Configuration): string {
  return configuration.host ?? (configuration.lan ? '0.0.0.0' : '127.0.0.1');
}
