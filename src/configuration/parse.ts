/** Checks a user's configuration and completes it. */
import type { z } from 'zod';
import { StatemeshError } from '../core/errors.js';
import { foreignText } from '../core/foreign-text.js';
import type { ClusterKeySource } from '../core/keys.js';
import { checkCloudConfiguration } from './cloud.js';
import { checkInitialPeers, withSeedForm } from './initial-peers.js';
import { problemsOf } from './problems.js';
import { type Configuration, configurationSchema, type InitialRemotePeer, listeningHost } from './schema.js';

/** A valid configuration, with its secrets kept apart. */
export interface CheckedConfiguration {
  readonly configuration: Configuration;
  /** The source of the cluster's keys; undefined with security `none`, and for a cloud node. */
  readonly keySource: ClusterKeySource | undefined;
  /** Kept apart from the configuration, because they may contain secrets. */
  readonly initialRemotePeers: readonly InitialRemotePeer[];
}

/**
 * Checks a configuration and fills in the defaults.
 *
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`
 */
export function parseConfiguration(input: unknown): CheckedConfiguration {
  const checked = checkedBy(configurationSchema, withoutSchema(withSeedForm(input)));
  const { clusterKey, acceptedClusterKeys, initialRemotePeers, ...configuration } = checked;
  if (configuration.role === 'cloud') {
    if (initialRemotePeers.length > 0)
      throw new StatemeshError(
        'configurationInvalid',
        'Invalid configuration: initialRemotePeers: a cloud node connects to no peers.',
      );
    checkCloudConfiguration(configuration, listeningHost(configuration));
    // A cloud node belongs to no cluster.
    return { configuration, keySource: undefined, initialRemotePeers: [] };
  }
  checkInitialPeers(initialRemotePeers, configuration.security !== 'none');
  if (configuration.security === 'none') return { configuration, keySource: undefined, initialRemotePeers };
  if (clusterKey === undefined) {
    throw new StatemeshError(
      'clusterKeyMissing',
      'No clusterKey is configured. Create a configuration with `statemesh init`, or copy clusterKey and clusterSalt from another node of the cluster. (security "none" needs no key, and trusts every host that can connect.)',
    );
  }
  if (configuration.clusterSalt === undefined) {
    throw new StatemeshError(
      'configurationInvalid',
      'Invalid configuration: clusterSalt is missing: it belongs to clusterKey; copy both.',
    );
  }
  const keySource = {
    passphrase: clusterKey,
    acceptedPassphrases: acceptedClusterKeys,
    salt: configuration.clusterSalt,
  };
  return { configuration, keySource, initialRemotePeers };
}

/**
 * Checks the given fields, each by itself.
 *
 * @throws StatemeshError `configurationInvalid` naming every wrong field
 */
export function checkFields(fields: unknown): void {
  checkedBy(configurationSchema.partial(), withoutSchema(withSeedForm(fields)));
}

function checkedBy<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const { issues } = result.error;
  // A configuration server may have sent the names and values that the text repeats.
  const told = foreignText(problemsOf(issues, input, schema), { lengthMax: problemsLengthMax });
  throw new StatemeshError(
    'configurationInvalid',
    `Invalid configuration: ${told.replace(/[.?]$/, '')}${told.endsWith('?') ? '?' : '.'}`,
  );
}

/** The longest list of problems in an error message, in characters. */
const problemsLengthMax = 2_000;

/** Removes `$schema`, which is for editors only. */
function withoutSchema(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('$schema' in input)) return input;
  const { $schema: _, ...fields } = input;
  return fields;
}
