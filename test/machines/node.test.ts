import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback, fromPromise } from 'xstate';
import type { NodeEvent } from '../../src/actors/mailboxes.js';
import type { Boot } from '../../src/core/ids.js';
import { nodeMachine } from '../../src/machines/node.machine.js';

describe('node: stopping', () => {
  it('a service fails meanwhile -> reported, and the node continues to close', () => {
    const pending = fromPromise(() => new Promise<never>(() => {})) as never;
    const failing = fromCallback(({ receive }) =>
      receive(() => {
        throw new Error('broken');
      }),
    ) as never;
    const machine = nodeMachine.provide({
      actors: { getConfiguration: pending, close: pending, connections: failing },
    });
    const input = { newBoot: () => 'boot' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 };
    const actor = createActor(machine, { input }).start();
    const failures: NodeEvent[] = [];
    actor.on('failure', (nodeEvent) => failures.push(nodeEvent));
    actor.send({ type: 'node.stop' });
    actor.getSnapshot().children.connections?.send({ type: 'any' });
    expect(failures).toMatchObject([{ where: 'connections', failure: { code: 'internal', message: 'broken' } }]);
    expect(actor.getSnapshot().value).toBe('stopping');
  });
});

describe('node: starting', () => {
  it('a change of the provider and a call meanwhile -> each keeps its fields; a bad call is refused at once', async () => {
    const pending = fromPromise(() => new Promise<never>(() => {})) as never;
    const idle = fromCallback(() => {}) as never;
    const given = { nodeId: 'a', security: 'none', port: 1, heartbeatIntervalMs: 1_000 };
    const machine = nodeMachine.provide({
      actors: {
        getConfiguration: fromPromise(() => Promise.resolve(() => given)) as never,
        configurationFeed: idle,
        connections: idle,
        reconfiguration: pending,
      },
    });
    const input = { newBoot: () => 'boot' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 };
    const actor = createActor(machine, { input }).start();
    await new Promise((resolve) => setImmediate(resolve));
    expect(actor.getSnapshot().value).toBe('starting');
    const refused: NodeEvent[] = [];
    actor.on('reconfiguration.failed', (nodeEvent) => refused.push(nodeEvent));
    actor.send({ type: 'node.reconfigure', partial: () => ({ heartbeatIntervalMs: 300 }), request: 1 });
    actor.send({ type: 'node.reconfigure', partial: () => ({ port: -1 }), request: 2 });
    actor.send({ type: 'configuration.changed', requested: () => ({ ...given, port: 2 }) });
    expect(refused).toMatchObject([{ requests: [2], failure: { code: 'configurationInvalid' } }]);
    const { wanted } = actor.getSnapshot().context;
    expect([wanted?.partial(), wanted?.requests]).toEqual([{ heartbeatIntervalMs: 300 }, [1]]);
    actor.stop();
  });
});

describe('node: its configuration', () => {
  it('becomes unreadable -> reported with its own code, and the node continues', () => {
    const pending = fromPromise(() => new Promise<never>(() => {})) as never;
    const idle = fromCallback(() => {}) as never;
    const machine = nodeMachine.provide({
      actors: { getConfiguration: pending, configurationFeed: idle, connections: idle },
    });
    const input = { newBoot: () => 'boot' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 };
    const actor = createActor(machine, { input }).start();
    const failures: NodeEvent[] = [];
    actor.on('failure', (nodeEvent) => failures.push(nodeEvent));
    const failure = { code: 'configurationUnreadable', message: 'No JSON.' } as const;
    actor.send({ type: 'configuration.failed', failure });
    expect(failures).toMatchObject([{ where: 'configuration', failure }]);
    expect(actor.getSnapshot().value).toBe('configuring');
  });
});
