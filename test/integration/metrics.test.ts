/** Metrics: what a Prometheus server reads, from real nodes. */
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createFixture, type Fixture, isRefused, portOf, type TestNode, until } from './cluster-fixture.js';
import { callersThatDoNotRead, callerWithoutEnd, silentCallers } from './crowd.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

function get(
  port: number,
  { path = '/metrics', host = `127.0.0.1:${port}`, method = 'GET', body = '' } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port, path, method, headers: { host, 'content-length': body.length }, agent: false },
      (response) => {
        let text = '';
        response.on('data', (part) => {
          text += part;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode, type: response.headers['content-type'], text }),
        );
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

async function portOfMetrics(node: TestNode): Promise<number> {
  await until('metrics are served', async () => (await node.status()).metricsPort !== undefined);
  return (await node.status()).metricsPort as number;
}

/** By name with labels, as it stands in the text. */
async function samplesOf(node: TestNode): Promise<Map<string, number>> {
  const { text } = await get(await portOfMetrics(node));
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

describe('metrics', () => {
  it('two nodes that sync -> the entries that they wrote, sent, received and have; every line with its help', async () => {
    const a = await fixture.start('a', { discovery: false, metricsPort: 0 });
    const b = await fixture.start('b', {
      discovery: false,
      metricsPort: 0,
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }],
    });
    await Promise.all([portOfMetrics(a), portOfMetrics(b)]);
    for (let index = 0; index < 20; index++) await a.collection('things').put(`k${index}`, { text: 'a secret text' });
    await until('a leads', async () => (await a.status()).leadership?.isLeader === true);
    await until('b has them', async () => (await b.collection('things').count()) === 20);
    await until(
      'a has heard so',
      async () => (await samplesOf(a)).get('statemesh_peer_backlog_entries{peer="b"}') === 0,
    );
    await until('the clocks are compared', async () => (await a.status()).clockAheadMs !== undefined);
    const [ofA, ofB] = [await samplesOf(a), await samplesOf(b)];
    expect(ofA.get('statemesh_node_info{node_id="a",role="member"}')).toBe(1);
    expect(ofA.get('statemesh_running')).toBe(1);
    expect([ofA.get('statemesh_leader'), ofB.get('statemesh_leader')]).toEqual([1, 0]);
    expect([ofA.get('statemesh_documents'), ofB.get('statemesh_documents')]).toEqual([20, 20]);
    expect(ofA.get('statemesh_entries_committed_total{from="local"}')).toBe(20);
    expect(ofB.get('statemesh_entries_committed_total{from="remote"}')).toBe(20);
    expect(ofA.get('statemesh_write_duration_seconds_count')).toBe(20);
    expect(ofA.get('statemesh_commit_duration_seconds_count{from="local"}')).toBe(20);
    expect(ofA.get('statemesh_peers{state="connected"}')).toBe(1);
    expect(ofA.get('statemesh_peers{state="backingOff"}')).toBe(0);
    const batches = ofA.get('statemesh_frames_total{direction="sent",type="batch"}') as number;
    expect(batches).toBeGreaterThan(0);
    expect(ofB.get('statemesh_frames_total{direction="received",type="batch"}')).toBe(batches);
    expect(ofA.get('statemesh_batch_round_trip_seconds_count')).toBeGreaterThan(0);
    expect(ofB.get('statemesh_bytes_total{direction="received"}')).toBeGreaterThan(20 * 30);
    expect(ofA.get('statemesh_wal_bytes')).toBeGreaterThan(0);
    expect(Math.abs(ofA.get('statemesh_peer_clock_ahead_seconds{peer="b"}') as number)).toBeLessThan(2);
    expect(ofA.get('statemesh_event_loop_delay_seconds{statistic="max"}')).toBeLessThan(10);
    expect(ofA.get('process_resident_memory_bytes')).toBeGreaterThan(1_000_000);
    const { status, type, text } = await get(await portOfMetrics(a));
    expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
    const names = new Set([...ofA.keys()].map((name) => name.replace(/(_bucket|_sum|_count)?(\{.*)?$/, '')));
    expect([...names].filter((name) => !text.includes(`# HELP ${name} `))).toEqual([]);
    expect(text).not.toContain('secret text');
  });

  it('a peer that lags -> its backlog is shown', async () => {
    const a = await fixture.start('a', { discovery: false });
    for (let index = 0; index < 2_500; index++) void a.collection('things').put(`k${index}`, 'x'.repeat(500));
    await a.collection('things').put('last', 1);
    const b = await fixture.start('b', {
      discovery: false,
      knownPeers: [{ nodeId: 'a', address: `127.0.0.1:${portOf(a)}` }],
    });
    const backlogs = new Set<number | undefined>();
    await until('b has followed', async () => {
      backlogs.add((await a.status()).peers[0]?.backlog);
      return (await b.collection('things').count()) === 2_501;
    });
    expect(Math.max(...[...backlogs].map((backlog) => backlog ?? 0))).toBeGreaterThan(0);
    await until('nothing is left', async () => (await a.status()).peers[0]?.backlog === 0);
  });

  it('not configured -> nothing is served; switched on, moved and off while it runs', async () => {
    const a = await fixture.start('a', { discovery: false });
    expect((await a.status()).metricsPort).toBe(undefined);
    await a.reconfigure({ metricsPort: 0 });
    const port = await portOfMetrics(a);
    await a.collection('things').put('k', 1);
    expect((await samplesOf(a)).get('statemesh_entries_committed_total{from="local"}')).toBe(1);
    await a.reconfigure({ metricsPort: undefined });
    await until('the port is closed', () => isRefused(port));
    expect((await a.status()).metricsPort).toBe(undefined);
  });

  it('a taken port -> the node continues, and reports it', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const a = await fixture.start('a', { discovery: false, metricsPort: port });
    await until('it has said so', async () => (await a.status()).lastFailure?.code === 'portInUse');
    expect(a.state).toBe('running');
    server.close();
  });

  it('another host, path or method, as a web page might try, or a body -> refused', async () => {
    const a = await fixture.start('a', { discovery: false, metricsPort: 0 });
    const port = await portOfMetrics(a);
    const statuses = [
      await get(port, { host: 'evil.example.com' }),
      await get(port, { host: `evil.example.com:${port}` }),
      await get(port, { path: '/' }),
      await get(port, { method: 'POST' }),
      await get(port, { body: 'x' }),
      await get(port, { host: `localhost:${port}`, method: 'HEAD' }),
    ];
    expect(statuses.map(({ status }) => status)).toEqual([421, 421, 404, 405, 400, 200]);
    expect(statuses.at(-1)?.text).toBe('');
  });

  it('a hundred silent local connections -> other callers are answered', async () => {
    const node = await fixture.start('a', { discovery: false, metricsPort: 0 });
    const port = await portOfMetrics(node);
    const silent = await silentCallers(port, 100);
    expect((await get(port)).status).toBe(200);
    silent.close();
  });

  it('local connections that send requests and do not read -> other callers are answered', async () => {
    const node = await fixture.start('a', { discovery: false, metricsPort: 0 });
    const port = await portOfMetrics(node);
    const crowd = await callersThatDoNotRead({ port, path: '/metrics' }, 20);
    expect((await get(port)).status).toBe(200);
    crowd.close();
  });

  it('local connections that send a body without end -> each is closed as soon as it is answered', async () => {
    const node = await fixture.start('a', { discovery: false, metricsPort: 0 });
    const port = await portOfMetrics(node);
    for (const path of ['/metrics', '/nothing']) expect(await callerWithoutEnd({ port, path })).toBeLessThan(3_000);
  });
});
