/** After the story: the nodes stay up, with commands to try and a line that shows their state. */
import { setTimeout } from 'node:timers/promises';
import type { Cluster } from './cluster.js';
import { type ClusterNode, commandPath, nameOf } from './cluster-node.js';
import { number, type Screen } from './screen.js';

const lookIntervalMs = 1_000;

/** Resolves when the cluster is aborted, usually by Ctrl-C. */
export async function stay(cluster: Cluster, screen: Screen): Promise<void> {
  const { nodes, signal } = cluster;
  cluster.lost = (node, ending) => {
    const logLines = ending.signal === null && ending.code !== 0 ? node.lastLogLines() : [];
    screen.say(`${node.name} has ended: ${nameOf(ending)}.`, ...logLines.map((line) => `  ${line}`), '');
  };
  screen.say(...invitation(cluster), '');
  while (!signal.aborted) {
    const looks = await Promise.all(nodes.map(look));
    if (signal.aborted) break;
    const digests = looks.map(({ clockDigest }) => clockDigest).filter((digest) => digest !== undefined);
    const verdict = new Set(digests).size > 1 ? 'catching up' : digests.length > 1 ? 'equal' : '';
    screen.show([[...looks.map(({ text }) => text), verdict].join('   ')]);
    await setTimeout(lookIntervalMs, undefined, { signal }).catch(() => {});
  }
  screen.show([]);
}

function invitation({ directory, nodes, watch }: Cluster): string[] {
  const [, , c] = nodes;
  return [
    'The nodes stay up. Watch their statecharts, and send commands, in a browser:',
    '',
    `  ${watch.url}`,
    '',
    'In another terminal, try:',
    '',
    `  alias statemesh="node ${commandPath}"`,
    `  D=${directory}`,
    '  statemesh peers --data-dir $D/node-a',
    `  statemesh find cities --where '{"name":"Paris"}' --data-dir $D/node-b`,
    '',
    'Write on one node, read on another:',
    '',
    `  statemesh put notes hello '{"from":"node-a"}' --data-dir $D/node-a`,
    '  statemesh get notes hello --data-dir $D/node-c',
    '',
    'See who leads, and what the leader has sent to the cloud:',
    '',
    '  statemesh status --data-dir $D/node-b',
    '  statemesh get notes hello --data-dir $D/cloud-2',
    '  statemesh disable-peer cloud-2 --data-dir $D/node-c',
    '',
    'Change it while it runs:',
    '',
    '  statemesh reconfigure port=0 heartbeat-interval-ms=500 --data-dir $D/node-a',
    '  statemesh config set eligible=false --config $D/node-b.json',
    '',
    'Kill one, write meanwhile, and bring it back:',
    '',
    `  kill -9 ${c.processId}`,
    '  statemesh delete notes hello --data-dir $D/node-b',
    '  statemesh start --config $D/node-c.json',
    '',
    'Ctrl-C stops everything and removes the data.',
  ];
}

/** Looks at the running process, also one that was started from another terminal after a kill. */
async function look(node: ClusterNode): Promise<{ text: string; clockDigest: string | undefined }> {
  try {
    const { clockDigest, store } = await node.call<{ clockDigest: string; store: { documents: number } }>('status');
    return { text: `${node.name} ${number(store.documents)}`, clockDigest };
  } catch {
    return { text: `${node.name} down`, clockDigest: undefined };
  }
}
