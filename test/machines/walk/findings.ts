/** The findings of a walk: every defect of the machine, in words, and the figures of its row in the table. */
import type { AnyStateMachine, AnyTransitionDefinition } from 'xstate';
import { allStateNodes, type Configuration, type Ignored, pathOf, type Step, type Walked } from '../walk.js';

/** States that no sequence of events reaches. */
export function statesNotReached({ machine, entered }: Walked): string[] {
  return allStateNodes(machine)
    .filter((node) => !entered.has(node))
    .map(pathOf);
}

/** Transitions that are never taken: their guards never hold, or another transition always comes first. */
export function transitionsNotTaken({ walk, machine, taken }: Walked): string[] {
  const { nets = {} } = walk;
  const missed = transitionsOf(machine).filter((transition) => !taken.has(transition));
  const words = missed.map(inWords);
  const vain = Object.keys(nets).filter((net) => !words.includes(net));
  return [...words.filter((transition) => nets[transition] === undefined), ...vain.map((net) => `${net} is taken`)];
}

/** Configurations that violate an invariant. */
export function lawsBroken({ walk, configurations }: Walked): string[] {
  return Object.entries(walk.laws ?? {}).flatMap(([law, holds]) =>
    configurations
      .filter(({ context, leaves }) => !holds(context as never, leaves))
      .map(({ key }) => `${law}: not in ${key}`),
  );
}

/** Events that the machine handles, or that a child's end implies, but that the alphabet lacks. */
export function eventsNotOffered({ walk, machine, configurations, taken }: Walked): string[] {
  const offered = new Set(configurations.flatMap(({ steps }) => steps.map(({ event }) => event.type)));
  // The machine itself raises the end of a compound state.
  for (const { eventType } of taken) offered.add(eventType);
  const events = machine.events.filter((descriptor) => ![...offered].some((type) => isCoveredBy(type, descriptor)));
  const slots = Object.entries(walk.machine.implementations.actors);
  const ending = slots.filter(([slot, logic]) => hasFinalState(logic) && walk.outputs[slot] === undefined);
  return [...events, ...ending.map(([slot]) => `done ${slot}`)];
}

function hasFinalState(logic: unknown): boolean {
  const root = (logic as Partial<AnyStateMachine>).root;
  return root !== undefined && Object.values(root.states).some(({ type }) => type === 'final');
}

/** Failures of children without a handler: the machine dies of them, or does not notice. */
export function failuresMishandled({ configurations }: Walked): string[] {
  return configurations.flatMap(({ state, steps }) =>
    steps
      .filter(({ kind, inert }) => kind === 'failed' && inert)
      .map(({ name, handled }) => `${state}: ${name} ${handled ? 'is swallowed' : 'ends the machine'}`),
  );
}

/** Configurations from which a goal cannot be reached although nothing fails any more. */
export function deadEnds({ walk, configurations }: Walked): string[] {
  return walk.goals.flatMap((goal) => {
    const reaching = reachingOf(configurations, {
      goals: configurations.filter((configuration) => goal.some((state) => isIn(configuration, state))),
      by: ({ kind }) => kind !== 'failed',
    });
    return configurations
      .filter(({ status, key }) => status === 'active' && !reaching.has(key))
      .map(({ key }) => `no way to ${goal.join(' or ')} from ${key}`);
  });
}

/** Configurations that last forever unless an event comes from outside, and may not. */
export function strandings({ walk, configurations }: Walked): string[] {
  const { resting, retrying = [] } = walk;
  const mayLast = ({ status, key, steps, leaves }: Configuration): boolean => {
    if (status !== 'active' || resting.some((state) => isIn({ leaves }, state))) return true;
    return retrying.some((state) => isIn({ leaves }, state)) && steps.some((step) => isOwn(step) && step.to !== key);
  };
  const reaching = reachingOf(configurations, { goals: configurations.filter(mayLast), by: isOwn });
  return configurations.filter(({ key }) => !reaching.has(key)).map(({ key }) => `nothing more happens in ${key}`);
}

/** Whether the event comes from the machine's own services and delays. A failure does not count. */
function isOwn({ kind }: Step): boolean {
  return kind !== 'heard' && kind !== 'failed';
}

/** One event in one state. */
interface Pair {
  readonly leaves: readonly string[];
  readonly state: string;
  readonly name: string;
  readonly handled: ReadonlySet<boolean>;
}

/** Events without effect in a state, for which the list gives no reason. */
export function eventsLost(walked: Walked): string[] {
  return pairsOf(walked)
    .filter(({ handled }) => !handled.has(true))
    .filter((pair) => !walked.walk.ignored.some((group) => isListed(pair, group)))
    .map(({ state, name }) => `${state}: ${name} is lost`);
}

