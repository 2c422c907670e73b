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
import type { ListenSecurity, Randomness } from '../ports/ports.js';
import { readAuthorities, readServerCertificate } from './pem-files.js';

export interface ConfigurePorts {
  readonly randomness: Randomness;
  /** How keys are stretched: by scrypt, except in tests that count. */
  readonly derive?: Derive;
  /** The directory that relative paths start from. Default: the working directory of the process at that moment. */
  readonly workingDirectory?: string;
}

export function createConfigure(ports: ConfigurePorts) {
  const { randomness } = ports;
  // A reconfiguration derives again, mostly with the same keys.
  const derive = remembering(ports.derive ?? stretch);
  return fromPromise<Configured, { configuration: () => unknown }>(async ({ input }) => {
    const checked = parseConfiguration(input.configuration());
    const { keySource, initialRemotePeers } = checked;
    const configuration = withWholePaths(checked.configuration, ports.workingDirectory);
    const ca = configuration.ca === undefined ? undefined : await readAuthorities(configuration.ca);
    const keys = keySource === undefined ? undefined : await deriveClusterKeys(keySource, derive);
    const nonce = () => randomness.token();
    const others = {
      configuration,
      ca,
      keys,
      initialPeers: initialPeerDocuments(initialRemotePeers, { keys, nonce }),
      initialRemotePeers: () => initialRemotePeers,
    };
    if (configuration.role === 'cloud') {
      return { ...others, security: await cloudSecurity(configuration) };
    }
    return { ...others, security: keys?.security ?? { kind: 'none' } };
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

/** Without a certificate only when the configuration check has found that no other machine can listen in. */
async function cloudSecurity({ tlsCert, tlsKey }: Configuration): Promise<ListenSecurity> {
  if (tlsCert === undefined || tlsKey === undefined) return { kind: 'none' };
  return { kind: 'server', server: await readServerCertificate(tlsCert, tlsKey) };
}
