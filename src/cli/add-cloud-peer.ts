/**
 * `statemesh add-cloud-peer`: adds a cloud node for the whole cluster; the leader connects to it.
 *
 * Invariant: a secret is never an argument, which every user of the machine could read. It is either the name of an
 * environment variable on the leader, or comes by standard input and is sealed by the node.
 */
import { type Command, Option } from 'commander';
import { type Added, addedText } from './add-static-peer.js';
import { standardInput } from './exact-input.js';
import { badInput } from './failures.js';
import { defineTalking, nodeAt, type TalkOptions } from './node-at.js';
import { print, printJson } from './output.js';

interface AddCloudPeerOptions extends TalkOptions {
  readonly nodeId: string;
  readonly address: string;
  readonly authority: string;
  readonly clientId: string;
  readonly clientSecretEnv?: string;
  readonly clientSecretStdin?: boolean;
  readonly scope?: readonly string[];
  readonly audience?: string;
}

/** Longer than any secret that users type or generate. */
const secretLengthMax = 4_096;

export function defineAddCloudPeer(command: Command): void {
  command
    .requiredOption('--node-id <id>', 'the NodeId of the cloud node')
    .requiredOption('--address <address>', 'where it listens: host:port (TLS) or wss://host/path')
    .requiredOption('--authority <url>', 'the OAuth2 authority that issues access tokens; https, except on loopback')
    .requiredOption('--client-id <id>', 'the client id of the cluster at the authority')
    .addOption(
      new Option(
        '--client-secret-env <name>',
        'the environment variable that holds the secret; each node that may lead needs it, and lists it in its secretVariables; only its name is stored',
      ).conflicts('clientSecretStdin'),
    )
    .option('--client-secret-stdin', 'read the secret from standard input; it is stored sealed with the cluster key')
    .option('--scope <scope...>', 'the scope of the token, as the cloud node requires it')
    .option('--audience <audience>', 'the audience of the token, as the cloud node requires it');
  defineTalking(command, {
    json: 'print {"isNew","isChanged"}: both false when the same peer was stored already',
    examples: [
      'statemesh add-cloud-peer --node-id cloud-1 --address cloud.example.com:9000 \\\n    --authority https://identity.example.com --client-id shop --client-secret-env SHOP_SECRET --scope entgldb:sync',
      'statemesh add-cloud-peer ... --client-secret-stdin < secret.txt',
    ],
  }).action(async ({ nodeId, address, ...options }: AddCloudPeerOptions) => {
    const { authority, clientId, scope: scopes = [], audience } = options;
    const clientSecret = await secretOf(options);
    const oAuth2 = { authority, clientId, clientSecret, scopes, audience };
    const answer = (await nodeAt(options).call('addCloudPeer', { nodeId, address, oAuth2 })) as Added;
    if (options.json) printJson(answer);
    else print(`${addedText(answer, nodeId, address)}${answer.isChanged ? remainder(options) : ''}`);
  });
}

/** The remaining steps, which another machine may need. */
function remainder({
  clientSecretEnv: name,
  authority,
}: Pick<AddCloudPeerOptions, 'clientSecretEnv' | 'authority'>): string {
  if (name === undefined) return '';
  const { origin } = new URL(authority);
  return `\nEach node that may lead needs ${name} in its environment, and ${name}=${origin} in secretVariables of its configuration.`;
}

async function secretOf({
  clientSecretEnv,
  clientSecretStdin,
}: Pick<AddCloudPeerOptions, 'clientSecretEnv' | 'clientSecretStdin'>): Promise<string | undefined> {
  if (clientSecretEnv !== undefined) {
    if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(clientSecretEnv)) return `\${${clientSecretEnv}}`;
    throw badInput('--client-secret-env takes the name of a variable: A-Z a-z 0-9 and _. The secret stays in it.');
  }
  if (!clientSecretStdin) return undefined;
  const secret = (await standardInput()).replace(/\r?\n$/, '');
  if (secret !== '' && secret.length <= secretLengthMax) return secret;
  throw badInput('Standard input holds no secret: one line, as in `--client-secret-stdin < secret.txt`.');
}
