/**
 * The inspector's page for all processes of the demo: they send records of their actors, and a user may send commands.
 */

// Created as in a program: with the page that is built into the package.
import { type Control, type ControlName, createInspector, type Inspector } from 'statemesh/inspector';
import { WebSocket } from 'ws';
import type { ServerMessage } from '../src/inspector/wire.js';
import type { Cluster } from './cluster.js';
import type { ClusterNode } from './cluster-node.js';

const controls: readonly ControlName[] = ['put', 'crash', 'stop', 'restart', 'reconfigure'];

/** What the inspector has seen. */
export interface Sight {
  readonly nodes: ReadonlySet<string>;
  readonly records: number;
}

export class Watch {
  readonly #inspector: Inspector;
  #urls: Awaited<ReturnType<Inspector['open']>> = { url: undefined, collectorUrl: undefined };

  constructor(cluster: Cluster) {
    this.#inspector = createInspector({
      port: 0,
      title: 'statemesh demo',
      collects: true,
      controls,
      controller: (control) => carryOut(control, [...cluster.nodes, ...cluster.cloud.nodes]),
    });
  }

  async open(): Promise<void> {
    this.#urls = await this.#inspector.open();
  }

  /** The address of the page. */
  get url(): string {
    return this.#urls.url?.reveal() ?? '';
  }

  /** The address to which the nodes send their records. */
  get collectorUrl(): string | undefined {
    return this.#urls.collectorUrl?.reveal();
  }

  /** What a browser receives when it opens the page: the processes, and the number of their records. */
  async look(): Promise<Sight> {
    const page = await fetch(this.url);
    if (!page.ok) throw new Error(`The page answers with the status ${page.status}.`);
    const { origin, host, hash } = new URL(this.url);
    // The token is in the fragment, which a browser sends to no server: the page passes it on.
    const socket = new WebSocket(`ws://${host}/records?${hash.slice(1)}`, { origin });
    const nodes = new Set<string>();
    let records = 0;
    try {
      return await new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('The inspector has closed the connection.')));
        socket.on('message', (data) => {
          const message = JSON.parse(String(data)) as ServerMessage;
          if (message.kind === 'caughtUp') resolve({ nodes, records });
          if (message.kind !== 'records') return;
          records += message.records.length;
          for (const { node } of message.records) if (node !== '') nodes.add(node);
        });
      });
    } finally {
      socket.close();
    }
  }

  close(): Promise<void> {
    return this.#inspector.close();
  }
}

async function carryOut(control: Control, nodes: readonly ClusterNode[]): Promise<string> {
  const named = (name: string): ClusterNode => {
    // Processes are named by the NodeId with which they started.
    const node = nodes.find((each) => each.name === name);
    if (node === undefined) throw new Error(`There is no node "${name}".`);
    return node;
  };
  switch (control.name) {
    case 'put': {
      const { collection, key, document } = control;
      await named(control.node).call('put', { collection, key, document });
      return `${key} is on the disk of ${control.node}.`;
    }
    case 'crash':
      await named(control.node).kill();
      return `${control.node} was killed.`;
    case 'stop':
      await named(control.node).stop();
      return `${control.node} has stopped.`;
    case 'restart':
      await named(control.node).start();
      return `${control.node} runs again.`;
    case 'reconfigure': {
      const report = await named(control.node).call<{ tookMs: number }>('reconfigure', { partial: control.fields });
      return `${control.node} was reconfigured in ${report.tookMs.toFixed(1)} ms.`;
    }
    default:
      throw new Error(`Real processes do not support "${control.name}": try it in a simulation.`);
  }
}
