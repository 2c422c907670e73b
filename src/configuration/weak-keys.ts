/**
 * Warnings about the cluster keys of a configuration: which of them are easy to guess, and what to do. No warning
 * contains a key.
 */
import { keyWeakness } from '../core/key-strength.js';
import type { ClusterKeySource } from '../core/keys.js';

/** One or two sentences for each key that is easy to guess. */
export function weakKeys({
  configuration: { nodeId },
  keySource,
}: {
  readonly configuration: { readonly nodeId?: string };
  readonly keySource?: ClusterKeySource | undefined;
}): string[] {
  if (keySource === undefined) return [];
  const { passphrase, acceptedPassphrases = [], salt } = keySource;
  const names = [nodeId ?? '', salt];
  const told = (field: string, weakness: string | undefined) =>
    weakness === undefined ? [] : [`${field} is easy to guess: ${weakness}. ${remedy}`];
  return [
    ...told('clusterKey', keyWeakness(passphrase, names)),
    ...acceptedPassphrases.flatMap((each, index) => told(`acceptedClusterKeys.${index}`, keyWeakness(each, names))),
  ];
}

const remedy = 'An attacker who guesses it can read and write everything: replace it with a key from `statemesh init`.';
