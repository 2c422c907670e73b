/** A statechart as a picture: for the page, for downloads and for the documentation. */
import type { ActorState } from '../../../src/inspector/fold.js';
import { type Arrow, type ChartLayout, type Line, metrics, type Point, type StateBox } from './layout.js';

export interface PictureProps {
  readonly layout: ChartLayout;
  readonly style: string;
  /** Ids of states. */
  readonly active?: ReadonlySet<string>;
  /** Ids of the transitions that were just taken. */
  readonly taken?: ReadonlySet<string>;
  /** The remaining time of running delays, by event type. */
  readonly countdowns?: ReadonlyMap<string, string>;
  /** The state under the pointer: its outgoing transitions are highlighted. */
  readonly near?: string | undefined;
  /** Whether the picture stands alone, with a background of its own. */
  readonly isAlone?: boolean;
  readonly onNear?: (state: string | undefined) => void;
}

const nothing: ReadonlySet<string> = new Set();
const never: ReadonlyMap<string, string> = new Map();

export function ChartPicture(props: PictureProps) {
  const { layout, style, active = nothing, taken = nothing, countdowns = never, near, isAlone = false, onNear } = props;
  const { id, width, height, states, arrows, starts } = layout;
  return (
    <svg
      className="chart"
      xmlns="http://www.w3.org/2000/svg"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`Statechart ${id}`}
    >
      <title>{`Statechart ${id}`}</title>
      <style>{style}</style>
      {isAlone && <rect className="paper" width={width} height={height} />}
      {states.map((state) => (
        <State
          key={state.id}
          state={state}
          isActive={active.has(state.id)}
          isLeaf={!states.some(({ id: other }) => other.startsWith(`${state.id}.`))}
          taken={taken}
          countdowns={countdowns}
          onNear={onNear}
        />
      ))}
      {starts.map(({ x, y }) => (
        <g key={`${x} ${y}`}>
          <circle className="start" cx={x} cy={y} r={metrics.startRadius} />
          <path className="arrow" d={`M${x},${y}H${x + 18}`} />
          <path className="arrow-head" d={headOf({ x, y }, { x: x + 20, y })} />
        </g>
      ))}
      {arrows.map((arrow) => (
        <ArrowLine key={arrow.id} arrow={arrow} taken={taken} countdowns={countdowns} isNear={near === arrow.source} />
      ))}
    </svg>
  );
}

interface StateProps {
  readonly state: StateBox;
  readonly isActive: boolean;
  readonly isLeaf: boolean;
  readonly taken: ReadonlySet<string>;
  readonly countdowns: ReadonlyMap<string, string>;
  readonly onNear: PictureProps['onNear'];
}

function State({ state, isActive, isLeaf, taken, countdowns, onNear }: StateProps) {
  const { id, x, y, width, height, key, kind, depth, isRegion, lines } = state;
  const names = [
    'state',
    isActive ? 'state-active' : '',
    isLeaf ? 'state-leaf' : '',
    isRegion ? 'state-region' : '',
    kind === 'final' ? 'state-final' : '',
    depth % 2 === 1 && !isLeaf ? 'state-deep' : '',
  ];
  const top = y + 17;
  return (
    <g
      className={names.filter((name) => name !== '').join(' ')}
      data-state={id}
      {...(onNear !== undefined && { onPointerEnter: () => onNear(id), onPointerLeave: () => onNear(undefined) })}
    >
      <rect className="state-box" x={x} y={y} width={width} height={height} rx={isLeaf ? 8 : 10} />
      <text className="state-key" x={x + metrics.padding} y={top}>
        {key}
      </text>
      {lines.map((line, index) => (
        <LineText
          key={`${line.whole} ${line.transitionIds.join()}`}
          line={line}
          className="state-line"
          x={x + metrics.padding}
          y={top + 16 + index * metrics.lineHeight}
          taken={taken}
          countdowns={countdowns}
        />
      ))}
    </g>
  );
}

