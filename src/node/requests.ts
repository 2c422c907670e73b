/**
 * Calls that reconfigure a node. Each is answered by the reconfiguration that took it up; one reconfiguration may
 * answer several calls.
 *
 * Invariants: every call is answered, even if the node ends first. The error is made in the call, so that its stack has
 * the caller's line.
 */
import type { ActorRefFrom } from 'xstate';
import type { Reconfiguration } from '../configuration/reconfiguration.js';
import type { ConfigurationInput } from '../configuration/schema.js';
import { type Failure, StatemeshError } from '../core/errors.js';
import { readFields } from '../core/options.js';
import type { NodeMachine } from '../machines/node.machine.js';

export interface Requests {
  reconfigure(partial: Partial<ConfigurationInput>): Promise<Reconfiguration>;
}

type Answer = Reconfiguration | { readonly failure: Failure };

export function createRequests(actor: ActorRefFrom<NodeMachine>): Requests {
  const calls = new Map<number, (answer: Answer) => void>();
  let count = 0;
  const answer = (requests: Iterable<number>, what: Answer): void => {
    for (const request of requests) {
      calls.get(request)?.(what);
      calls.delete(request);
    }
  };
  actor.on('reconfiguration.finished', ({ requests, changes, tookMs, writesHeldMs, connectionsRefusedMs }) => {
    answer(requests, { changes, tookMs, writesHeldMs, connectionsRefusedMs });
  });
  actor.on('reconfiguration.failed', ({ requests, failure }) => answer(requests, { failure }));
  const end = (): void => {
    const { failure } = actor.getSnapshot().context;
    const message = failure === undefined ? 'The node has stopped.' : `The node has ended: ${failure.message}`;
    answer(calls.keys(), { failure: { code: 'notRunning', message } });
  };
  actor.subscribe({ complete: end, error: end });
  return {
    async reconfigure(given) {
      const partial: Partial<ConfigurationInput> = Object.fromEntries(readFields(given, notFields));
      if (actor.getSnapshot().status !== 'active') {
        throw new StatemeshError('notRunning', 'The node has stopped: make a new one.');
      }
      count += 1;
      const request = count;
      const answered = await new Promise<Answer>((resolve) => {
        calls.set(request, resolve);
        actor.send({ type: 'node.reconfigure', partial: () => partial, request });
      });
      if ('failure' in answered) throw new StatemeshError(answered.failure.code, answered.failure.message);
      return answered;
    },
  };
}

function notFields(problem: string, cause?: unknown): StatemeshError {
  return new StatemeshError('configurationInvalid', `Invalid configuration: ${problem}`, { cause });
}
