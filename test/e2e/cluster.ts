/** Three real nodes, each a process of the command line, that send to one inspector, as in the demo. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Control, createInspector, type Inspector } from 'statemesh/inspector';
import { callControl } from '../../src/control/client.js';

const command = resolve('dist/cli/main.js');
export const nodeIds = ['node-a', 'node-b', 'node-c'] as const;

export class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'statemesh-e2e-'));
  readonly #processes = new Map<string, ChildProcess>();
  readonly #inspector: Inspector = createInspector({
    port: 0,
    title: 'three shops',
    collects: true,
    controls: ['put', 'crash', 'restart', 'reconfigure'],
    controller: (control) => this.#carryOut(control),
  });
  url = '';

  async start(): Promise<void> {
    const { url, collectorUrl } = await this.#inspector.open();
    this.url = url?.reveal() ?? '';
    const discoveryPort = await freePort();
    for (const nodeId of nodeIds) {
      const configuration = {
        nodeId,
        dataDir: this.#dataDirOf(nodeId),
        clusterKey: 'a key of the browser tests',
        clusterSalt: 'saltsalt',
        discoveryPort,
        beaconIntervalMs: 500,
        inspector: { collector: collectorUrl?.reveal() },
      };
      writeFileSync(this.#configOf(nodeId), JSON.stringify(configuration), { mode: 0o600 });
    }
    await Promise.all(nodeIds.map((nodeId) => this.startNode(nodeId)));
  }

  async startNode(nodeId: string): Promise<void> {
    const child = spawn(process.execPath, [command, 'start', '--json', '--config', this.#configOf(nodeId)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#processes.set(nodeId, child);
    await new Promise<void>((done, fail) => {
      createInterface({ input: child.stdout }).once('line', () => done());
      child.once('exit', () => fail(new Error(`${nodeId} has ended.`)));
    });
  }

  async kill(nodeId: string): Promise<void> {
    const child = this.#processes.get(nodeId);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill('SIGKILL');
    await gone;
  }

  async call<T>(nodeId: string, name: string, body?: unknown): Promise<T> {
    return (await callControl(join(this.#dataDirOf(nodeId), 'control.sock'), name, body)) as T;
  }

  async close(): Promise<void> {
    await Promise.all(nodeIds.map((nodeId) => this.kill(nodeId)));
    await this.#inspector.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Closes the page's server, while the nodes stay. */
  closeInspector(): Promise<void> {
    return this.#inspector.close();
  }

  async #carryOut(control: Control): Promise<string> {
    switch (control.name) {
      case 'put': {
        const { collection, key, document } = control;
        await this.call(control.node, 'put', { collection, key, document });
        return 'It is on disk.';
      }
      case 'crash':
        await this.kill(control.node);
        return `${control.node} was killed.`;
      case 'restart':
        await this.startNode(control.node);
        return `${control.node} runs again.`;
      case 'reconfigure':
        await this.call(control.node, 'reconfigure', { partial: control.fields });
        return 'It is in force.';
      default:
        throw new Error('That cannot be done here.');
    }
  }

  #configOf(nodeId: string): string {
    return join(this.directory, `${nodeId}.json`);
  }

  #dataDirOf(nodeId: string): string {
    return join(this.directory, nodeId);
  }
}

function freePort(): Promise<number> {
  return new Promise((done) => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    });
  });
}
