/** The actors of a node as a tree, and the statechart and the context of the selected actor. */
import { type ReactNode, useMemo, useRef, useState } from 'react';
import type { ActorState, Fold } from '../../../src/inspector/fold.js';
import { ChartView } from '../chart/chart-view.js';
import { type NodeSight, nodesOf, stateText } from '../model/cluster.js';
import type { Timeline } from '../model/timeline.js';
import { sinceText } from '../parts/format.js';
import { useRowsDrawn } from '../parts/rows-drawn.js';
import { ValueTree } from '../parts/value-tree.js';
import './actors.css';

export interface ActorsViewProps {
  readonly timeline: Timeline;
  readonly fold: Fold;
  readonly nowMs: number;
  /** The process. */
  readonly node: string | undefined;
  /** The actor. */
  readonly selected: string | undefined;
  onSelectNode(node: string): void;
  onSelect(sessionId: string): void;
}

export function ActorsView({ timeline, fold, nowMs, node, selected, onSelectNode, onSelect }: ActorsViewProps) {
  const nodes = nodesOf(fold, timeline.identities).filter(({ rootId }) => rootId !== undefined);
  // The leader at the time when the view was opened: an election must not switch the view to another node.
  const [opened] = useState(() => leaderIn(nodes)?.node);
  const chosen = nodes.find((each) => each.node === (node ?? opened)) ?? leaderIn(nodes) ?? nodes[0];
  const actor =
    (selected === undefined ? undefined : fold.actors.get(selected)) ?? fold.actors.get(chosen?.rootId ?? '');
  const chart = actor?.isMachine ? fold.charts.get(actor.logic) : undefined;
  const [side, setSide] = useState<HTMLElement | null>(null);
  return (
    <section className="actors" aria-label="Actors">
      <div ref={setSide} className="actors-side">
        <label className="field">
          Node{' '}
          <select value={chosen?.node ?? ''} onChange={({ target }) => onSelectNode(target.value)}>
            {nodes.map((each) => (
              <option key={each.node} value={each.node}>
                {each.nodeId}
                {each.election === 'leader' ? ' (leader)' : ''}
              </option>
            ))}
          </select>
        </label>
        <ActorTree
          fold={fold}
          rootId={chosen?.rootId}
          selected={actor?.sessionId}
          scroller={side}
          onSelect={onSelect}
        />
      </div>
      <div className="actors-main">
        {actor === undefined ? (
          <p className="empty">No actor runs at this moment.</p>
        ) : (
          <>
            <ActorHead actor={actor} timeline={timeline} nowMs={nowMs} />
            {chart !== undefined && <ChartView key={chart.id} chart={chart} actor={actor} nowMs={nowMs} />}
            {chart === undefined && (
              <p className="empty">A service has no statechart: it does the work outside the actors.</p>
            )}
          </>
        )}
      </div>
      {actor !== undefined && <Context actor={actor} />}
    </section>
  );
}

/** The leader; without one, the first node that is not a cloud node. */
function leaderIn(nodes: readonly NodeSight[]): NodeSight | undefined {
  return nodes.find(({ election }) => election === 'leader') ?? nodes.find(({ role }) => role !== 'cloud');
}

function ActorHead({ actor, timeline, nowMs }: { actor: ActorState; timeline: Timeline; nowMs: number }) {
  const ago = Math.max(0, nowMs - actor.changedAtMs);
  return (
    <header className="actor-head">
      <h2>{actor.name}</h2>
      <span className="actor-state">{stateText(actor.value) || actor.status}</span>
      {actor.lastEvent !== undefined && (
        <span className="soft">
          last: <code>{actor.lastEvent.type}</code> at {sinceText(actor.changedAtMs, timeline.firstMs)}
          {ago >= 1_000 ? `, ${Math.round(ago / 1_000)} s ago` : ''}
        </span>
      )}
    </header>
  );
}

function Context({ actor }: { actor: ActorState }) {
  const fresh = new Set(actor.changed);
  const fields = Object.entries(actor.context);
  return (
    <aside className="context" aria-label="Context of the actor">
      <h3>Context</h3>
      {fields.length === 0 && <p className="soft">Nothing to show.</p>}
      {fields.map(([name, value]) => (
        <ValueTree key={name} name={name} value={value} isFresh={fresh.has(name)} />
      ))}
      {actor.output !== undefined && <ValueTree name="output" value={actor.output} />}
      {actor.error !== undefined && <ValueTree name="error" value={actor.error} />}
    </aside>
  );
}

/** Used until the row is measured: a row without a last event has one line. */
const rowHeight = 38;

interface TreeProps {
  readonly fold: Fold;
  readonly rootId: string | undefined;
  readonly selected: string | undefined;
  /** The element that scrolls. */
  readonly scroller: HTMLElement | null;
  onSelect(sessionId: string): void;
}

