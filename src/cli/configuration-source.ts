/** Where `start` has its configuration from: a file or a web server, watched, with options and environment over it. */
import { join, resolve } from 'node:path';
import {
  fileConfiguration,
  mappedConfiguration,
  type PeerNodeConfiguration,
  type PeerNodeConfigurationProvider,
  remoteConfiguration,
  Secret,
  staticConfiguration,
} from '../index.js';
import { gatherConfiguration } from './configuration-fields.js';
import { type ConfigurationFile, defaultDataDir, readConfigurationFile, variable } from './configuration-file.js';
import { badInput } from './failures.js';

export interface ConfigurationSource {
  readonly provider: PeerNodeConfigurationProvider;
  /** As it was at the start; undefined when there is none. */
  readonly file: ConfigurationFile | undefined;
  /** STATEMESH_ variables that name no field: misspelt, perhaps. */
  readonly unknownVariables: readonly string[];
  /** Looks whether it says something else. */
  reload(): void;
}

interface SourceOptions extends Readonly<Record<string, unknown>> {
  readonly config?: string;
  readonly configUrl?: string;
}

/** @throws StatemeshError `configurationUnreadable`, `configurationInvalid` */
export function configurationSource(options: SourceOptions): ConfigurationSource {
  const url = options.configUrl ?? variable('STATEMESH_CONFIG_URL');
  if (url !== undefined) return remoteSource(url, options);
  const file = readConfigurationFile(options);
  const { input, unknownVariables } = gatherConfiguration(options, file);
  if (file === undefined) {
    return { provider: staticConfiguration(input), file, unknownVariables, reload: () => {} };
  }
  const watched = fileConfiguration(file.path);
  const provider = mappedConfiguration(watched, (fields) => over({ ...file, fields: { ...fields } }, options));
  return { provider, file, unknownVariables, reload: () => watched.reload() };
}

function remoteSource(url: string, options: SourceOptions): ConfigurationSource {
  if (options.config !== undefined)
    throw badInput('A configuration comes from --config or from --config-url, not from both.');
  const { input, unknownVariables } = gatherConfiguration(options, undefined);
  const token = variable('STATEMESH_CONFIG_TOKEN');
  const remote = remoteConfiguration({
    url,
    cacheFile: join(resolve(input.dataDir ?? defaultDataDir), 'remote-configuration.json'),
    ...(token === undefined ? {} : { token: new Secret(token) }),
  });
  // Paths in it are relative to where one stands: the server knows nothing of this machine.
  const path = resolve('remote-configuration.json');
  const provider = mappedConfiguration(remote, (fields) =>
    over({ path, fields: { ...fields }, isExposed: false }, options),
  );
  return { provider, file: undefined, unknownVariables, reload: () => remote.reload() };
}

function over(file: ConfigurationFile, options: SourceOptions): PeerNodeConfiguration {
  return gatherConfiguration(options, file).input;
}
