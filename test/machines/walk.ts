/**
 * Walks a machine through every event in every reachable state, with `getAdjacencyMap` of `xstate/graph`.
 *
 * That function is pure: it creates children but never starts them, timers never run, and sent events go nowhere. So
 * besides the samples of the alphabet, the walker itself offers the events that the machine's definition implies: the
 * end and the failure of each live child, and each running delay. The walker marks ended children; otherwise a machine
 * that lost its only service would seem to wait for it.
 *
 * A configuration is a state with the few facts of the context that guards use. There are few of them, so the walk
 * ends.
 */
import {
  type ActorLogic,
  type AnyActorRef,
  type AnyEventObject,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyTransitionDefinition,
  createEmptyActor,
  type EventFromLogic,
  fromPromise,
  type InputFrom,
  type SnapshotFrom,
} from 'xstate';
import { type AnyStateNode, getAdjacencyMap, getStateNodes } from 'xstate/graph';
import { StatemeshError } from '../../src/core/errors.js';

/** The events in a machine's mailbox, without the ends of its children, which the walker derives. */
type Heard<M extends AnyStateMachine> = Exclude<EventFromLogic<M>, { type: `xstate.${string}` }>;
/** `ContextFrom` cannot look through a machine's named interface. */
type ContextOf<M extends AnyStateMachine> = SnapshotFrom<M> extends { readonly context: infer C } ? C : never;
/** An event, or a function that makes it for a configuration; it returns undefined where the event is impossible. */
type Sample<E, C> = E | ((context: C) => E | undefined);

/** The task of a walk: a machine with lowered limits, and its alphabet. */
export interface Walk<M extends AnyStateMachine = AnyStateMachine> {
  readonly machine: M;
  readonly inputs: readonly InputFrom<M>[];
  /** The facts of the context that guards use; a bounded number. */
  readonly facts: (context: ContextOf<M>) => unknown;
  /** Samples by event type and name. The compiler demands one for each type. */
  readonly samples: {
    readonly [T in Heard<M>['type']]: Readonly<Record<string, Sample<Extract<Heard<M>, { type: T }>, ContextOf<M>>>>;
  };
  /** The possible outputs of children that end, by slot. */
  readonly outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The failures of children that matter, by slot. */
  readonly errors?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Samples that are answers of a child, by slot: they are possible while the child lives. */
  readonly reports?: Readonly<Record<string, readonly Heard<M>['type'][]>>;
  /**
   * Whether a child may send this event, or end like this, in a configuration. The child's own walk has to prove it
   * when not.
   */
  readonly mayCome?: (name: string, leaves: readonly string[], context: ContextOf<M>) => boolean;
  /** States in which the machine may wait for the outside forever. */
  readonly resting: readonly string[];
  /** States between which the machine may cycle forever. */
  readonly retrying?: readonly string[];
  /** Goals that must stay reachable from everywhere while nothing fails: one state of each row. */
  readonly goals: readonly (readonly string[])[];
  /** Invariants of every configuration. */
  readonly laws?: Readonly<Record<string, (context: ContextOf<M>, leaves: readonly string[]) => boolean>>;
  readonly ignored: readonly Ignored[];
  /**
   * Transitions that the walk never takes, as `transitionsNotTaken` names them, with the reason for their existence.
   */
  readonly nets?: Readonly<Record<string, string>>;
}

/** Events without effect in some states, with the reason why that is right. */
export interface Ignored {
  /** Leaf states, or states with everything in them; `*` is any. */
  readonly states: readonly string[];
  /** `type`, or `type (sample)`. */
  readonly events: readonly string[];
  readonly why: string;
}

export interface Walked {
  readonly walk: Walk;
  /** The walked machine: that of the task, with empty actors in its slots. */
  readonly machine: AnyStateMachine;
  readonly configurations: readonly Configuration[];
  /** State nodes that were entered, even if only in passing. */
  readonly entered: ReadonlySet<AnyStateNode>;
  readonly taken: ReadonlySet<AnyTransitionDefinition>;
}

export interface Configuration {
  readonly key: string;
  /** The leaf states, by path. */
  readonly state: string;
  readonly leaves: readonly string[];
  readonly status: AnyMachineSnapshot['status'];
  readonly context: unknown;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly event: AnyEventObject;
  /** The event's type and the name of its sample. */
  readonly name: string;
  readonly kind: 'heard' | 'reported' | 'done' | 'failed' | 'elapsed';
  readonly handled: boolean;
  /** Whether the handler explicitly ignores the event. */
  readonly inert: boolean;
  /** The key of the configuration after the event. */
  readonly to: string;
}