interface ArrowProps {
  readonly arrow: Arrow;
  readonly taken: ReadonlySet<string>;
  readonly countdowns: ReadonlyMap<string, string>;
  readonly isNear: boolean;
}

function ArrowLine({ arrow, taken, countdowns, isNear }: ArrowProps) {
  const { points, label, isError } = arrow;
  const isTaken = label?.lines.some(({ transitionIds }) => transitionIds.some((id) => taken.has(id))) ?? false;
  const className = `${isTaken ? 'taken' : ''} ${isNear ? 'near' : ''}`.trim();
  const end = points.at(-1);
  const before = points.at(-2);
  return (
    <g className={className || undefined}>
      <path className={isError ? 'arrow arrow-error' : 'arrow'} d={pathOf(points)} />
      {end !== undefined && before !== undefined && <path className="arrow-head" d={headOf(before, end)} />}
      {label !== undefined && (
        <>
          <rect className="arrow-back" x={label.x} y={label.y} width={label.width} height={label.height} rx={3} />
          {label.lines.map((line, index) => (
            <LineText
              key={line.whole}
              line={line}
              className="arrow-label"
              x={label.x + 4}
              y={label.y + 12 + index * metrics.lineHeight}
              taken={taken}
              countdowns={countdowns}
            />
          ))}
        </>
      )}
    </g>
  );
}

interface LineProps {
  readonly line: Line;
  readonly className: string;
  readonly x: number;
  readonly y: number;
  readonly taken: ReadonlySet<string>;
  readonly countdowns: ReadonlyMap<string, string>;
}

function LineText({ line, className, x, y, taken, countdowns }: LineProps) {
  const left = line.eventTypes.flatMap((eventType) => countdowns.get(eventType) ?? [])[0];
  const isTaken = line.transitionIds.some((id) => taken.has(id));
  const names = [className, isTaken ? 'line-taken' : '', left === undefined ? '' : 'line-waiting'];
  return (
    <text className={names.filter((name) => name !== '').join(' ')} x={x} y={y}>
      {left === undefined ? line.text : `${line.text} (${left})`}
      {line.whole !== line.text && <title>{line.whole}</title>}
    </text>
  );
}

/** With rounded corners. */
function pathOf(points: readonly Point[]): string {
  const [first, ...others] = points;
  if (first === undefined) return '';
  let path = `M${first.x},${first.y}`;
  for (const [index, point] of others.entries()) {
    const before = points[index] as Point;
    const next = points[index + 2];
    if (next === undefined) {
      path += `L${point.x},${point.y}`;
      continue;
    }
    const radius = Math.min(6, distance(before, point) / 2, distance(point, next) / 2);
    const [from, to] = [towards(point, before, radius), towards(point, next, radius)];
    path += `L${from.x},${from.y}Q${point.x},${point.y} ${to.x},${to.y}`;
  }
  return path;
}

function headOf(before: Point, end: Point): string {
  const angle = Math.atan2(end.y - before.y, end.x - before.x);
  const at = (turn: number): string =>
    `${(end.x - 8 * Math.cos(angle + turn)).toFixed(1)},${(end.y - 8 * Math.sin(angle + turn)).toFixed(1)}`;
  return `M${end.x},${end.y}L${at(0.42)}L${at(-0.42)}Z`;
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function towards(from: Point, to: Point, by: number): Point {
  const length = distance(from, to) || 1;
  return {
    x: Math.round((from.x + ((to.x - from.x) * by) / length) * 10) / 10,
    y: Math.round((from.y + ((to.y - from.y) * by) / length) * 10) / 10,
  };
}

/** The remaining time of an actor's delays. */
export function countdownsOf({ delays }: Pick<ActorState, 'delays'>, nowMs: number): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(delays).map(([eventType, dueMs]) => [
      eventType,
      `${(Math.max(0, dueMs - nowMs) / 1_000).toFixed(1)} s`,
    ]),
  );
}
