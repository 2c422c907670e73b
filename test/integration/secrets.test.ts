/**
 * Planted secrets and documents are searched for everywhere where they must not be. Real processes, everything logged.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { lastJson, run, startNode, temporaryDirectory, until } from './cli-fixture.js';
import { tracesOf } from './encodings.js';
import { ownPort } from './own-port.js';

/** Characters that each encoding writes in its own way. */
const rest = `/+&=%.!*'"\\ ~0123456789`;

const planted = {
  clusterKey: `planted-cluster-key${rest}`,
  acceptedKey: `planted-accepted-key${rest}`,
  newKey: `planted-new-key${rest}`,
  wrongKey: `planted-wrong-key${rest}`,
  clientSecret: `planted-client-secret${rest}`,
  otherSecret: `planted-other-secret${rest}`,
  document: `planted-document${rest}`,
  badDocument: `planted-bad-document${rest}`,
};

test('secrets and documents -> in no log, error, status, metric or process argument, in any situation', async () => {
  const port = ownPort();
  const fast = { discoveryPort: port, beaconIntervalMs: 200, heartbeatIntervalMs: 200, syncIntervalMs: 400 };
  const keys = { clusterKey: planted.clusterKey, acceptedClusterKeys: [planted.acceptedKey] };
  const node = await startNode({
    ...keys,
    ...fast,
    logLevel: 'trace',
    metricsPort: 0,
    inspector: { port: 0, trace: 'trace.jsonl' },
  });
  const peer = await startNode({ ...keys, ...fast, nodeId: 'node-b', logLevel: 'trace' });
  const told: string[] = [];
  const tell = async (args: readonly string[], input?: string, env?: Record<string, string>): Promise<string> => {
    const result = await run(args, { cwd: node.directory, ...(input !== undefined && { input }), ...(env && { env }) });
    told.push(result.stdout, result.stderr);
    return result.stdout;
  };
  // A stranger with another key in the same NodeId space, which knows where the node is.
  const known = [{ nodeId: 'node-a', address: `127.0.0.1:${node.port}` }];
  const stranger = await startNode({ ...fast, nodeId: 'node-x', clusterKey: planted.wrongKey, knownPeers: known });
  const document = JSON.stringify({ text: planted.document });
  await tell(['put', 'things', 'k', '-'], document);
  await until(async () => (await peer.run(['find', 'things', '--count'])).stdout.trim() === '1' || undefined);
  // Cloud peers without a running authority: one secret is sealed, one stays where it is.
  const cloud = ['--address', '127.0.0.1:9', '--authority', 'http://127.0.0.1:9', '--client-id', 'shop'];
  await tell(['add-cloud-peer', '--node-id', 'cloud-1', ...cloud, '--client-secret-stdin'], planted.clientSecret);
  await tell(['add-cloud-peer', '--node-id', 'cloud-2', ...cloud, '--client-secret-env', 'OTHER'], '', {
    OTHER: planted.otherSecret,
  });
  // Errors are reported without the wrong values.
  await tell(['put', 'things', 'bad', '-'], `{"text":${JSON.stringify(planted.badDocument)}`);
  await tell(['import', 'things', '-'], `{"key":"bad","document":${JSON.stringify(planted.badDocument)}`);
  await tell(['reconfigure', '--stdin'], JSON.stringify({ clusterKey: 5, clusterSalt: planted.newKey, port: -1 }));
  await tell(
    ['reconfigure', '--stdin'],
    JSON.stringify({ clusterKey: planted.newKey, acceptedClusterKeys: [planted.clusterKey] }),
  );
  const broken = await temporaryDirectory();
  await writeFile(join(broken, 'statemesh.json'), `{"clusterKey":${JSON.stringify(planted.clusterKey)},,}`, {
    mode: 0o600,
  });
  for (const args of [['start'], ['config', 'check', 'statemesh.json'], ['doctor']]) {
    const { stdout, stderr } = await run(args, { cwd: broken });
    told.push(stdout, stderr);
  }
  // Gateways have tried, and failed.
  await until(async () => {
    const { gateways } = lastJson(await tell(['status', '--json'])) as { gateways: { lastFailure?: object }[] };
    return gateways.some(({ lastFailure }) => lastFailure !== undefined) || undefined;
  }, 'the leader has tried to get a token');
  for (const args of [
    ['status'],
    ['peers'],
    ['remote-peers'],
    ['doctor'],
    ['config', 'show'],
    ['config', 'show', '--json'],
  ]) {
    await tell(args);
  }
  const { metricsPort } = lastJson(await tell(['status', '--json'])) as { metricsPort: number };
  told.push(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text());
  for (const { child } of [node, peer, stranger]) told.push(await readFile(`/proc/${child.pid}/cmdline`, 'utf8'));
  await tell(['stop']);
  await node.exitCode;
  for (const each of [node, peer, stranger]) told.push(each.stdout(), each.stderr());
  const all = told.join('\n');
  // Everything was really logged, and the failures really happened.
  expect(all).toContain('Reconfigured in');
  expect(all).toContain('wrongClusterKey');
  expect(all).toContain('authorityUnavailable');
  expect(tracesIn(all, Object.values(planted))).toEqual([]);
  // Files beside the documents contain no secret either; the records of the inspector contain no document.
  const records = await readFile(join(node.directory, 'trace.jsonl'), 'latin1');
  expect(records).toContain('authorityUnavailable');
  expect(tracesIn(records, Object.values(planted))).toEqual([]);
  const { document: ofUser, badDocument: _, ...secrets } = planted;
  for (const each of [node, peer]) {
    const files = await filesIn(join(each.directory, 'data'));
    expect(tracesIn(files, [ofUser])).not.toEqual([]);
    expect(tracesIn(files, Object.values(secrets))).toEqual([]);
  }
}, 60_000);

/** The texts that occur, in any encoding. */
function tracesIn(all: string, texts: readonly string[]): string[] {
  return texts.filter((text) => tracesOf(text).some((trace) => all.includes(trace)));
}

async function filesIn(directory: string): Promise<string> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((each) => each.isFile());
  const texts = await Promise.all(names.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')));
  return texts.join('\n');
}
