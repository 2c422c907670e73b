/**
 * Three nodes in one temporary directory, with one cluster key, and a cloud for them.
 *
 * Invariants: every process that is started here is gone when `stop` has resolved, and in any case when this process
 * exits. A process that ends unexpectedly fails the story, with its last log lines.
 */
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { setMaxListeners } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Cloud } from './cloud.js';
import { ClusterNode, commandPath, type Ending, environment, type MemberName, nameOf } from './cluster-node.js';
import { Watch } from './watch.js';

type Member = ClusterNode<MemberName>;

export class Cluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'statemesh-demo-'));
  readonly nodes: readonly [Member, Member, Member];
  readonly cloud: Cloud;
  readonly watch: Watch;
  /** Called when a node ends unexpectedly. */
  lost = (node: ClusterNode, ending: Ending): void => {
    const lines = node.lastLogLines().map((line) => `  ${line}`);
    this.abort(
      new Error([`${node.name} ended by itself (${nameOf(ending)}). Its last log lines:`, ...lines].join('\n')),
    );
  };
  readonly #trouble = new AbortController();

  constructor({ keep }: { readonly keep: boolean }) {
    // Each call in flight listens to the signal.
    setMaxListeners(0, this.#trouble.signal);
    this.nodes = [new ClusterNode('node-a', this), new ClusterNode('node-b', this), new ClusterNode('node-c', this)];
    this.cloud = new Cloud(this);
    this.watch = new Watch(this);
    process.once('exit', () => {
      for (const node of this.nodes) node.killNow();
      this.cloud.killNow();
      if (!keep) rmSync(this.directory, { recursive: true, force: true });
    });
  }

  /** A new cluster key that all three share, and an unused discovery port. */
  async initialize(): Promise<void> {
    await this.watch.open();
    const [first, ...others] = this.nodes;
    await configure(first);
    const configuration = JSON.parse(readFileSync(first.configPath, 'utf8'));
    const discoveryPort = await freeDiscoveryPort();
    writeFileSync(first.configPath, `${JSON.stringify({ ...configuration, discoveryPort }, undefined, 2)}\n`);
    await Promise.all(others.map((node) => configure(node, '--from', first.configPath)));
    await this.cloud.initialize();
  }

  /** Aborted when the story cannot go on; its reason says why. */
  get signal(): AbortSignal {
    return this.#trouble.signal;
  }

  abort(reason: unknown): void {
    this.#trouble.abort(reason);
  }

  /** Never resolves; rejects when the story cannot go on. */
  trouble(): Promise<never> {
    return new Promise((_, reject) => {
      if (this.signal.aborted) reject(this.signal.reason);
      else this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
  }

  problems(): string[] {
    return [...this.nodes, ...this.cloud.nodes].flatMap((node) => node.problems());
  }

  /** Stops every node gracefully. */
  async stop(): Promise<void> {
    await Promise.all([...this.nodes.map((node) => node.stop()), this.cloud.stop()]);
    await this.watch.close();
  }
}

async function configure({ name, directory, configPath }: ClusterNode, ...options: string[]): Promise<void> {
  const args = ['init', '--config', configPath, '--node-id', name, '--data-dir', directory, ...options];
  await promisify(execFile)(process.execPath, [commandPath, ...args], { env: environment() });
}

/** A TCP port that is free at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Chosen by the system, so that several demos on one machine do not hear each other. */
function freeDiscoveryPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