interface Row {
  readonly actor: ActorState;
  readonly depth: number;
  readonly hasChildren: boolean;
}

function ActorTree({ fold, rootId, selected, scroller, onSelect }: TreeProps): ReactNode {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const [showsServices, setShowsServices] = useState(true);
  const rows = useMemo(
    () => rowsOf(fold, rootId, folded, showsServices),
    [fold, fold.atMs, rootId, folded, showsServices],
  );
  const index = Math.max(
    0,
    rows.findIndex(({ actor }) => actor.sessionId === selected),
  );
  const holder = useRef<HTMLDivElement>(null);
  const virtual = useRowsDrawn<HTMLDivElement>({ count: rows.length, scroller, holder, rowHeight });
  const go = (to: number): void => {
    const row = rows[to];
    if (row === undefined) return;
    virtual.scrollToIndex(to);
    onSelect(row.actor.sessionId);
  };
  const toggle = (id: string, isFolded: boolean): void => {
    const next = new Set(folded);
    if (isFolded) next.add(id);
    else next.delete(id);
    setFolded(next);
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const row = rows[index];
    const moves = new Map<string, () => void>([
      ['ArrowDown', () => go(index + 1)],
      ['ArrowUp', () => go(index - 1)],
      ['ArrowLeft', () => row && toggle(row.actor.sessionId, true)],
      ['ArrowRight', () => row && toggle(row.actor.sessionId, false)],
      ['Home', () => go(0)],
      ['End', () => go(rows.length - 1)],
    ]);
    const move = moves.get(event.key);
    if (move === undefined) return;
    event.preventDefault();
    move();
  };
  return (
    <>
      <label className="field soft">
        <input type="checkbox" checked={showsServices} onChange={({ target }) => setShowsServices(target.checked)} />{' '}
        services, too
      </label>
      <div
        ref={holder}
        className="tree"
        role="tree"
        aria-label="Actors of the node"
        tabIndex={0}
        style={{ height: virtual.getTotalSize() }}
        onKeyDown={onKeyDown}
      >
        {virtual.getVirtualItems().map(({ index: at, start }) => {
          const { actor, depth, hasChildren } = rows[at] as Row;
          const isFolded = folded.has(actor.sessionId);
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the tree takes the keys
            <div
              key={actor.sessionId}
              ref={virtual.measureElement}
              data-index={at}
              role="treeitem"
              tabIndex={-1}
              aria-level={depth + 1}
              aria-selected={at === index}
              aria-expanded={hasChildren ? !isFolded : undefined}
              className={at === index ? 'tree-row tree-row-selected' : 'tree-row'}
              style={{
                paddingInlineStart: 6 + depth * 14,
                transform: `translateY(${start - virtual.options.scrollMargin}px)`,
              }}
              onClick={() => onSelect(actor.sessionId)}
            >
              <button
                type="button"
                tabIndex={-1}
                className="tree-twisty"
                aria-hidden={!hasChildren}
                aria-label={isFolded ? 'Unfold' : 'Fold'}
                disabled={!hasChildren}
                onClick={(event) => {
                  event.stopPropagation();
                  toggle(actor.sessionId, !isFolded);
                }}
              >
                {hasChildren ? (isFolded ? '▸' : '▾') : ''}
              </button>
              <span className={actor.isMachine ? 'tree-name' : 'tree-name tree-service'}>{actor.name}</span>
              <span className="tree-state">{stateText(actor.value)}</span>
              <span className="tree-event">{actor.lastEvent?.type}</span>
            </div>
          );
        })}
      </div>
    </>
  );
}

function rowsOf(fold: Fold, rootId: string | undefined, folded: ReadonlySet<string>, showsServices: boolean): Row[] {
  const children = new Map<string, ActorState[]>();
  for (const actor of fold.actors.values()) {
    if (actor.parentId === undefined || (!showsServices && !actor.isMachine)) continue;
    const siblings = children.get(actor.parentId);
    if (siblings === undefined) children.set(actor.parentId, [actor]);
    else siblings.push(actor);
  }
  const rows: Row[] = [];
  const visit = (actor: ActorState, depth: number): void => {
    // Machines first: readers look for them.
    const below = (children.get(actor.sessionId) ?? []).toSorted(
      (one, other) => Number(other.isMachine) - Number(one.isMachine) || (one.name < other.name ? -1 : 1),
    );
    rows.push({ actor, depth, hasChildren: below.length > 0 });
    if (!folded.has(actor.sessionId)) for (const child of below) visit(child, depth + 1);
  };
  const root = fold.actors.get(rootId ?? '');
  if (root !== undefined) visit(root, 0);
  return rows;
}
