/**
 * A configuration in environment variables, STATEMESH_NODE_ID and so on. Read again on SIGHUP, and on request of a
 * program.
 */
import { systemEnvironment } from '../adapters/process-environment.js';
import { fieldsOfEnvironment } from '../configuration/fields.js';
import type { PeerNodeConfiguration, PeerNodeConfigurationProvider } from '../configuration/provider.js';
import { variablePrefix } from '../configuration/text-fields.js';
import { kinds, type OptionsShape, objectWith, readOptions } from '../core/options.js';
import type { Environment } from '../ports/ports.js';
import { Source } from './source.js';

/** The source of signals: the process. */
export interface Signals {
  on(signal: 'SIGHUP', listener: () => void): unknown;
  off(signal: 'SIGHUP', listener: () => void): unknown;
}

/** Which variables are read, and when they are read again. */
export interface EnvironmentConfigurationOptions {
  /** Prefix of the variables. Default: STATEMESH_. Several nodes in one process need different prefixes. */
  readonly prefix?: string;
  readonly environment?: Environment;
  readonly signals?: Signals;
  /** Values for fields that the environment does not set. */
  readonly defaults?: Partial<PeerNodeConfiguration>;
}

const environmentShape: OptionsShape<EnvironmentConfigurationOptions> = {
  complaint: 'Invalid options of environmentConfiguration',
  code: 'configurationInvalid',
  fields: {
    prefix: kinds.text,
    environment: objectWith('get'),
    signals: objectWith('on', 'off'),
    defaults: objectWith(),
  },
};

/** A configuration from environment variables. */
export interface EnvironmentConfiguration extends PeerNodeConfigurationProvider {
  /** Reads the variables again, as SIGHUP does. */
  reload(): void;
}

/**
 * Makes a provider over environment variables.
 *
 * @throws StatemeshError `configurationInvalid` for wrong options
 *
 * @example
 * const node = createNode(environmentConfiguration({ defaults: { nodeId: 'shop-1' } }));
 */
export function environmentConfiguration(given?: EnvironmentConfigurationOptions): EnvironmentConfiguration {
  const options = readOptions(given, environmentShape);
  const { prefix = variablePrefix, environment = systemEnvironment(), signals = process, defaults = {} } = options;
  // The node checks whether the fields are valid and complete.
  const read = (): PeerNodeConfiguration =>
    ({ ...defaults, ...fieldsOfEnvironment((name) => environment.get(name), prefix) }) as PeerNodeConfiguration;
  const reload = (): void => {
    try {
      source.offer(read());
    } catch (error) {
      source.fail(error);
    }
  };
  const source = new Source(() => {
    signals.on('SIGHUP', reload);
    return () => void signals.off('SIGHUP', reload);
  });
  return {
    getConfiguration: async () => source.gave(read()),
    onConfigurationChanged: source.onConfigurationChanged,
    onTrouble: source.onTrouble,
    reload,
  };
}
