/**
 * Checks the configuration, reads the certificates that it names, and derives the keys of the cluster, which takes a
 * moment on purpose.
 */
import { resolve } from 'node:path';
import { fromPromise } from 'xstate';
import type { Configured } from '../configuration/configured.js';
import { initialPeerDocuments } from '../configuration/initial-peers.js';
import { parseConfiguration } from '../configuration/parse.js';
import type { Configuration } from '../configuration/schema.js';
import { deriveClusterKeys, stretch } from '../core/keys.js';
import { limits } from '../core/limits.js';
import type { Randomness, ServerCertificate } from '../ports/ports.js';
import { readAuthorities, readServerCertificate } from './pem-files.js';

export interface ConfigurePorts {
  readonly randomness: Randomness;
  /** How keys are stretched. Default: by scrypt. */
  readonly derive?: Derive;
  /** Where certificates come from. Default: the files that the configuration names. */
  readonly certificates?: CertificateSource;
  /** The directory that relative paths start from. Default: the working directory of the process at that moment. */
  readonly workingDirectory?: string;
}

export interface CertificateSource {
  /** The authorities to trust, in PEM format; undefined for those of the system. */
  authorities(configuration: Configuration): Promise<string | undefined>;
  /** The certificate that a cloud node presents; undefined if it uses no TLS. */
  server(configuration: Configuration): Promise<ServerCertificate | undefined>;
}

export function createConfigure(ports: ConfigurePorts) {
  const { randomness, certificates = certificateFiles } = ports;
  // A reconfiguration derives again, mostly with the same keys.
  const derive = remembering(ports.derive ?? stretch);
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const checked = parseConfiguration(input.configuration());
    const { keySource, initialRemotePeers } = checked;
    const configuration = withWholePaths(checked.configuration, ports.workingDirectory);
    const ca = await certificates.authorities(configuration);
    const keys = keySource === undefined ? undefined : await deriveClusterKeys(keySource, derive);
    const nonce = () => randomness.token();
    const others = {
      configuration,
      ca,
      keys,
      initialPeers: initialPeerDocuments(initialRemotePeers, { keys, nonce }),
      initialRemotePeers: () => initialRemotePeers,
    };
    if (configuration.role !== 'cloud') return { ...others, security: keys?.security ?? { kind: 'none' } };
    const server = await certificates.server(configuration);
    return { ...others, security: server === undefined ? { kind: 'none' } : { kind: 'server', server } };
  });
}

/** A path means the same for as long as the node lives, even when the working directory changes. */
function withWholePaths(configuration: Configuration, workingDirectory = ''): Configuration {
  const whole = (path: string): string => resolve(workingDirectory, path);
  const { ca, tlsCert, tlsKey, inspector } = configuration;
  return {
    ...configuration,
    dataDir: whole(configuration.dataDir),
    ...(ca !== undefined && { ca: whole(ca) }),
    ...(tlsCert !== undefined && { tlsCert: whole(tlsCert) }),
    ...(tlsKey !== undefined && { tlsKey: whole(tlsKey) }),
    ...(inspector?.trace !== undefined && { inspector: { ...inspector, trace: whole(inspector.trace) } }),
  };
}

type Derive = typeof stretch;

/** Remembers the latest derivations: as many as a key ring may need before and after a rotation. */
function remembering(derive: Derive): Derive {
  const roots = new Map<string, Promise<Uint8Array>>();
  return (passphrase, salt) => {
    const name = JSON.stringify([passphrase, salt]);
    const root = roots.get(name) ?? derive(passphrase, salt);
    // The latest last, so that the first is the one to forget.
    roots.delete(name);
    roots.set(name, root);
    root.catch(() => roots.delete(name));
    const [oldest] = roots.keys();
    if (roots.size > rootsMax && oldest !== undefined) roots.delete(oldest);
    return root;
  };
}

const rootsMax = 2 * (1 + limits.acceptedKeysMax);

const certificateFiles: CertificateSource = {
  authorities: async ({ ca }) => (ca === undefined ? undefined : readAuthorities(ca)),
  // The configuration's check lets a node do without only where no other machine can listen in.
  server: async ({ tlsCert, tlsKey }) =>
    tlsCert === undefined || tlsKey === undefined ? undefined : readServerCertificate(tlsCert, tlsKey),
};
