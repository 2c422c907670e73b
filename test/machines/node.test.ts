import { describe, expect, it } from '@jest/globals';
import { createActor, fromCallback, fromPromise } from 'xstate';
import type { Boot } from '../../src/core/ids.js';
import { nodeMachine } from '../../src/machines/node.machine.js';
import type { Happening } from '../../src/protocol/events.js';

describe('node: stopping', () => {
  it('a service fails meanwhile -> is reported, and the node goes on closing', () => {
    const pending = fromPromise(() => new Promise<never>(() => {})) as never;
    const failing = fromCallback(({ receive }) =>
      receive(() => {
        throw new Error('broken');
      }),
    ) as never;
    const machine = nodeMachine.provide({
      actors: { configure: pending, closeListeners: pending, connections: failing },
    });
    const input = { newBoot: () => 'boot' as Boot, random: () => 0, now: () => 0, monotonicMs: () => 0 };
    const actor = createActor(machine, { input }).start();
    const failures: Happening[] = [];
    actor.on('failure', (happening) => failures.push(happening));
    actor.send({ type: 'node.stop' });
    actor.getSnapshot().children.connections?.send({ type: 'any' });
    expect(failures).toMatchObject([{ where: 'connections', failure: { code: 'internal', message: 'broken' } }]);
    expect(actor.getSnapshot().value).toEqual({ stopping: 'closingListener' });
  });
});
