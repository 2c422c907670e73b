/**
 * Plays a plan in a world and says what it broke. While it runs: safety. After everything has healed: liveness, and then
 * nothing may be left over.
 */
import { hash } from 'node:crypto';
import { errorCodes } from '../../core/errors.js';
import type { Change } from '../../index.js';
import { BreachError, type BreachKind, type Verdict } from '../verdict.js';
import { createWorld, type World, type WorldNode } from '../world.js';
import type { Fault, Plan } from './plan.js';

interface Acknowledged {
  readonly nodeId: string;
  readonly hlc: number;
  readonly key: string;
}

const liveWithin = '120s';

export interface PlayPlanOptions {
  /** Takes what the nodes tell as JSON lines, while the plan is being played. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Plays a plan to its end, or to the first promise that is broken. Does not throw: the verdict tells. */
export async function playPlan(plan: Plan, { trace }: PlayPlanOptions = {}): Promise<Verdict> {
  const world = createWorld({ seed: plan.seed });
  const run = new Run(plan, world, trace);
  let kind: BreachKind = 'safety';
  let breach: Verdict['breach'];
  try {
    await run.play();
    run.checkSafety();
    kind = 'liveness';
    await run.recover();
    kind = 'safety';
    await run.checkKept();
    run.checkSafety();
    kind = 'leak';
    await run.checkLeaks();
  } catch (error) {
    const atMs = world.nowMs;
    breach = error instanceof BreachError ? error.breach : { kind, checker: 'world', message: String(error), atMs };
  }
  const { events, nowMs: virtualMs } = world;
  const traceHash = hash('sha256', JSON.stringify([events, virtualMs, run.told]), 'hex');
  if (breach !== undefined) await world.close().catch(() => {});
  run.tell();
  return { seed: plan.seed, breach, events, virtualMs, acknowledged: run.acknowledged.length, traceHash };
}

class Run {
  readonly acknowledged: Acknowledged[] = [];
  readonly #plan: Plan;
  readonly #world: World;
  readonly #nodes: readonly WorldNode[];
  readonly #restarts: { readonly atMs: number; readonly node: WorldNode }[] = [];
  readonly #down = new Set<WorldNode>();
  readonly #trace: PlayPlanOptions['trace'];
  /** How much of what each node has told is in the trace. */
  readonly #traced = new Map<WorldNode, number>();

  constructor(plan: Plan, world: World, trace: PlayPlanOptions['trace']) {
    this.#plan = plan;
    this.#world = world;
    this.#trace = trace;
    const nodeIds = Array.from({ length: plan.nodes }, (_, index) => `node-${String.fromCharCode(97 + index)}`);
    this.#nodes = world.lan('swarm', nodeIds);
  }

  get told(): unknown {
    return this.#nodes.map((node) => this.#world.heard(node));
  }

  /** Adds what is new to the trace. */
  tell(): void {
    if (this.#trace === undefined) return;
    const fresh = this.#nodes.flatMap((node) => {
      const heard = this.#world.heard(node);
      const from = this.#traced.get(node) ?? 0;
      this.#traced.set(node, heard.length);
      return heard.slice(from);
    });
    for (const { atMs, nodeId, happening } of fresh.sort((a, b) => a.atMs - b.atMs)) {
      this.#trace(JSON.stringify({ atMs, nodeId, ...happening }));
    }
  }

  /** Everything that is planned, in the order of time. */
  async play(): Promise<void> {
    const steps = [
      ...this.#plan.writes.map((write) => ({ atMs: write.atMs, act: () => this.#write(write) })),
      ...this.#plan.faults.map((fault) => ({ atMs: fault.atMs, act: () => this.#strike(fault) })),
    ].sort((a, b) => a.atMs - b.atMs);
    for (const { atMs, act } of steps) {
      await this.#runTo(atMs);
      this.tell();
      await act();
    }
    await this.#runTo(this.#plan.durationMs);
  }

