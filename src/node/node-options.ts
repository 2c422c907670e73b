/** The arguments of `createNode` and `nodeLogic`, and their checks. */
import type { ActorOptions } from 'xstate';
import * as slots from '../actors/slots.js';
import { descriptorsNow } from '../adapters/descriptors.js';
import { createHttp } from '../adapters/http.js';
import { createNetwork } from '../adapters/network.js';
import { systemEnvironment } from '../adapters/process-environment.js';
import { systemRandomness } from '../adapters/randomness.js';
import { type SystemTime, systemTime } from '../adapters/time.js';
import { systemFiles } from '../adapters/watched-files.js';
import { parseConfiguration } from '../configuration/parse.js';
import type { PeerNodeConfigurationProvider } from '../configuration/provider.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import type { Logger } from '../control/recent-log.js';
import { StatemeshError, shortText } from '../core/errors.js';
import { type Kind, kinds, type OptionsShape, objectWith, readFields, readOptions } from '../core/options.js';
import type { NodeMachine } from '../machines/node.machine.js';
import type { Descriptors, Files } from '../ports/ports.js';
import { staticConfiguration } from '../providers/static.js';
import type { AuditLogger } from './audit.js';
import type { Ports, Services } from './compose.js';

/** The configuration of a node, or a provider that supplies it and reports changes. */
export type NodeConfiguration = ConfigurationInput | PeerNodeConfigurationProvider;

/** What a node takes besides its configuration, for `createNode` and `nodeLogic`. */
export interface NodeLogicExtras {
  /** A pino-like logger. Default: the node logs nothing. */
  readonly logger?: Logger | undefined;
  /**
   * The audit log: who connected, who was refused, and who changed what; never a secret or a document. Default:
   * `logger`.
   */
  readonly auditLogger?: AuditLogger | undefined;
  /** Replaces some of the services, by the names of their slots: see `statemesh/actors`. Default: none. */
  readonly services?: Partial<Services> | undefined;
  /**
   * The outside world, for one node: the network ends with the node. Default: this machine's sockets, clock, randomness
   * and environment.
   */
  readonly ports?: NodePorts | undefined;
}

/** What `createNode` takes besides the configuration. */
export interface NodeExtras extends NodeLogicExtras {
  /** Called with every event and snapshot of every actor of the node; it must not throw. Default: none. */
  readonly inspect?: ActorOptions<NodeMachine>['inspect'] | undefined;
}

/** Ports with a clock, on which XState's delays run, too. */
export interface NodePorts extends Ports {
  readonly time: SystemTime;
  /** Watches certificate files. Without it, the node reads them at each reconfiguration only. */
  readonly files?: Files;
  /** The file descriptors of the process. Without it, `status()` does not mention them. */
  readonly descriptors?: () => Descriptors | undefined;
}

/** This machine's sockets, clock, randomness and environment, for one node: its network ends with the node. */
export function systemPorts(): NodePorts {
  return {
    network: createNetwork(),
    time: systemTime(),
    randomness: systemRandomness(),
    http: createHttp(),
    environment: systemEnvironment(),
    files: systemFiles(),
    descriptors: descriptorsNow,
  };
}

const portFields: OptionsShape<NodePorts>['fields'] = {
  network: objectWith('listen', 'dial', 'openDatagrams', 'closeAll'),
  time: objectWith('now', 'monotonicMs', 'after', 'soon', 'turn', 'setTimeout', 'clearTimeout'),
  randomness: objectWith('float', 'token'),
  http: objectWith('request'),
  environment: objectWith('get'),
  files: objectWith('watch'),
  descriptors: kinds.function,
};

const nodePorts: OptionsShape<NodePorts> = {
  complaint: 'Invalid ports',
  code: 'configurationInvalid',
  fields: portFields,
  required: ['network', 'time', 'randomness', 'http', 'environment'],
};

const actorLogic: Kind = {
  takes: 'actor logic of XState',
  accepts: (value) => objectWith('getInitialSnapshot', 'transition').accepts(value),
};

const nodeServices: OptionsShape<Partial<Services>> = {
  complaint: 'Invalid services',
  code: 'configurationInvalid',
  fields: Object.fromEntries(Object.keys(slots).map((slot) => [slot, actorLogic])) as OptionsShape<Services>['fields'],
};

const logicExtrasFields: OptionsShape<NodeLogicExtras>['fields'] = {
  logger: objectWith('debug', 'info', 'warn', 'error'),
  auditLogger: objectWith('info'),
  services: objectWith(),
  ports: objectWith(),
};

export const nodeLogicExtras: OptionsShape<NodeLogicExtras> = {
  complaint: 'Invalid extras of nodeLogic',
  code: 'configurationInvalid',
  fields: logicExtrasFields,
};

export const nodeExtras: OptionsShape<NodeExtras> = {
  complaint: 'Invalid extras of createNode',
  code: 'configurationInvalid',
  fields: {
    ...logicExtrasFields,
    inspect: { takes: 'a function or an observer', accepts: (value) => objectWith().accepts(value) },
  },
};

const provider = objectWith('getConfiguration', 'onConfigurationChanged');

/**
 * Checks both arguments while the caller's line is in the stack. A provider is read later.
 *
 * @throws StatemeshError `configurationInvalid` naming every wrong field, `clusterKeyMissing`
 */
export function readNodeOptions<Extras extends NodeLogicExtras>(
  configuration: unknown,
  extras: unknown,
  shape: OptionsShape<Extras>,
): { provider: PeerNodeConfigurationProvider; extras: Extras } {
  const given = readOptions<Extras>(extras, shape);
  const { ports, services } = given;
  const checked = {
    ...given,
    ...(ports !== undefined && { ports: readOptions<NodePorts>(ports, nodePorts) }),
    ...(services !== undefined && { services: readOptions<Partial<Services>>(services, nodeServices) }),
  };
  return { provider: providerOf(configuration), extras: checked };
}

function providerOf(configuration: unknown): PeerNodeConfigurationProvider {
  if (provider.accepts(configuration)) return configuration as PeerNodeConfigurationProvider;
  const fields = new Map(readFields(configuration, (problem, cause) => invalid(problem, cause)));
  for (const method of ['getConfiguration', 'onConfigurationChanged']) {
    if (fields.has(method)) throw invalid(`a provider is ${provider.takes}`);
  }
  if (fields.get('provider') !== undefined) throw invalid('provider: pass it in place of the configuration itself');
  for (const name of Object.keys(nodeExtras.fields)) {
    const isMisplaced = fields.get(name) !== undefined;
    if (isMisplaced) throw invalid(`${shortText(name)}: it belongs into the second argument, { ${name} }`);
    fields.delete(name);
  }
  const input = Object.fromEntries(fields) as unknown as ConfigurationInput;
  parseConfiguration(input);
  return staticConfiguration(input);
}

function invalid(problem: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${problem.replace(/\.$/, '')}.`, { cause });
}
