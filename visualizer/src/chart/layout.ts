/**
 * The layout of a statechart: pure, given ELK, and the same in the browser and in Node.
 *
 * Rules: a state lies in its parent state. A transition between neighbors (siblings, or a state and a sibling of its
 * parent) is an arrow. A longer transition is a line of text in its state that names its target, because arrows across
 * a whole chart make it unreadable. Transitions with the same ends share an arrow. Text sizes are estimated from text
 * lengths, a little too large, so that nothing depends on a browser.
 */
import type { ELK, ElkExtendedEdge, ElkNode } from 'elkjs/lib/elk-api.js';
import type { Chart, ChartState, ChartTransition } from '../../../src/inspector/chart.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** A line of text in a state or on an arrow, and the transitions that it is about. */
export interface Line {
  readonly text: string;
  /** The whole text, including what did not fit. */
  readonly whole: string;
  readonly transitionIds: readonly string[];
  /** For delays: their event types, for the countdown. */
  readonly eventTypes: readonly string[];
}

export interface StateBox extends Box {
  readonly id: string;
  readonly key: string;
  readonly kind: ChartState['kind'];
  readonly depth: number;
  readonly isRegion: boolean;
  readonly lines: readonly Line[];
}

export interface Arrow {
  readonly id: string;
  readonly source: string;
  readonly target: string;
  readonly points: readonly Point[];
  readonly label: (Box & { readonly lines: readonly Line[] }) | undefined;
  readonly isError: boolean;
}

export interface ChartLayout {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly states: readonly StateBox[];
  readonly arrows: readonly Arrow[];
  /** Dots from which an arrow leads to the initial state. */
  readonly starts: readonly Point[];
}

export const metrics = {
  keyHeight: 24,
  lineHeight: 15,
  padding: 10,
  keyCharacter: 8.4,
  character: 6.3,
  startRadius: 5,
} as const;
const lineLengthMax = 44;
const labelLengthMax = 34;

export async function layoutChart(chart: Chart, elk: ELK): Promise<ChartLayout> {
  const plan = new Plan(chart);
  const placed = await elk.layout(plan.graph);
  return plan.read(placed);
}

/** Builds the graph for ELK and reads its result. */
class Plan {
  readonly graph: ElkNode;
  readonly #states = new Map<
    string,
    { readonly state: ChartState; readonly parent: ChartState | undefined; readonly depth: number }
  >();
  readonly #lines = new Map<string, Line[]>();
  readonly #arrows = new Map<
    string,
    { readonly source: string; readonly target: string; readonly transitions: ChartTransition[] }
  >();
  readonly #chart: Chart;