/** Samples that are too coarse: their effect in a state depends on something else. */
export function eventsUndecided(walked: Walked): string[] {
  return pairsOf(walked)
    .filter(({ handled }) => handled.size > 1)
    .map(({ state, name }) => `${state}: ${name} is handled at times: make a sample of each case`);
}

/** Entries of the list that no longer apply. */
export function ignoredInVain(walked: Walked): string[] {
  const pairs = pairsOf(walked);
  return walked.walk.ignored.flatMap(({ states, events }) =>
    states.flatMap((state) =>
      events.flatMap((event) => {
        const listed = pairs.filter((pair) => isListed(pair, { states: [state], events: [event] }));
        if (listed.length === 0) return [`${event} in ${state} never occurs`];
        return listed
          .filter(({ handled }) => handled.has(true))
          .map((pair) => `${pair.name} is handled in ${pair.state}`);
      }),
    ),
  );
}

/** The figures of a walk, by column head. */
export function figuresOf(walked: Walked): Record<string, string> {
  const { machine, configurations, entered, taken } = walked;
  const pairs = pairsOf(walked);
  const handled = pairs.filter((pair) => pair.handled.has(true)).length;
  const types = new Set(pairs.map(({ name }) => typeOf(name)));
  return {
    machine: machine.id,
    states: `${entered.size - 1}/${allStateNodes(machine).length - 1}`,
    transitions: `${taken.size}/${transitionsOf(machine).length}`,
    configurations: `${configurations.length}`,
    'steps walked': `${configurations.reduce((sum, { steps }) => sum + steps.length, 0)}`,
    events: `${types.size}`,
    samples: `${new Set(pairs.map(({ name }) => name)).size}`,
    'pairs handled': `${handled}`,
    'pairs ignored': `${pairs.length - handled}`,
  };
}

function pairsOf({ configurations }: Walked): Pair[] {
  const pairs = new Map<string, Pair & { readonly handled: Set<boolean> }>();
  for (const { leaves, state, steps } of configurations) {
    for (const { name, handled } of steps) {
      const key = `${state}: ${name}`;
      const pair = pairs.get(key) ?? { leaves, state, name, handled: new Set() };
      pair.handled.add(handled);
      pairs.set(key, pair);
    }
  }
  return [...pairs.values()];
}

function isListed({ leaves, name }: Pair, { states, events }: Pick<Ignored, 'states' | 'events'>): boolean {
  return (
    states.some((state) => state === '*' || isIn({ leaves }, state)) &&
    events.some((event) => event === name || event === typeOf(name))
  );
}

function isIn({ leaves }: Pick<Configuration, 'leaves'>, state: string): boolean {
  return leaves.some((leaf) => leaf === state || leaf.startsWith(`${state}.`));
}

/** The configurations, by key, from which some sequence of steps reaches a goal. */
function reachingOf(
  configurations: readonly Configuration[],
  { goals, by }: { goals: readonly Configuration[]; by: (step: Step) => boolean },
): Set<string> {
  const before = new Map<string, string[]>();
  for (const { key, steps } of configurations) {
    for (const { to } of steps.filter(by)) before.set(to, [...(before.get(to) ?? []), key]);
  }
  const reaching = new Set(goals.map(({ key }) => key));
  // Iterating over a set also visits elements that are added meanwhile.
  for (const key of reaching) for (const previous of before.get(key) ?? []) reaching.add(previous);
  return reaching;
}

function transitionsOf(machine: AnyStateMachine): AnyTransitionDefinition[] {
  return allStateNodes(machine).flatMap(({ transitions, always = [] }) => [
    ...[...transitions.values()].flat(),
    ...always,
  ]);
}

function inWords({ source, eventType, guard, target }: AnyTransitionDefinition): string {
  const condition = guard === undefined ? '' : ` if ${(guard as { type?: string }).type ?? guard}`;
  const targets = target?.map(pathOf).join(', ') ?? 'itself';
  return `${pathOf(source)}: ${eventType || 'always'}${condition} -> ${targets}`;
}

/** Whether a descriptor, which may end with a wildcard, matches an event type. */
function isCoveredBy(type: string, descriptor: string): boolean {
  if (descriptor === type || descriptor === '*') return true;
  return descriptor.endsWith('.*') && type.startsWith(descriptor.slice(0, -1));
}

function typeOf(name: string): string {
  return name.replace(/ \(.*\)$/, '');
}
