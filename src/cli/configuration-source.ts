/** The source of `start`'s configuration: a watched file or web server, with options and environment over it. */
import { join, resolve } from 'node:path';
import { StatemeshError } from '../control/protocol.js';
import {
  fileConfiguration,
  mappedConfiguration,
  type PeerNodeConfiguration,
  type PeerNodeConfigurationProvider,
  parseConfiguration,
  remoteConfiguration,
  Secret,
  staticConfiguration,
} from '../index.js';
import { gatherConfiguration } from './configuration-fields.js';
import {
  type ConfigurationFile,
  defaultConfigPath,
  defaultDataDir,
  readConfigurationFile,
  variable,
} from './configuration-file.js';
import { badInput } from './failures.js';

export interface ConfigurationSource {
  readonly provider: PeerNodeConfigurationProvider;
  /** The file at the start; undefined when there is none. */
  readonly file: ConfigurationFile | undefined;
  /** STATEMESH_ variables that name no field: possibly misspelled. */
  readonly unknownVariables: readonly string[];
  /** Checks whether the configuration has changed. */
  reload(): void;
}

interface SourceOptions extends Readonly<Record<string, unknown>> {
  readonly config?: string;
  readonly configUrl?: string;
}

/** @throws StatemeshError `configurationUnreadable`, `configurationInvalid` */
export function configurationSource(options: SourceOptions): ConfigurationSource {
  // An option takes precedence over the environment, whichever of the two sources it names.
  const url = options.configUrl ?? (options.config === undefined ? variable('STATEMESH_CONFIG_URL') : undefined);
  if (url !== undefined) return remoteSource(url, options);
  const file = readConfigurationFile(options);
  const { input, unknownVariables } = gatherConfiguration(options, file);
  if (file === undefined) assertNamed(input);
  if (file === undefined || !file.isPlain) {
    return { provider: staticConfiguration(input), file, unknownVariables, reload: () => {} };
  }
  const watched = fileConfiguration(file.path);
  const provider = mappedConfiguration(watched, (fields) => over({ ...file, fields: { ...fields } }, options));
  return { provider, file, unknownVariables, reload: () => void watched.reload() };
}

/**
 * Without a file and without a name, no node has been configured yet.
 *
 * @throws StatemeshError `configurationUnreadable`
 */
export function assertNamed({ nodeId }: { readonly nodeId?: unknown }): void {
  if (nodeId !== undefined) return;
  const message = `There is no ${defaultConfigPath.replace('./', '')} in ${process.cwd()}: run \`statemesh init\` to write one, or name yours with --config.`;
  throw new StatemeshError('configurationUnreadable', message);
}

function remoteSource(url: string, options: SourceOptions): ConfigurationSource {
  if (options.config !== undefined)
    throw badInput('A configuration comes from --config or from --config-url, not from both.');
  const { input, unknownVariables } = gatherConfiguration(options, undefined);
  const token = variable('STATEMESH_CONFIG_TOKEN');
  // Its paths are relative to the working directory: the server knows nothing about this machine.
  const path = resolve('remote-configuration.json');
  const whole = (fields: PeerNodeConfiguration): PeerNodeConfiguration =>
    over({ path, fields: { ...fields }, isExposed: false, isPlain: false }, options);
  const remote = remoteConfiguration({
    url,
    cacheFile: join(resolve(input.dataDir ?? defaultDataDir), 'remote-configuration.json'),
    // The server may leave fields of this machine to it, such as its NodeId and the key.
    check: (fields) => parseConfiguration(whole(fields)),
    ...(token === undefined ? {} : { token: new Secret(token) }),
  });
  const provider = mappedConfiguration(remote, whole);
  return { provider, file: undefined, unknownVariables, reload: () => remote.reload() };
}

function over(file: ConfigurationFile, options: SourceOptions): PeerNodeConfiguration {
  return gatherConfiguration(options, file).input;
}