  constructor(chart: Chart) {
    this.#chart = chart;
    this.#learn(chart.root, undefined, 0);
    for (const transition of chart.transitions) this.#sort(transition);
    this.graph = {
      id: 'chart',
      layoutOptions: {
        'elk.algorithm': 'layered',
        'elk.direction': 'DOWN',
        'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
        'elk.edgeRouting': 'ORTHOGONAL',
        'elk.json.shapeCoords': 'ROOT',
        'elk.json.edgeCoords': 'ROOT',
        'elk.padding': '[top=8,left=8,bottom=8,right=8]',
      },
      children: [this.#node(chart.root)],
      edges: this.#edges(),
    };
  }

  read(placed: ElkNode): ChartLayout {
    const states: StateBox[] = [];
    const starts: Point[] = [];
    const visit = (node: ElkNode): void => {
      const known = this.#states.get(node.id);
      const box = { x: round(node.x), y: round(node.y), width: round(node.width), height: round(node.height) };
      if (known !== undefined) {
        const { state, parent, depth } = known;
        const { id, key, kind } = state;
        states.push({
          ...box,
          id,
          key,
          kind,
          depth,
          isRegion: parent?.kind === 'parallel',
          lines: this.#linesOf(state),
        });
        if (parent?.kind === 'compound' && parent.initial === key)
          starts.push({ x: box.x - startDistance, y: box.y + startDrop });
      }
      for (const child of node.children ?? []) visit(child);
    };
    for (const child of placed.children ?? []) visit(child);
    const arrows = (placed.edges ?? []).flatMap((edge) => this.#arrow(edge));
    const { id } = this.#chart;
    return { id, width: round(placed.width), height: round(placed.height), states, arrows, starts };
  }

  #learn(state: ChartState, parent: ChartState | undefined, depth: number): void {
    this.#states.set(state.id, { state, parent, depth });
    for (const child of state.states) this.#learn(child, state, depth + 1);
  }

  /** Decides whether a transition is an arrow or a line in its state. */
  #sort(transition: ChartTransition): void {
    const { source, targets, reenter } = transition;
    const [target] = targets;
    if (target !== undefined && (target !== source || reenter) && this.#areNeighbors(source, target)) {
      const key = `${source} > ${target}`;
      const arrow = this.#arrows.get(key) ?? { source, target, transitions: [] };
      arrow.transitions.push(transition);
      this.#arrows.set(key, arrow);
      return;
    }
    const name = target === undefined || target === source ? '' : ` → ${this.#nameOf(target)}`;
    const lines = this.#lines.get(source) ?? [];
    lines.push(lineOf(`${textOf(transition)}${name}${actionsOf(transition)}`, [transition], lineLengthMax));
    this.#lines.set(source, lines);
  }

  #areNeighbors(source: string, target: string): boolean {
    const [from, to] = [this.#states.get(source), this.#states.get(target)];
    if (from === undefined || to === undefined || from.parent === undefined || to.parent === undefined) return false;
    if (from.parent === to.parent) return true;
    return (
      this.#states.get(from.parent.id)?.parent === to.parent &&
      from.parent !== to.state &&
      from.parent.kind !== 'parallel'
    );
  }

  #nameOf(id: string): string {
    return this.#states.get(id)?.state.key ?? id;
  }

  #linesOf({ id, invokes, entry, exit }: ChartState): Line[] {
    const plain = (text: string): Line => lineOf(text, [], lineLengthMax);
    return [
      ...(invokes.length > 0 ? [plain(`runs ${invokes.map(nameOfInvoke).join(', ')}`)] : []),
      ...(entry.length > 0 ? [plain(`entry / ${entry.join(', ')}`)] : []),
      ...(exit.length > 0 ? [plain(`exit / ${exit.join(', ')}`)] : []),
      ...(this.#lines.get(id) ?? []),
    ];
  }

  #node(state: ChartState): ElkNode {
    const lines = this.#linesOf(state);
    const { keyHeight, lineHeight, padding, keyCharacter, character } = metrics;
    const longest = Math.max(...lines.map(({ text }) => text.length * character), state.key.length * keyCharacter, 40);
    const width = longest + 2 * padding;
    const head = keyHeight + lines.length * lineHeight;
    if (state.states.length === 0) return { id: state.id, width, height: head + (lines.length > 0 ? padding : 6) };
    const children = state.states.map((child): ElkNode => {
      const node = this.#node(child);
      if (child.key !== state.initial || state.kind === 'parallel') return node;
      return { ...node, layoutOptions: { ...node.layoutOptions, 'elk.layered.layering.layerConstraint': 'FIRST' } };
    });
    // Wide enough for its own lines, too: a state is at least as wide as its widest child.
    const inner = Math.max(...children.map((child) => child.width ?? 0));
    const right = Math.max(16, width - inner - paddingLeft);
    return {
      id: state.id,
      layoutOptions: {
        ...(state.kind === 'parallel' ? regionOptions : stateOptions),
        'elk.padding': `[top=${head + 12},left=${paddingLeft},bottom=14,right=${right}]`,
      },
      width: inner + paddingLeft + right,
      children,
    };
  }

  #edges(): ElkExtendedEdge[] {
    const arrows = [...this.#arrows].map(([id, { source, target, transitions }]): ElkExtendedEdge => {
      const lines = labelOf(transitions);
      const width = Math.max(0, ...lines.map(({ text }) => text.length)) * metrics.character + 8;
      const height = lines.length * metrics.lineHeight + 2;
      const labels = lines.length === 0 ? [] : [{ id: `${id} label`, text: ' ', width, height }];
      return { id, sources: [source], targets: [target], labels };
    });
    return arrows;
  }

  #arrow(edge: ElkExtendedEdge): Arrow[] {
    const points = (edge.sections ?? []).flatMap(({ startPoint, bendPoints = [], endPoint }) =>
      [startPoint, ...bendPoints, endPoint].map(({ x, y }) => ({ x: round(x), y: round(y) })),
    );
    const known = this.#arrows.get(edge.id);
    const [label] = edge.labels ?? [];
    return [
      {
        id: edge.id,
        source: known?.source ?? '',
        target: known?.target ?? '',
        points,
        label:
          label === undefined || known === undefined
            ? undefined
            : {
                x: round(label.x),
                y: round(label.y),
                width: round(label.width),
                height: round(label.height),
                lines: labelOf(known.transitions),
              },
        isError: known?.transitions.every(({ kind }) => kind === 'error') ?? false,
      },
    ];
  }
}

