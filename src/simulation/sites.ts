/**
 * Which nodes must hold the same data: entries of cluster scope, the nodes of one site; shared entries, the nodes of
 * all sites that use the same cloud nodes, and those cloud nodes.
 *
 * A site is the set of nodes that reach each other over local networks, also through other nodes, apart from faults.
 * The gateways of its nodes join sites; a disabled or rejected gateway joins none.
 */
import type { Scope } from '../core/author.js';
import type { Inside } from './inside.js';
import type { NodeProcess } from './node.js';

export interface SitesOptions {
  processes(): readonly NodeProcess[];
  insideOf(process: NodeProcess): Inside;
  /** Whether there is a path between two nodes over local networks. */
  isOneSite(a: NodeProcess, b: NodeProcess): boolean;
  /** Counts events: sites are computed again after each. */
  eventOf(): number;
}

/** States in which a gateway joins no sites. */
const notJoined: ReadonlySet<string> = new Set(['disabled', 'rejected']);

export class Sites {
  readonly #options: SitesOptions;
  #realms = new Map<NodeProcess, NodeProcess>();
  #lookedAtEvent = -1;

  constructor(options: SitesOptions) {
    this.#options = options;
  }

  /** Whether writes of one node must reach the other. */
  shares(scope: Scope, a: NodeProcess, b: NodeProcess): boolean {
    if (a === b || this.#options.isOneSite(a, b)) return true;
    return scope === 'shared' && this.#realmOf(a) === this.#realmOf(b);
  }

  /** Groups of nodes that must hold the same data. */
  groups(scope: Scope): readonly (readonly NodeProcess[])[] {
    const groups: NodeProcess[][] = [];
    for (const process of this.#options.processes()) {
      const group = groups.find(([first]) => first !== undefined && this.shares(scope, first, process));
      if (group === undefined) groups.push([process]);
      else group.push(process);
    }
    return groups;
  }

  /** The first node of all that a node is joined with: it is the same for all of them. */
  #realmOf(process: NodeProcess): NodeProcess {
    if (this.#lookedAtEvent !== this.#options.eventOf()) {
      this.#lookedAtEvent = this.#options.eventOf();
      this.#realms = this.#look();
    }
    return this.#realms.get(process) ?? process;
  }

  #look(): Map<NodeProcess, NodeProcess> {
    const { processes, insideOf, isOneSite } = this.#options;
    const all = processes();
    const realms = new Map(all.map((process) => [process, all.find((first) => isOneSite(first, process)) ?? process]));
    const join = (a: NodeProcess, b: NodeProcess): void => {
      const [kept, given] = [realms.get(a) ?? a, realms.get(b) ?? b];
      for (const [process, realm] of realms) if (realm === given) realms.set(process, kept);
    };
    for (const process of all) {
      for (const { nodeId, state } of insideOf(process).gateways) {
        if (notJoined.has(state)) continue;
        for (const cloud of all) if (cloud.isCloud && cloud.nodeId === nodeId) join(process, cloud);
      }
    }
    return realms;
  }
}
