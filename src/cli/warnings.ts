/** Warnings before a node runs: who can read its secret, and who can reach it. */

import { weakKeys } from '../configuration/weak-keys.js';
import type { Configuration } from '../index.js';
import type { ConfigurationFile } from './configuration-file.js';

export interface WarningInput {
  readonly configuration: Pick<Configuration, 'lan' | 'host'> & { readonly nodeId?: string };
  readonly keySource?: Parameters<typeof weakKeys>[0]['keySource'];
  readonly file: ConfigurationFile | undefined;
  readonly unknownVariables: readonly string[];
}

export function warningsOn({ configuration, keySource, file, unknownVariables }: WarningInput): string[] {
  const warnings = weakKeys({ configuration, keySource });
  if (file?.isExposed && file.fields.clusterKey !== undefined) {
    warnings.push(`Other users can read ${file.path}, which holds the cluster key: run chmod 600 on it.`);
  }
  if (configuration.lan) {
    warnings.push(
      `This node opens to the network: it listens on ${configuration.host ?? 'every interface'} and announces itself to the whole local network.`,
    );
  } else if (configuration.host !== undefined && !/^(127\.|localhost$|::1$)/.test(configuration.host)) {
    warnings.push(`This node opens to the network: it listens on ${configuration.host}.`);
  }
  if (unknownVariables.length > 0) {
    warnings.push(`No configuration field is called ${unknownVariables.join(', ')}: misspelled?`);
  }
  return warnings;
}