/** Beside the upper left corner of the initial state. */
const startDistance = 20;
const startDrop = 11;

/** Room for the dot and its arrow. */
const paddingLeft = 30;

const stateOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.spacing.nodeNode': '44',
  'elk.spacing.edgeNode': '16',
  'elk.spacing.edgeEdge': '12',
  'elk.spacing.edgeLabel': '4',
  'elk.layered.spacing.nodeNodeBetweenLayers': '30',
  'elk.layered.spacing.edgeNodeBetweenLayers': '14',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.edgeLabels.placement': 'CENTER',
} as const;

/** Regions have no arrows between them, so they are packed like boxes. */
const regionOptions = {
  'elk.algorithm': 'rectpacking',
  'elk.hierarchyHandling': 'SEPARATE_CHILDREN',
  'elk.aspectRatio': '1.3',
  'elk.spacing.nodeNode': '18',
} as const;

/** The name without the place that XState gives to an invoked actor that has no id. */
function nameOfInvoke({ id, logic }: ChartState['invokes'][number]): string {
  return /^\d+\./.test(id) || id === logic ? logic : `${id}: ${logic}`;
}

function labelOf(transitions: readonly ChartTransition[]): Line[] {
  const lines = new Map<string, ChartTransition[]>();
  for (const transition of transitions) {
    const text = textOf(transition);
    if (text !== '') lines.set(text, [...(lines.get(text) ?? []), transition]);
  }
  return [...lines].map(([text, same]) => lineOf(text, same, labelLengthMax));
}

function lineOf(whole: string, transitions: readonly ChartTransition[], lengthMax: number): Line {
  return {
    text: whole.length > lengthMax ? `${whole.slice(0, lengthMax - 1)}…` : whole,
    whole,
    transitionIds: transitions.map(({ id }) => id),
    eventTypes: transitions.filter(({ kind }) => kind === 'delay').map(({ eventType }) => eventType),
  };
}

/** What triggers a transition, in a few words. */
export function textOf({ kind, label, guard }: ChartTransition): string {
  const condition = guard === undefined ? '' : `[${guard}]`;
  const words: Readonly<Record<ChartTransition['kind'], string>> = {
    event: label === '*' ? 'anything else' : label,
    delay: `after ${label}`,
    always: '',
    done: label === '' ? 'done' : `${label} is done`,
    error: label === '' ? 'error' : `${label} fails`,
  };
  return [words[kind], condition].filter((word) => word !== '').join(' ');
}

function actionsOf({ actions }: ChartTransition): string {
  return actions.length === 0 ? '' : ` / ${actions.join(', ')}`;
}

/** Half pixels would differ from machine to machine without being visible. */
function round(value = 0): number {
  return Math.round(value);
}
