/** Nodes that are watched as their configuration says: over real sockets and files. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NodeEvent } from '../../src/actors/mailboxes.js';
import { createInspector } from '../../src/inspector/inspector.js';
import type { InspectorRecord } from '../../src/inspector/records.js';
import {
  clusterKey,
  createFixture,
  type Fixture,
  isRefused,
  type TestNode,
  until,
  untilMeshed,
} from '../integration/cluster-fixture.js';
import { ownPort } from '../integration/own-port.js';

let fixture: Fixture;
beforeEach(() => {
  fixture = createFixture();
});
afterEach(() => fixture.close());

describe('a node with an inspector', () => {
  it('a port in its configuration -> the address is in its status, with a token; switched off -> it is gone', async () => {
    const a = await fixture.start('a', { inspector: { port: 0 } });
    await untilOpened(a);
    const { inspectorUrl = '' } = await a.status();
    expect(inspectorUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{20,}$/);
    // The token is not sent: the page is the same for all.
    expect((await fetch(inspectorUrl)).status).toBe(200);
    await a.reconfigure({ inspector: undefined });
    await until('it is closed', async () => (await a.status()).inspectorUrl === undefined);
    await expect(fetch(inspectorUrl)).rejects.toThrow();
  });

  it('closed while it opens -> nobody listens at its port', async () => {
    const port = ownPort();
    for (const turns of [0, 1, 2, 5]) {
      const inspector = createInspector({ port });
      const opening = inspector.open();
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await inspector.close();
      await opening;
      expect(await isRefused(port)).toBe(true);
    }
  });

  it('a port that is taken -> the failure is reported, and the node runs without an inspector', async () => {
    const a = await fixture.start('a', { inspector: { port: 0 } });
    await untilOpened(a);
    const port = Number(new URL((await a.status()).inspectorUrl ?? '').port);
    const b = await fixture.start('b', { discovery: false });
    await b.reconfigure({ inspector: { port } });
    await until('it is told', () => failureOf(b) !== undefined);
    expect(failureOf(b)).toMatchObject({ where: 'inspector', failure: { code: 'portInUse' } });
    expect(b.state).toBe('running');
  });

  it('a trace -> contains no document, key or secret', async () => {
    mkdirSync(fixture.directoryOf('t'), { recursive: true });
    const trace = join(fixture.directoryOf('t'), 'trace.jsonl');
    const planted = 'planted-4711';
    const [a, b] = [await fixture.start('a', { inspector: { trace } }), await fixture.start('b')];
    await untilMeshed([a, b]);
    await a.addCloudPeer('cloud-1', '127.0.0.1:9', {
      authority: 'https://127.0.0.1:9',
      clientId: 'us',
      clientSecret: planted,
      scopes: ['x'],
    });
    for (const node of [a, b]) await node.collection('things').put('k', { text: planted });
    await a.reconfigure({ clusterKey: `${planted} and more of it`, acceptedClusterKeys: [clusterKey] });
    await a.stop();
    const text = readFileSync(trace, 'utf8');
    expect(text).not.toContain(planted);
    for (const told of ['"cloud-1"', 'oplog.appended', 'configuration.adjusted', 'service.leave'])
      expect(text).toContain(told);
  });

  it('a trace that cannot be written -> the failure is reported, and the node runs', async () => {
    const a = await fixture.start('a');
    await a.reconfigure({ inspector: { trace: join(fixture.directoryOf('a'), 'missing', 'trace.jsonl') } });
    await until('it is told', () => failureOf(a) !== undefined);
    expect(failureOf(a)).toMatchObject({ where: 'inspector', failure: { code: 'inspectorUnavailable' } });
    expect(a.state).toBe('running');
  });

  it('a collector -> its change is reported only by name, without the token', async () => {
    const collecting = createInspector({ port: 0, collects: true });
    const { collectorUrl } = await collecting.open();
    const a = await fixture.start('a');
    const { changes } = await a.reconfigure({ inspector: { collector: collectorUrl?.reveal() ?? '' } });
    expect(changes).toEqual([{ field: 'inspector', from: undefined, to: { collector: '[secret]' } }]);
    await collecting.close();
  });

  it('watched from its start by a program -> all of its steps are recorded', async () => {
    const trace = join(fixture.directoryOf('t'), 'trace.jsonl');
    mkdirSync(fixture.directoryOf('t'), { recursive: true });
    const inspector = createInspector({ trace });
    const a = await fixture.start('a', {}, { inspect: inspector.watch('a').inspect });
    await a.stop();
    await inspector.close();
    const records = readFileSync(trace, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as InspectorRecord);
    const values = records.flatMap((record) => {
      if (record.type !== '@xstate.actor' && record.type !== '@xstate.snapshot') return [];
      const { value } = record.snapshot;
      return record.sessionId === record.rootId && value !== undefined
        ? [typeof value === 'string' ? value : Object.keys(value)[0]]
        : [];
    });
    const steps = values.filter((value, index) => value !== values[index - 1]);
    expect(steps).toEqual(['configuring', 'starting', 'running', 'stopping', 'stopped']);
  });
});

function failureOf({ nodeEvents }: TestNode): NodeEvent | undefined {
  return nodeEvents.find(({ type }) => type === 'failure');
}

function untilOpened(node: TestNode): Promise<void> {
  return until('its inspector is open', async () => (await node.status()).inspectorUrl !== undefined);
}
