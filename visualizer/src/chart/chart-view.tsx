/** The statechart of an actor at the shown moment, with panning, zooming and download. */
import {
  Background,
  Controls,
  type Node,
  type NodeProps,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from '@xyflow/react';
import ElkConstructor from 'elkjs/lib/elk.bundled.js';
import { memo, useEffect, useMemo, useRef, useState } from 'react';
import { activeStates, type Chart } from '../../../src/inspector/chart.js';
import type { ActorState } from '../../../src/inspector/fold.js';
import { download } from '../parts/download.js';
import { type ChartLayout, layoutChart } from './layout.js';
import { mermaidOf } from './mermaid.js';
import { ChartPicture, countdownsOf } from './picture.js';
import { pageStyle } from './style.js';
import { pngOf, svgOf } from './take-away.js';
import '@xyflow/react/dist/style.css';
import './chart.css';

export interface ChartViewProps {
  readonly chart: Chart;
  readonly actor: ActorState | undefined;
  readonly nowMs: number;
}

const elk = new ElkConstructor();
/** A chart is the same for all actors that run it. */
const layouts = new Map<string, Promise<ChartLayout>>();

type PictureData = {
  readonly layout: ChartLayout;
  readonly actor: ActorState | undefined;
  readonly chart: Chart;
  readonly nowMs: number;
};
type PictureNode = Node<PictureData, 'picture'>;

const nodeTypes = { picture: memo(Picture) };

export function ChartView(props: ChartViewProps) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ chart, actor, nowMs }: ChartViewProps) {
  const layout = useLayout(chart);
  const { setViewport } = useReactFlow();
  const frame = useRef<HTMLDivElement>(null);
  const active = useMemo(() => activeStates(chart, actor?.value), [chart, actor?.value]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: not at each step of the actor: the user may look at other parts
  useEffect(() => {
    const { current } = frame;
    if (layout === undefined || current === null) return;
    const { clientWidth, clientHeight } = current;
    void setViewport(
      viewportOn(layout, activeStates(chart, actor?.value), { width: clientWidth, height: clientHeight }),
    );
  }, [layout, setViewport]);
  if (layout === undefined) return <p className="empty">Drawing …</p>;
  const nodes: PictureNode[] = [
    {
      id: chart.id,
      type: 'picture',
      position: { x: 0, y: 0 },
      draggable: false,
      selectable: false,
      focusable: false,
      data: { layout, actor, chart, nowMs },
    },
  ];
  const taken = new Set(actor?.transitions);
  return (
    <div className="chart-view" ref={frame}>
      <div className="chart-tools">
        <button
          type="button"
          onClick={() => download(`${chart.id}.svg`, svgOf(layout, active, taken), 'image/svg+xml')}
        >
          SVG
        </button>
        <button
          type="button"
          onClick={() => void pngOf(layout, active, taken).then((png) => download(`${chart.id}.png`, png))}
        >
          PNG
        </button>
        <button type="button" onClick={() => download(`${chart.id}.mmd`, mermaidOf(chart))}>
          Mermaid
        </button>
      </div>
      <ReactFlow
        nodes={nodes}
        edges={[]}
        nodeTypes={nodeTypes}
        nodesConnectable={false}
        minZoom={0.1}
        maxZoom={2.5}
        deleteKeyCode={null}
        proOptions={{ hideAttribution: true }}
        aria-label={`Statechart ${chart.id}`}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
      <p className="visually-hidden" role="status">
        Active states: {[...active].filter((id) => id !== chart.id).join(', ') || 'none'}
      </p>
    </div>
  );
}

/** Shows the whole chart; if that would be too small to read, the active states. */
function viewportOn(layout: ChartLayout, active: ReadonlySet<string>, frame: { width: number; height: number }) {
  const whole = Math.min(frame.width / (layout.width + 40), frame.height / (layout.height + 40), zoomMax);
  const zoom = Math.max(whole, readableZoom);
  const leaves = layout.states.filter(
    ({ id }) => active.has(id) && ![...active].some((other) => other.startsWith(`${id}.`)),
  );
  const middle = { x: layout.width / 2, y: layout.height / 2 };
  if (zoom > whole && leaves.length > 0) {
    middle.x = (Math.min(...leaves.map(({ x }) => x)) + Math.max(...leaves.map(({ x, width }) => x + width))) / 2;
    middle.y = (Math.min(...leaves.map(({ y }) => y)) + Math.max(...leaves.map(({ y, height }) => y + height))) / 2;
  }
  return { x: frame.width / 2 - middle.x * zoom, y: frame.height / 2 - middle.y * zoom, zoom };
}

const zoomMax = 1.25;
const readableZoom = 0.55;

function Picture({ data: { layout, actor, chart, nowMs } }: NodeProps<PictureNode>) {
  const [near, setNear] = useState<string>();
  const active = useMemo(() => activeStates(chart, actor?.value), [chart, actor?.value]);
  const taken = useMemo(() => new Set(actor?.transitions), [actor?.transitions]);
  const countdowns = actor === undefined ? undefined : countdownsOf(actor, nowMs);
  return (
    <ChartPicture
      layout={layout}
      style={pageStyle}
      active={active}
      taken={taken}
      {...(countdowns !== undefined && { countdowns })}
      near={near}
      onNear={setNear}
    />
  );
}

function useLayout(chart: Chart): ChartLayout | undefined {
  const [found, setFound] = useState<{ readonly id: string; readonly layout: ChartLayout }>();
  useEffect(() => {
    let isOver = false;
    const layout = layouts.get(chart.id) ?? layoutChart(chart, elk);
    layouts.set(chart.id, layout);
    void layout.then((ready) => isOver || setFound({ id: chart.id, layout: ready }));
    return () => {
      isOver = true;
    };
  }, [chart]);
  return found?.id === chart.id ? found.layout : undefined;
}
