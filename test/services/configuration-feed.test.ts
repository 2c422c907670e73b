/** What a program's configuration provider may do wrong while a node runs. */
import { describe, expect, test } from '@jest/globals';
import { createActor } from 'xstate';
import type { Failure } from '../../src/core/errors.js';
import { createConfigurationFeed } from '../../src/services/configuration-feed.js';

const unreadable = (): never => {
  throw new Error('trap');
};
const trap = new Proxy({}, { get: unreadable, getPrototypeOf: unreadable, ownKeys: unreadable });

function feedOver(returned: unknown) {
  const told: { type: string; failure?: Failure }[] = [];
  const callbacks: { changed?: (value: never) => void; trouble?: (value: never) => void } = {};
  const provider = {
    getConfiguration: unreadable,
    onConfigurationChanged(callback: (value: never) => void) {
      callbacks.changed = callback;
      return returned as () => void;
    },
    onTrouble(callback: (value: never) => void) {
      callbacks.trouble = callback;
      return returned as () => void;
    },
  };
  const parent = { send: (event: never) => void told.push(event) } as never;
  const actor = createActor(createConfigurationFeed(provider), { input: { parent } });
  return { told, callbacks, actor };
}

describe('the feed of a configuration provider', () => {
  test('trouble with any value -> a failure of the closed list', () => {
    const { told, callbacks, actor } = feedOver(() => {});
    actor.start();
    const unreadableFile = { code: 'configurationUnreadable', message: 'no JSON' };
    const reported = [undefined, null, trap, new Error('away'), { code: 'toString', message: 'odd' }, unreadableFile];
    for (const each of reported) callbacks.trouble?.(each as never);
    expect(told.map(({ failure }) => failure)).toEqual([
      { code: 'internal', message: 'undefined' },
      { code: 'internal', message: 'null' },
      { code: 'internal', message: '[an object]' },
      { code: 'internal', message: 'away' },
      { code: 'internal', message: 'odd' },
      unreadableFile,
    ]);
  });

  test('a promise that fails in place of a function -> is told, and the process goes on', async () => {
    const { told, actor } = feedOver(Promise.reject(new Error('no')));
    actor.start();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told[0]).toMatchObject({ type: 'configuration.failed', failure: { code: 'configurationInvalid' } });
    expect(actor.getSnapshot().status).toBe('active');
    actor.stop();
  });

  test('a call after the end -> is not heard', () => {
    const { told, callbacks, actor } = feedOver(() => {});
    actor.start();
    actor.stop();
    callbacks.changed?.({} as never);
    callbacks.trouble?.({} as never);
    expect(told).toEqual([]);
  });
});