  /** Ends all faults, starts who is down, and waits until all agree. */
  async recover(): Promise<void> {
    this.#world.heal();
    for (const { node } of this.#restarts.splice(0)) this.#start(node);
    await this.#world.until(() => this.#world.nodes.every(({ isUp }) => isUp), { within: '10s' });
    await this.#world.until(() => this.#world.converged() && this.#world.meshed(), { within: liveWithin });
  }

  checkSafety(): void {
    for (const node of this.#nodes) {
      for (const { happening, atMs } of this.#world.heard(node)) {
        const isBroken =
          happening.type === 'failure' || happening.type === 'peer.diverged' || happening.type === 'node.duplicated';
        if (isBroken) throw new Error(`${node.nodeId} at ${atMs.toFixed(1)} ms: ${JSON.stringify(happening)}`);
        const failure = 'failure' in happening ? happening.failure : undefined;
        if (failure?.code === 'internal' || failure?.code === 'unexpectedFrame' || failure?.code === 'windowExceeded') {
          throw new Error(`${node.nodeId} at ${atMs.toFixed(1)} ms: ${errorCodes[failure.code]} ${failure.message}`);
        }
      }
    }
  }

  /** What was acknowledged is on every node, and all hold the same documents. */
  async checkKept(): Promise<void> {
    const digests = new Set<string>();
    for (const node of this.#nodes) {
      const { digest } = await this.#world.complete(node.node.contentDigest());
      digests.add(digest);
      const kept = new Set((await this.#changesOf(node)).map(({ nodeId, hlc }) => `${nodeId} ${hlc}`));
      const lost = this.acknowledged.filter(({ nodeId, hlc }) => !kept.has(`${nodeId} ${hlc}`));
      if (lost.length > 0) throw new Error(`${node.nodeId} lacks what was acknowledged: ${JSON.stringify(lost[0])}`);
    }
    if (digests.size > 1) throw new Error('Equal vector clocks, but other documents.');
  }

  async checkLeaks(): Promise<void> {
    await this.#world.close();
    await this.#world.run('30s');
    const { pendingEvents, openStreams } = this.#world;
    if (openStreams > 0) throw new Error(`${openStreams} streams are open after everybody has stopped.`);
    if (pendingEvents) throw new Error('Something is still planned after everybody has stopped.');
  }

  async #changesOf(node: WorldNode): Promise<Change[]> {
    const changes: Change[] = [];
    const end = node.node.actor.getSnapshot().context.store?.cursor() ?? 0;
    const stream = node.node.changes();
    while ((changes.at(-1)?.cursor ?? 0) < end) {
      const next = await this.#world.complete(stream.next());
      if (next.done === true) break;
      changes.push(next.value);
    }
    await stream.return();
    return changes;
  }

  async #runTo(atMs: number): Promise<void> {
    for (;;) {
      const due = this.#restarts.sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined || due.atMs > atMs) break;
      this.#restarts.shift();
      await this.#world.run(Math.max(0, due.atMs - this.#world.nowMs));
      this.#start(due.node);
    }
    await this.#world.run(Math.max(0, atMs - this.#world.nowMs));
  }

  #start(node: WorldNode): void {
    this.#down.delete(node);
    this.#world.restart(node);
  }

  #write({ node: index, key, value }: Plan['writes'][number]): void {
    const node = this.#nodes[index];
    if (node === undefined || !node.isUp) return;
    const things = node.node.collection<number>('things');
    const writing = value === undefined ? things.delete(key) : things.put(key, value);
    writing.then(
      (written) => {
        if (written !== undefined) this.acknowledged.push({ nodeId: node.nodeId, hlc: written.hlc, key });
      },
      // A node that stops refuses writes; that is no promise broken.
      () => {},
    );
  }

  async #strike(fault: Fault): Promise<void> {
    const world = this.#world;
    const at = (index: number) => this.#nodes[index % this.#nodes.length] as WorldNode;
    switch (fault.kind) {
      case 'partition': {
        const group = this.#nodes.filter((_, index) => fault.group.includes(index));
        const others = this.#nodes.filter((node) => !group.includes(node));
        world.partition(group, others, { oneWay: fault.oneWay });
        break;
      }
      case 'heal':
        world.heal();
        break;
      case 'crash':
      case 'stop': {
        const node = at(fault.node);
        if (this.#down.has(node)) break;
        this.#down.add(node);
        if (fault.kind === 'crash') world.crash(node);
        else await world.stop(node);
        this.#restarts.push({ atMs: world.nowMs + fault.downMs, node });
        break;
      }
      case 'clog':
        world.clog(at(fault.from), at(fault.to), fault.forMs);
        break;
      case 'skew':
        world.skew(at(fault.node), fault.byMs);
        break;
      case 'weather':
        world.weather({ loss: fault.loss, latencyMs: fault.latencyMs });
        break;
    }
  }
}
