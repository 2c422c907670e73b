/**
 * Calls that reconfigure a node, each answered by the reconfiguration that took it up: several may have become one.
 *
 * Invariant: every call is answered, also when the node ends before it is.
 */
import type { ActorRefFrom } from 'xstate';
import { type Failure, StatemeshError } from './core/errors.js';
import { readFields } from './core/options.js';
import type { NodeMachine } from './machines/node.machine.js';
import type { ConfigurationInput } from './protocol/configuration.js';
import type { Reconfiguration } from './protocol/reconfiguration.js';

export interface Requests {
  reconfigure(partial: Partial<ConfigurationInput>): Promise<Reconfiguration>;
}

interface Call {
  readonly resolve: (reconfiguration: Reconfiguration) => void;
  readonly reject: (error: StatemeshError) => void;
}

export function createRequests(actor: ActorRefFrom<NodeMachine>): Requests {
  const calls = new Map<number, Call>();
  let count = 0;
  const take = (requests: readonly number[]): readonly Call[] =>
    requests.flatMap((request) => {
      const call = calls.get(request);
      calls.delete(request);
      return call === undefined ? [] : [call];
    });
  actor.on('reconfiguration.finished', ({ requests, changes, tookMs, writesHeldMs, connectionsRefusedMs }) => {
    for (const { resolve } of take(requests)) resolve({ changes, tookMs, writesHeldMs, connectionsRefusedMs });
  });
  actor.on('reconfiguration.failed', ({ requests, failure }) => {
    for (const { reject } of take(requests)) reject(errorOf(failure));
  });
  const end = (): void => {
    const { failure } = actor.getSnapshot().context;
    const message = failure === undefined ? 'The node has stopped.' : `The node has ended: ${failure.message}`;
    for (const { reject } of take([...calls.keys()])) reject(errorOf({ code: 'notRunning', message }));
  };
  actor.subscribe({ complete: end, error: end });
  return {
    reconfigure: (given) =>
      new Promise((resolve, reject) => {
        const partial: Partial<ConfigurationInput> = Object.fromEntries(readFields(given, notFields));
        if (actor.getSnapshot().status !== 'active') {
          reject(errorOf({ code: 'notRunning', message: 'The node has stopped: make a new one.' }));
          return;
        }
        count += 1;
        calls.set(count, { resolve, reject });
        actor.send({ type: 'node.reconfigure', partial: () => partial, request: count });
      }),
  };
}

function notFields(problem: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${problem}`, { cause });
}

function errorOf({ code, message }: Failure): StatemeshError {
  return new StatemeshError(code, message);
}
