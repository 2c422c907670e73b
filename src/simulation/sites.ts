/**
 * Which nodes are to hold the same: what has cluster scope, those of one site; what is shared, those of all sites that use the same
 * cloud nodes, and these.
 *
 * A site is whoever reaches each other over local networks, if only by way of others, faults aside. Sites are joined by the gateways that
 * their nodes have: one that is disabled, or rejected, joins nobody.
 */
import type { Scope } from '../core/author.js';
import type { Inside } from './inside.js';
import type { NodeProcess } from './node.js';

export interface SitesOptions {
  processes(): readonly NodeProcess[];
  insideOf(process: NodeProcess): Inside;
  /** Whether there is a way between two nodes over local networks. */
  isOneSite(a: NodeProcess, b: NodeProcess): boolean;
  /** Counts events: sites are looked at anew after each. */
  eventOf(): number;
}

/** States in which a gateway is none. */
const notJoined: ReadonlySet<string> = new Set(['disabled', 'rejected']);

export class Sites {
  readonly #options: SitesOptions;
  #realms = new Map<NodeProcess, NodeProcess>();
  #lookedAtEvent = -1;

  constructor(options: SitesOptions) {
    this.#options = options;
  }

  /** Whether what one node writes is to reach the other. */
  shares(scope: Scope, a: NodeProcess, b: NodeProcess): boolean {
    if (a === b || this.#options.isOneSite(a, b)) return true;
    return scope === 'shared' && this.#realmOf(a) === this.#realmOf(b);
  }

  /** Nodes that are to hold the same, together. */
  groups(scope: Scope): readonly (readonly NodeProcess[])[] {
    const groups: NodeProcess[][] = [];
    for (const process of this.#options.processes()) {
      const group = groups.find(([first]) => first !== undefined && this.shares(scope, first, process));
      if (group === undefined) groups.push([process]);
      else group.push(process);
    }
    return groups;
  }

  /** The first node of all that a node is joined with: the same one for all of them. */
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