type Offer = Pick<Step, 'event' | 'name' | 'kind'>;

/** More than any machine needs: beyond it, `facts` does not bound the context. */
const stepsMax = 300_000;

/** Checks a walk against its machine at compile time. */
export function defineWalk<M extends AnyStateMachine>(walk: Walk<M>): Walk {
  return walk as unknown as Walk;
}

export function walkMachine(walk: Walk): Walked {
  const machine = withInertActors(walk.machine);
  const observed = new Set<AnyTransitionDefinition>();
  const entered = new Set<AnyStateNode>([machine.root]);
  const ended = new WeakSet<AnyActorRef>();
  const logic = observedLogic({ machine, observed, entered, ended });
  const keyOf = (snapshot: AnyMachineSnapshot) => serialize(snapshot, walk, ended);
  const configurations = new Map<string, Configuration>();

  for (const input of walk.inputs) {
    const offers = new WeakMap<AnyEventObject, Offer>();
    const map = getAdjacencyMap(logic, {
      input,
      limit: stepsMax,
      serializeState: keyOf,
      serializeEvent: (event) => `${offers.get(event)?.name} ${event.type}`,
      stopWhen: ({ status }) => status !== 'active',
      events: (snapshot) => {
        const offered = offersIn(snapshot, walk, ended);
        for (const offer of offered) offers.set(offer.event, offer);
        return offered.map(({ event }) => event);
      },
    });
    for (const [key, { state, transitions }] of Object.entries(map)) {
      const steps = Object.values<{ event: AnyEventObject; state: AnyMachineSnapshot }>(transitions).map(
        ({ event, state: next }): Step => {
          const enabled: readonly AnyTransitionDefinition[] = machine.getTransitionData(state, event);
          const inert = enabled.every(({ target, actions }) => target === undefined && actions.length === 0);
          return { ...(offers.get(event) as Offer), handled: enabled.length > 0, inert, to: keyOf(next) };
        },
      );
      const leaves = leavesOf(state);
      const { status, context } = state;
      configurations.set(key, { key, state: leaves.join(' & '), leaves, status, context, steps });
    }
  }
  return { walk, machine, configurations: [...configurations.values()], entered, taken: observed };
}

export function allStateNodes(machine: AnyStateMachine): AnyStateNode[] {
  return [machine.root, ...getStateNodes(machine)];
}

export function pathOf(node: AnyStateNode): string {
  return node.path.join('.') || '(root)';
}

interface Observed {
  readonly machine: AnyStateMachine;
  readonly observed: Set<AnyTransitionDefinition>;
  readonly entered: Set<AnyStateNode>;
  readonly ended: WeakSet<AnyActorRef>;
}

/** Wraps the machine so that it records its microsteps. */
function observedLogic({ machine, observed, entered, ended }: Observed) {
  const systems = new WeakSet<object>();
  type Logic = ActorLogic<AnyMachineSnapshot, AnyEventObject, unknown>;
  const observe = (scope: Parameters<Logic['transition']>[2]) => {
    if (systems.has(scope.system)) return;
    systems.add(scope.system);
    scope.system.inspect((step) => {
      if (step.type !== '@xstate.microstep') return;
      for (const transition of step._transitions) {
        observed.add(transition);
        // Initial states are left before anything else can observe them.
        for (let node: AnyStateNode | undefined = transition.source; node; node = node.parent) entered.add(node);
      }
      for (const node of (step.snapshot as AnyMachineSnapshot)._nodes) entered.add(node);
    });
  };
  const logic: Logic = {
    transition: (snapshot, event, scope) => {
      observe(scope);
      return markEnded(snapshot, machine.transition(snapshot, event, scope as never), { event, ended });
    },
    getInitialSnapshot: (scope, input) => {
      observe(scope);
      return machine.getInitialSnapshot(scope as never, input);
    },
    getPersistedSnapshot: machine.getPersistedSnapshot,
  };
  return logic;
}

