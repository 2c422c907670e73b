/**
 * What the cluster connects to: an OAuth2 authority and two cloud nodes, each a process of its own, with certificates
 * of an authority that this demo creates.
 *
 * Invariant: the client secret exists only in the memory of this process and of the authority, and sealed in the
 * databases of the cluster.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AuthorityOptions } from './authority.js';
import { makeCertificates } from './certificates.js';
import type { Cluster } from './cluster.js';
import { ClusterNode, commandPath, environment } from './cluster-node.js';

const scope = 'entgldb:sync';
const audience = 'urn:statemesh:demo';
const clientId = 'the-cluster';
/** Short enough for a token to be renewed during the story. */
const tokenLifetimeSeconds = 20;
const authorityWithinMs = 20_000;

export class Cloud {
  readonly nodes: readonly [ClusterNode, ClusterNode];
  readonly #cluster: Cluster;
  readonly #secret = randomBytes(24).toString('base64url');
  #authority: ChildProcess | undefined;
  #url = '';

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.nodes = [new ClusterNode('cloud-1', cluster), new ClusterNode('cloud-2', cluster)];
  }

  /** The URL of the authority. */
  get url(): string {
    return this.#url;
  }

  get authorityProcessId(): number | undefined {
    return this.#authority?.pid;
  }

  /** Creates certificates, and configurations that trust them, before any node starts. */
  async initialize(): Promise<void> {
    const { ca, certificate, key } = await makeCertificates();
    for (const [name, text] of Object.entries({ ca, certificate, key })) {
      writeFileSync(this.#file(name), text, { mode: 0o600 });
    }
    for (const { configPath } of this.#cluster.nodes) {
      const configuration = JSON.parse(readFileSync(configPath, 'utf8'));
      writeJson(configPath, { ...configuration, ca: this.#file('ca') });
    }
  }

  async startAuthority(): Promise<void> {
    const options: AuthorityOptions = {
      clients: [{ id: clientId, secret: this.#secret }],
      scope,
      audience,
      lifetimeSeconds: tokenLifetimeSeconds,
      tls: {
        certificate: readFileSync(this.#file('certificate'), 'utf8'),
        key: readFileSync(this.#file('key'), 'utf8'),
      },
    };
    const main = fileURLToPath(new URL('authority-process.js', import.meta.url));
    const child = spawn(process.execPath, [main], {
      detached: true,
      env: { ...environment(), AUTHORITY_OPTIONS: JSON.stringify(options) },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#authority = child;
    const { signal } = this.#cluster;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(authorityWithinMs)]);
    this.#url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) =>
        resolve((JSON.parse(line) as { url: string }).url),
      );
      child.once('exit', () => reject(new Error('The authority has ended by itself.')));
      deadline.addEventListener('abort', () => reject(deadline.reason), { once: true });
    });
  }

  async startNode(node: ClusterNode): Promise<void> {
    writeJson(node.configPath, {
      nodeId: node.name,
      role: 'cloud',
      dataDir: node.directory,
      scope,
      audience,
      authority: this.#url,
      tlsCert: this.#file('certificate'),
      tlsKey: this.#file('key'),
      ca: this.#file('ca'),
    });
    await node.start();
  }

  /** Adds a cloud peer as a user does, on any node: with the command line, and the secret on standard input. */
  async addTo(node: ClusterNode, { name }: ClusterNode, port: number): Promise<void> {
    const child = execFile(process.execPath, [
      ...[commandPath, 'add-cloud-peer', '--data-dir', node.directory],
      ...['--node-id', name, '--address', `127.0.0.1:${port}`, '--authority', this.#url],
      ...['--client-id', clientId, '--client-secret-stdin', '--scope', scope, '--audience', audience],
    ]);
    let complaint = '';
    child.stderr?.on('data', (text: string) => {
      complaint += text;
    });
    child.stdin?.end(this.#secret);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`add-cloud-peer on ${node.name} ended with exit code ${code}: ${complaint.trim()}`);
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
    this.killNow();
  }

  killNow(): void {
    for (const node of this.nodes) node.killNow();
    this.#authority?.kill('SIGKILL');
  }

  #file(name: string): string {
    return join(this.#cluster.directory, `${name}.pem`);
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
}
