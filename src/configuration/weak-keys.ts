/** What is to be said of the cluster keys of a configuration: which of them are easy to guess, and what to do. No key is in it. */
import { keyWeakness } from '../core/key-strength.js';
import type { ClusterKeySource } from '../core/keys.js';

/** One sentence or two for each key that is easy to guess. */
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

const remedy = 'Who guesses it reads and writes everything: replace it by one that `statemesh init` draws.';
