/** `statemesh simulate --inspect`: plays a seed for viewers, who may send commands. */
import { StatemeshError } from '../index.js';
import { type Control, type ControlName, createInspector } from '../inspector/index.js';
import { drawPlan, performPlan, type World, type WorldNode } from '../simulation/index.js';
import { monotonicMs, sleep } from './ambient.js';
import { exitCodes } from './exit-codes.js';
import { untilInterrupted } from './interruption.js';
import { list, paint, print, printJson } from './output.js';
import type { SimulateRequest } from './simulate-request.js';

const controls: readonly ControlName[] = [
  'put',
  'crash',
  'stop',
  'restart',
  'reconfigure',
  'partition',
  'heal',
  'pace',
];
const pollMs = 5;

export async function inspectSimulation(request: SimulateRequest, port: number, stately: boolean): Promise<number> {
  const { from: seed, plan: options, isJson } = request;
  const pace = new Pace();
  const ending = new AbortController();
  let stage: { readonly world: World; readonly nodes: readonly WorldNode[] } | undefined;
  const inspector = createInspector({
    port,
    stately,
    controls,
    title: `seed ${seed}`,
    controller: async (control) => {
      if (control.name === 'pace') return pace.set(control.factor);
      if (stage === undefined) throw new StatemeshError('notRunning', 'The world has not started yet.');
      return carryOut(control, stage);
    },
  });
  const { url } = await inspector.open();
  const address = url?.reveal() ?? '';
  if (isJson) printJson({ event: 'serving', url: address, seed });
  else {
    print(paint('green', `Seed ${seed}, one virtual second per second. Ctrl-C ends it.`));
    print(list([['  watch it', address]]));
  }
  void untilInterrupted().then(() => ending.abort());
  const { signal } = ending;
  const breach = await performPlan(drawPlan({ ...options, seed }), {
    signal,
    records: inspector.add,
    pace: (atMs: number) => pace.until(atMs, signal),
    onStage: (world, nodes) => {
      stage = { world, nodes };
    },
    onTurn: (what) => {
      inspector.add({ id: 0, node: '', atMs: stage?.world.nowMs ?? 0, type: 'statemesh.world', what });
      if (!isJson) print(what);
    },
  });
  if (breach !== undefined && !signal.aborted) {
    if (!isJson) print('The world is paused; look at what led to this. Ctrl-C ends it.');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
  await inspector.close();
  return breach === undefined ? exitCodes.ok : exitCodes[breach.kind];
}

async function carryOut(
  control: Exclude<Control, { name: 'pace' }>,
  { world, nodes }: { readonly world: World; readonly nodes: readonly WorldNode[] },
): Promise<string> {
  const named = (name: string): WorldNode => {
    const node = nodes.find((each) => each.name === name);
    if (node === undefined) throw new StatemeshError('requestInvalid', `There is no node "${name}".`);
    return node;
  };
  switch (control.name) {
    case 'put':
      await named(control.node)
        .node.collection(control.collection)
        .put(control.key, control.document as never);
      return `${control.key} is on the disk of ${control.node}.`;
    case 'crash':
      world.crash(named(control.node));
      return `${control.node} was killed.`;
    case 'stop':
      void world.stop(named(control.node));
      return `${control.node} is asked to stop.`;
    case 'restart':
      world.restart(named(control.node));
      return `${control.node} is started.`;
    case 'reconfigure': {
      const { tookMs } = await world.reconfiguring(named(control.node), control.fields, 'now');
      return `${control.node} was reconfigured in ${tookMs.toFixed(1)} virtual ms.`;
    }
    case 'partition': {
      const [one = [], other = []] = control.groups;
      world.partition(one.map(named), other.map(named));
      return 'The network is partitioned.';
    }
    case 'heal':
      world.heal();
      return 'The network is whole.';
  }
}

/** Lets virtual time pass at the requested speed. */
class Pace {
  #factor = 1;
  #anchor = { virtualMs: 0, realMs: monotonicMs() };
  #nowMs = 0;

  set(factor: number): string {
    this.#anchor = { virtualMs: this.#nowMs, realMs: monotonicMs() };
    this.#factor = factor;
    return factor === 0 ? 'The world is paused.' : `${factor} virtual seconds a second.`;
  }

  async until(virtualMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const passedMs = (monotonicMs() - this.#anchor.realMs) * this.#factor;
      const dueMs = this.#anchor.virtualMs + passedMs;
      if (this.#factor > 0 && dueMs >= virtualMs) break;
      this.#nowMs = Math.max(this.#nowMs, Math.min(dueMs, virtualMs));
      const waitMs = this.#factor > 0 ? (virtualMs - dueMs) / this.#factor : pollMs;
      await sleep(Math.min(Math.max(waitMs, 1), 50));
    }
    this.#nowMs = Math.max(this.#nowMs, virtualMs);
  }
}