/** A child may stay among the children after its end or failure, but sends nothing any more. */
function markEnded(
  before: AnyMachineSnapshot,
  after: AnyMachineSnapshot,
  { event, ended }: { event: AnyEventObject; ended: WeakSet<AnyActorRef> },
): AnyMachineSnapshot {
  if (!/^xstate\.(done|error)\.actor\./.test(event.type)) return after;
  const { actorId } = event;
  if (after.children[actorId] === undefined || after.children[actorId] !== before.children[actorId]) return after;
  const remains: AnyActorRef = createEmptyActor();
  ended.add(remains);
  return { ...after, children: { ...after.children, [actorId]: remains } } as AnyMachineSnapshot;
}

function offersIn(snapshot: AnyMachineSnapshot, walk: Walk, ended: WeakSet<AnyActorRef>): Offer[] {
  const alive = Object.entries<AnyActorRef>(snapshot.children)
    .filter(([, child]) => !ended.has(child))
    .map(([actorId, child]) => ({ actorId, source: String(child.src) }));
  const offers = [
    ...samplesIn(snapshot, walk, new Set(alive.map(({ source }) => source))),
    ...alive.flatMap((child) => offersOf(child, walk)),
    ...delaysIn(snapshot),
  ];
  const leaves = leavesOf(snapshot);
  return offers.filter(({ name }) => walk.mayCome?.(name, leaves, snapshot.context as never) ?? true);
}

function samplesIn({ context }: AnyMachineSnapshot, walk: Walk, alive: ReadonlySet<string>): Offer[] {
  const samplesByType = walk.samples as Readonly<Record<string, Record<string, Sample<AnyEventObject, unknown>>>>;
  const reports = Object.entries<readonly string[]>(walk.reports ?? {});
  return Object.entries(samplesByType).flatMap(([type, samples]) => {
    const reporter = reports.find(([, types]) => types.includes(type))?.[0];
    if (reporter !== undefined && !alive.has(reporter)) return [];
    return Object.entries(samples).flatMap(([name, sample]): Offer[] => {
      const event = typeof sample === 'function' ? sample(context) : sample;
      if (event === undefined) return [];
      const kind = reporter === undefined ? 'heard' : 'reported';
      return [{ event: { ...event }, kind, name: nameOf(type, name) }];
    });
  });
}

function offersOf({ actorId, source }: { actorId: string; source: string }, walk: Walk): Offer[] {
  const outputs = Object.entries(walk.outputs[source] ?? {});
  const errors = Object.entries(walk.errors?.[source] ?? { '': new StatemeshError('internal', 'It failed.') });
  return [
    ...outputs.map(([name, output]): Offer => {
      const event = { type: `xstate.done.actor.${actorId}`, output, actorId };
      return { event, kind: 'done', name: nameOf(`done ${source}`, name) };
    }),
    ...errors.map(([name, error]): Offer => {
      const event = { type: `xstate.error.actor.${actorId}`, error, actorId };
      return { event, kind: 'failed', name: nameOf(`failed ${source}`, name) };
    }),
  ];
}

function delaysIn(snapshot: AnyMachineSnapshot): Offer[] {
  const delays = (snapshot._nodes as AnyStateNode[]).flatMap(({ after }) => after);
  const types = new Map(delays.map(({ eventType, delay }) => [eventType, delay]));
  return [...types].map(([type, delay]) => ({ event: { type }, kind: 'elapsed', name: `after ${delay}` }));
}

function serialize(snapshot: AnyMachineSnapshot, walk: Walk, ended: WeakSet<AnyActorRef>): string {
  const children = Object.values<AnyActorRef>(snapshot.children).map((child) => (ended.has(child) ? '' : child.src));
  return JSON.stringify([snapshot.status, snapshot.value, walk.facts(snapshot.context), children.sort()]);
}

function leavesOf(snapshot: AnyMachineSnapshot): string[] {
  return (snapshot._nodes as AnyStateNode[])
    .filter(({ type }) => type === 'atomic' || type === 'final')
    .map((node) => pathOf(node))
    .sort();
}

function nameOf(type: string, sample: string): string {
  return sample === '' ? type : `${type} (${sample})`;
}

/** An empty actor for every slot. */
function withInertActors(machine: AnyStateMachine): AnyStateMachine {
  const inert = fromPromise(() => new Promise<never>(() => {}));
  const slots = Object.keys(machine.implementations.actors);
  return machine.provide({ actors: Object.fromEntries(slots.map((slot) => [slot, inert])) });
}
