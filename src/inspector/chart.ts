/**
 * The statechart of a machine as plain data. The page draws it, traces store it, and `npm run charts` turns it into
 * pictures. It holds names only, no functions.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';

/** A machine as a drawing: its states and transitions. */
export interface Chart {
  /** The id of the machine. */
  readonly id: string;
  readonly root: ChartState;
  readonly transitions: readonly ChartTransition[];
}

/** A state with its transitions and child states. */
export interface ChartState {
  /** The full id: `node.running.service`. */
  readonly id: string;
  /** The key of this state within its parent. */
  readonly key: string;
  readonly kind: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** The key of the child that is entered first. */
  readonly initial?: string;
  readonly entry: readonly string[];
  readonly exit: readonly string[];
  readonly invokes: readonly { readonly id: string; readonly logic: string }[];
  readonly states: readonly ChartState[];
}

/** A transition. */
export interface ChartTransition {
  /** The id that snapshot records use. */
  readonly id: string;
  /** Ids of states. */
  readonly source: string;
  /** Empty for an internal transition, which only runs actions. */
  readonly targets: readonly string[];
  /**
   * `event`: its type; `delay`: a name or ms; `always`: empty; `done`, `error`: the actor or state that it is about.
   */
  readonly kind: 'event' | 'delay' | 'always' | 'done' | 'error';
  readonly label: string;
  /** The event type in XState's spelling. */
  readonly eventType: string;
  readonly guard?: string;
  readonly actions: readonly string[];
  readonly reenter: boolean;
}

/** The chart of a machine, and a map from the machine's transitions to the chart's. */
export interface ChartOf {
  readonly chart: Chart;
  idOf(transition: AnyTransitionDefinition): string | undefined;
}

/** @param machine A machine that `createMachine` made, with or without implementations */
export function chartOf(machine: AnyStateMachine): ChartOf {
  const transitions: ChartTransition[] = [];
  const ids = new Map<AnyTransitionDefinition, string>();
  const visit = (node: AnyStateNode): ChartState => {
    for (const [index, transition] of transitionsOf(node).entries()) {
      const id = `${node.id} ${index}`;
      ids.set(transition, id);
      transitions.push({ id, ...describe(transition, node) });
    }
    const initial = node.initial?.target[0]?.key;
    return {
      id: node.id,
      key: node.key,
      kind: node.type,
      ...(initial !== undefined && node.type === 'compound' && { initial }),
      entry: namesOf(node.entry),
      exit: namesOf(node.exit),
      invokes: node.invoke.map(({ id, src }) => ({ id, logic: typeof src === 'string' ? src : 'inline' })),
      states: Object.values(node.states).map(visit),
    };
  };
  const root = visit(machine.root);
  return { chart: { id: machine.id, root, transitions }, idOf: (transition) => ids.get(transition) };
}

/** Ids of all states that are active in a state value, including the root. */
export function activeStates({ root }: Chart, value: unknown): Set<string> {
  const active = new Set<string>();
  const enter = (state: ChartState, below: unknown): void => {
    active.add(state.id);
    if (typeof below === 'string') {
      const child = state.states.find(({ key }) => key === below);
      if (child !== undefined) enter(child, undefined);
    } else if (typeof below === 'object' && below !== null) {
      for (const [key, deeper] of Object.entries(below)) {
        const child = state.states.find((each) => each.key === key);
        if (child !== undefined) enter(child, deeper);
      }
    }
  };
  enter(root, value);
  return active;
}

function transitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

function describe(transition: AnyTransitionDefinition, node: AnyStateNode): Omit<ChartTransition, 'id'> {
  const { eventType, target, guard, actions, reenter } = transition;
  const name = guard === undefined ? undefined : guardName(guard);
  return {
    source: node.id,
    targets: target?.map(({ id }) => id) ?? [],
    ...kindOf(String(eventType)),
    eventType: String(eventType),
    ...(name !== undefined && { guard: name }),
    actions: namesOf(actions),
    reenter: reenter === true,
  };
}

function kindOf(eventType: string): Pick<ChartTransition, 'kind' | 'label'> {
  if (eventType === '') return { kind: 'always', label: '' };
  const [, delay] = /^xstate\.after\.([^.]+)\./.exec(eventType) ?? [];
  if (delay !== undefined) return { kind: 'delay', label: /^\d+$/.test(delay) ? `${delay} ms` : delay };
  const [, outcome, whose, what = ''] = /^xstate\.(done|error)\.(actor|state)\.(.*)$/.exec(eventType) ?? [];
  if (outcome === 'done' || outcome === 'error') {
    // A state reports only its own end.
    return { kind: outcome, label: whose === 'state' ? '' : nameOfInvoked(what) };
  }
  return { kind: 'event', label: eventType };
}

/** XState names an invoked actor without an id by its place: `0.node.running`. */
function nameOfInvoked(what: string): string {
  if (what === '*') return 'any actor';
  return /^\d+\./.test(what) ? '' : what;
}

function namesOf(actions: readonly unknown[]): string[] {
  return actions.map(actionName).filter((name) => name !== '');
}

function actionName(action: unknown): string {
  if (typeof action === 'string') return action;
  const { type, name, id, sendId } = action as { type?: string; name?: string; id?: unknown; sendId?: unknown };
  // XState starts and cancels the delays of a state with these actions; the chart shows delays as transitions.
  if (String(id ?? sendId).startsWith('xstate.after.')) return '';
  return (type ?? name ?? '').replace(/^xstate\./, '');
}

function guardName(guard: unknown): string {
  if (typeof guard === 'string') return guard;
  const { type, params, guards, name } = guard as {
    type?: string;
    params?: unknown;
    guards?: readonly unknown[];
    name?: string;
  };
  if (guards !== undefined) {
    const names = guards.map(guardName);
    return name === 'not' ? `not ${names[0]}` : names.join(` ${name ?? 'and'} `);
  }
  const argument = typeof params === 'object' && params !== null ? Object.values(params).join(', ') : '';
  return `${type ?? name ?? 'inline'}${argument === '' ? '' : `(${argument})`}`;
}
