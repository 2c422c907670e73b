/** Makes the machines of a world: each with its own address and name, on a local network or in the open. */
import type { ConfigurationInput } from '../configuration/schema.js';
import type { ServerCertificate } from '../ports/ports.js';
import type { Internet } from './internet.js';
import { NodeProcess, type Surroundings } from './node.js';

/** The environment variables of a node. */
export type Variables = Readonly<Record<string, string>>;

export interface MachineOptions {
  readonly configuration: Partial<ConfigurationInput>;
  readonly environment: Variables;
}

export interface CloudMachineOptions extends MachineOptions {
  /** Replaces the certificate that the authority of the world signs for its name and its address. */
  readonly certificate: ServerCertificate | undefined;
}

export interface PopulationOptions {
  readonly internet: Internet;
  readonly surroundings: Surroundings;
  /** The existing processes. */
  processes(): readonly NodeProcess[];
}

export class Population {
  readonly #options: PopulationOptions;
  #addresses = 0;

  constructor(options: PopulationOptions) {
    this.#options = options;
  }

  /**
   * Makes a machine on local networks.
   *
   * @throws Error when it is configured as a cloud node
   */
  local(nodeId: string, segments: Iterable<string>, { configuration, environment }: MachineOptions): NodeProcess {
    if (configuration.role === 'cloud') {
      throw new Error(
        `${nodeId} is configured as a cloud node, which must be a public machine: make it with world.cloud().`,
      );
    }
    this.#addresses += 1;
    const address = `10.0.${this.#addresses >> 8}.${this.#addresses & 255}`;
    const place = { address, hostName: address, certificate: undefined, segments };
    const identity = { nodeId, name: this.#nameFor(nodeId), ...place };
    return furnished(new NodeProcess(identity, configuration, this.#options.surroundings), environment);
  }

  /** Makes a public machine. A second machine with the same NodeId gets another host name. */
  cloud(nodeId: string, { configuration, environment, certificate }: CloudMachineOptions): NodeProcess {
    const name = this.#nameFor(nodeId);
    const place = this.#options.internet.cloud(name.replace(/\((\d+)\)$/, '-copy-$1'));
    const identity = { nodeId, name, ...place, certificate: certificate ?? place.certificate, segments: [] };
    return furnished(new NodeProcess(identity, configuration, this.#options.surroundings), environment);
  }

  /** Makes another machine like an existing one, on the same networks or beside it in the open. */
  copy({ nodeId, segments, options: configuration, environment: variables, isCloud }: NodeProcess): NodeProcess {
    const environment = Object.fromEntries(variables);
    if (isCloud) return this.cloud(nodeId, { configuration, environment, certificate: undefined });
    return this.local(nodeId, segments, { configuration, environment });
  }

  #nameFor(nodeId: string): string {
    const namesakes = this.#options.processes().filter((process) => process.nodeId === nodeId).length;
    return namesakes === 0 ? nodeId : `${nodeId}(${namesakes + 1})`;
  }
}

function furnished(process: NodeProcess, environment: Variables): NodeProcess {
  for (const [name, value] of Object.entries(environment)) process.environment.set(name, value);
  return process;
}
