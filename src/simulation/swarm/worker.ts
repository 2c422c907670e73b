/**
 * The program of a worker thread: plays the plans that it receives, one after the other, and answers with verdicts. An
 * uncaught error ends it, and the player that sent the plan turns that into a verdict.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { type Failure, failureOf } from '../../core/errors.js';
import type { Verdict } from '../verdict.js';
import type { Plan } from './plan.js';
import { threadPlayer } from './player.js';

export interface Assignment {
  readonly plan: Plan;
  readonly traceFile: string | undefined;
}

export type Answer = { readonly verdict: Verdict } | { readonly failure: Failure };

const player = threadPlayer();

parentPort?.on('message', async (assignment: Assignment) => {
  const answer = await answerTo(assignment);
  // An error right after the run belongs to it.
  await turn();
  parentPort?.postMessage(answer);
});

async function answerTo({ plan, traceFile }: Assignment): Promise<Answer> {
  try {
    return { verdict: await player.play(plan, { traceFile }) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}
