/** The events between nodes and actors: a sequence diagram, from top to bottom, of any length. */
import { memo, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import type { EventRecord, InspectorRecord } from '../../../src/inspector/records.js';
import type { ActorName, Timeline } from '../model/timeline.js';
import { download } from '../parts/download.js';
import { count, sinceText } from '../parts/format.js';
import { useRowsDrawn } from '../parts/rows-drawn.js';
import { Details } from './details.js';
import { mermaidOf } from './mermaid.js';
import { arrowOf, Causes, everything, type Filter, type Lane, type Places, pathOf, Rows } from './rows.js';
import './events.css';

export interface EventsViewProps {
  readonly timeline: Timeline;
  /** Grows with the timeline. */
  readonly version: number;
  /** How many records are in the past. */
  readonly now: number;
  readonly isLive: boolean;
  readonly selectedActor: string | undefined;
  onSelectActor(sessionId: string): void;
  onSeek(position: number): void;
}

const rowHeight = 26;
const laneWidth = 168;
/** Time and margin on the left. */
const gutter = 96;
const labelWidthMax = 380;
/** The number of records that are processed between two frames. */
const recordsPerFrameMax = 20_000;
const mermaidRowsMax = 200;

export function EventsView(props: EventsViewProps) {
  const { timeline, version, now, isLive, selectedActor, onSelectActor, onSeek } = props;
  const [filter, setFilter] = useState<Filter>(everything);
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [chosen, setChosen] = useState<number>();
  const [isOpen, setIsOpen] = useState(false);
  const { rows, causes } = useRows(timeline, version, filter);
  const lanes = useLanes(timeline, version, expanded);
  const places = usePlaces(timeline, lanes, causes);
  const [scroller, setScroller] = useState<HTMLElement | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const follows = useRef(true);
  const virtual = useRowsDrawn({ count: rows.positions.length, scroller, rowHeight });
  const last = rows.rowBefore(now - 1);
  const isFollowing = isLive && follows.current;
  // biome-ignore lint/correctness/useExhaustiveDependencies: at each change of where time is
  useEffect(() => {
    if (follows.current && last >= 0) virtual.scrollToIndex(last, { align: isLive ? 'end' : 'center' });
  }, [last, isLive]);
  const width = gutter + Math.max(1, lanes.length) * laneWidth;
  const choose = (row: number, seeks = true): void => {
    const position = rows.positions[row];
    if (position === undefined) return;
    follows.current = false;
    setChosen(position);
    virtual.scrollToIndex(row);
    if (seeks) onSeek(position);
  };
  const jump = (position: number): void => {
    const row = rows.rowBefore(position);
    setChosen(position);
    setIsOpen(true);
    follows.current = false;
    if (rows.positions[row] === position) virtual.scrollToIndex(row, { align: 'center' });
    onSeek(position);
  };
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const row = chosen === undefined ? last : rows.rowBefore(chosen);
    const keys = new Map<string, () => void>([
      ['ArrowDown', () => choose(Math.min(row + 1, rows.positions.length - 1))],
      ['ArrowUp', () => choose(Math.max(row - 1, 0))],
      ['PageDown', () => choose(Math.min(row + 20, rows.positions.length - 1))],
      ['PageUp', () => choose(Math.max(row - 20, 0))],
      ['Enter', () => setIsOpen(true)],
      ['Escape', () => setIsOpen(false)],
      ['/', () => field.current?.focus()],
    ]);
    const act = keys.get(event.key);
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  const takeAway = (): void => {
    const visible = virtual.getVirtualItems().slice(0, mermaidRowsMax);
    const records = visible.map(({ index }) => timeline.records[rows.positions[index] ?? -1] as InspectorRecord);
    download('sequence.mmd', mermaidOf(records, lanes, places));
  };
  return (
    <section className="events" aria-label="Events">
      <Filters
        filter={filter}
        field={field}
        types={causes.types}
        actor={selectedActor === undefined ? undefined : timeline.directory.get(selectedActor)}
        onChange={setFilter}
      />
      <div className="events-bar">
        <span className="soft">
          {count(rows.positions.length)} of {count(timeline.length)} records
        </span>
        <button
          type="button"
          aria-pressed={isFollowing}
          onClick={() => {
            follows.current = true;
            if (last >= 0) virtual.scrollToIndex(last, { align: 'end' });
          }}
        >
          Follow time
        </button>
        <button type="button" onClick={takeAway} title="What is visible now, as the text of a Mermaid diagram">
          Mermaid
        </button>
      </div>
      <div className="events-body">
        <div
          ref={setScroller}
          className="sequence"
          onWheel={() => {
            follows.current = false;
          }}
        >
          <LaneHeads
            lanes={lanes}
            width={width}
            expanded={expanded}
            onToggle={(node) => setExpanded(toggled(expanded, node))}
          />
          <div
            className="sequence-rows"
            role="listbox"
            aria-label="Sequence of events"
            tabIndex={0}
            style={{ height: virtual.getTotalSize(), width }}
            onKeyDown={onKeyDown}
          >
            {lanes.map(({ key }, index) => (
              <span
                key={key}
                role="presentation"
                className="lane-line"
                style={{ insetInlineStart: gutter + (index + 0.5) * laneWidth }}
              />
            ))}
            {virtual.getVirtualItems().map(({ index, start }) => {
              const position = rows.positions[index] as number;
              const record = timeline.records[position];
              if (record === undefined) return null;
              return (
                <Row
                  key={position}
                  record={record}
                  row={index}
                  rowCount={rows.positions.length}
                  top={start}
                  width={width}
                  firstMs={timeline.firstMs}
                  places={places}
                  isPast={position < now}
                  isChosen={position === chosen}
                  onChoose={choose}
                  onOpen={setIsOpen}
                />
              );
            })}
          </div>
          {rows.positions.length === 0 && <p className="empty">Nothing matches.</p>}
        </div>
        {isOpen && chosen !== undefined && (
          <Details
            timeline={timeline}
            causes={causes}
            position={chosen}
            onJump={jump}
            onSelectActor={onSelectActor}
            onClose={() => setIsOpen(false)}
          />
        )}
      </div>
    </section>
  );
}

/** Rows and causes, updated in pieces. */
function useRows(timeline: Timeline, version: number, filter: Filter): { rows: Rows; causes: Causes } {
  const [, refresh] = useReducer((before: number) => before + 1, 0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new timeline starts from the beginning
  const rows = useMemo(() => new Rows(filter), [filter, timeline]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new timeline starts from the beginning
  const causes = useMemo(() => new Causes(), [timeline]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: at each change of the timeline
  useEffect(() => {
    let frame = 0;
    const work = (): void => {
      const isDone = [
        rows.advance(timeline.records, timeline.directory, recordsPerFrameMax),
        causes.advance(timeline.records, recordsPerFrameMax),
      ].every(Boolean);
      refresh();
      if (!isDone) frame = requestAnimationFrame(work);
    };
    work();
    return () => cancelAnimationFrame(frame);
  }, [rows, causes, timeline, version]);
  return { rows, causes };
}

function useLanes(timeline: Timeline, version: number, expanded: ReadonlySet<string>): readonly Lane[] {
  const actors = timeline.directory.size;
  // biome-ignore lint/correctness/useExhaustiveDependencies: the directory is changed in place
  return useMemo(() => {
    const nodes = [...new Set([...timeline.directory.values()].map(({ node }) => node))].sort();
    return nodes.flatMap((node): Lane[] => {
      const title = timeline.identities.get(node)?.nodeId ?? node;
      const own: Lane = { key: node, node, title, actor: undefined };
      if (!expanded.has(node)) return [own];
      const machines = machinesOf(timeline.directory, node);
      return [
        own,
        ...machines.map((actor) => ({ key: actor.sessionId, node, title: actor.name, actor: actor.sessionId })),
      ];
    });
  }, [timeline, actors, expanded, expanded.size > 0 ? version : 0]);
}

/** The machines of the latest process of a node, parents before children. */
function machinesOf(directory: ReadonlyMap<string, ActorName>, node: string): ActorName[] {
  const all = [...directory.values()].filter((actor) => actor.node === node && actor.isMachine);
  const latest = all.at(-1)?.rootId;
  return all.filter(({ rootId, parentId }) => rootId === latest && parentId !== undefined).slice(-lanesPerNodeMax);
}

const lanesPerNodeMax = 16;

function usePlaces(timeline: Timeline, lanes: readonly Lane[], causes: Causes): Places {
  return useMemo(
    () => ({
      lanes: new Map(lanes.map(({ key }, index) => [key, index])),
      directory: timeline.directory,
      causes,
      processOf: (nodeId) => [...timeline.identities].find(([, identity]) => identity.nodeId === nodeId)?.[0],
    }),
    [timeline, lanes, causes],
  );
}

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set);
  if (!next.delete(key)) next.add(key);
  return next;
}

interface HeadsProps {
  readonly lanes: readonly Lane[];
  readonly width: number;
  readonly expanded: ReadonlySet<string>;
  onToggle(node: string): void;
}

function LaneHeads({ lanes, width, expanded, onToggle }: HeadsProps) {
  return (
    <div className="lane-heads" style={{ width }}>
      {lanes.map(({ key, node, title, actor }) => (
        <div
          key={key}
          className={actor === undefined ? 'lane-head' : 'lane-head lane-head-actor'}
          style={{ width: laneWidth }}
          title={title}
        >
          {actor === undefined ? (
            <button
              type="button"
              className="linkish"
              aria-expanded={expanded.has(node)}
              title={expanded.has(node) ? 'Fold its actors' : 'Show its actors'}
              onClick={() => onToggle(node)}
            >
              {title} {expanded.has(node) ? '−' : '+'}
            </button>
          ) : (
            title
          )}
        </div>
      ))}
    </div>
  );
}

interface RowProps {
  readonly record: InspectorRecord;
  readonly row: number;
  readonly rowCount: number;
  readonly top: number;
  readonly width: number;
  readonly firstMs: number;
  readonly places: Places;
  readonly isPast: boolean;
  readonly isChosen: boolean;
  onChoose(row: number): void;
  onOpen(isOpen: boolean): void;
}

const Row = memo(function Row({
  record,
  row,
  rowCount,
  top,
  width,
  firstMs,
  places,
  isPast,
  isChosen,
  onChoose,
  onOpen,
}: RowProps) {
  const className = ['sequence-row', isPast ? '' : 'sequence-row-future', isChosen ? 'sequence-row-chosen' : ''].join(
    ' ',
  );
  const time = sinceText(record.atMs, firstMs);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list takes the keys
    <div
      role="option"
      tabIndex={-1}
      aria-posinset={row + 1}
      aria-setsize={rowCount}
      aria-selected={isChosen}
      className={className}
      style={{ transform: `translateY(${top}px)`, height: rowHeight, width }}
      onClick={() => {
        onChoose(row);
        onOpen(true);
      }}
    >
      <span className="sequence-time">{time}</span>
      {record.type === '@xstate.event' ? (
        <ArrowCell record={record} places={places} />
      ) : (
        <span className="sequence-bar" style={{ insetInlineStart: gutter }}>
          {record.type === 'statemesh.world' ? record.what : `${record.node} ${'what' in record ? record.what : ''}`}
        </span>
      )}
    </div>
  );
});

function ArrowCell({ record, places }: { record: EventRecord; places: Places }) {
  const arrow = arrowOf(record, places);
  const name = pathOf(record.sessionId, places.directory);
  if (arrow === undefined) return null;
  const { from, to, isRemote, isTimer } = arrow;
  const isInside = from === to;
  const label = `${name} ← ${record.event.type}`;
  const end = middleOf(to);
  // An event from outside gets a short arrow.
  const start = from === undefined ? end - 26 : middleOf(from);
  // On the side from which the arrow comes, so that it covers no lane between.
  const isLeft = !isInside && start > end;
  return (
    <span className="sequence-cell">
      {!isInside && (
        <span
          className={`sequence-arrow ${isRemote ? 'sequence-arrow-remote' : ''} ${isLeft ? 'sequence-arrow-left' : ''}`}
          style={{ insetInlineStart: Math.min(start, end), width: Math.abs(end - start) }}
        />
      )}
      <span className="sequence-dot" style={{ insetInlineStart: end - 3 }} />
      <span className="sequence-label" style={{ insetInlineStart: end + 8, maxWidth: labelWidthMax }} title={label}>
        {isTimer && <span className="sequence-timer">timer </span>}
        <b>{record.event.type}</b> <span className="soft">{name}</span>
        <span className="visually-hidden"> of {record.node}</span>
      </span>
    </span>
  );
}

function middleOf(lane: number): number {
  return gutter + (lane + 0.5) * laneWidth - laneWidth * 0.42;
}

const typesOfferedMax = 200;

interface FiltersProps {
  readonly filter: Filter;
  readonly field: React.RefObject<HTMLInputElement | null>;
  readonly types: ReadonlyMap<string, number>;
  /** The actor that is selected elsewhere. */
  readonly actor: ActorName | undefined;
  onChange(filter: Filter): void;
}

function Filters({ filter, field, types, actor, onChange }: FiltersProps) {
  // Without a limit there would be too many: each session that ends has an event type of its own.
  const sorted = [...types].sort(([, one], [, other]) => other - one).slice(0, typesOfferedMax);
  return (
    <search className="events-filters">
      <label>
        Type{' '}
        <input
          ref={field}
          list="event-types"
          value={filter.type}
          placeholder="frame.* or a part"
          onChange={({ target }) => onChange({ ...filter, type: target.value })}
        />
      </label>
      <datalist id="event-types">
        {sorted.map(([type, times]) => (
          <option key={type} value={type}>
            {count(times)}
          </option>
        ))}
      </datalist>
      <label>
        Text{' '}
        <input
          value={filter.text}
          placeholder="anywhere in the event"
          onChange={({ target }) => onChange({ ...filter, text: target.value })}
        />
      </label>
      <label>
        <input
          type="checkbox"
          checked={filter.showsNoise}
          onChange={({ target }) => onChange({ ...filter, showsNoise: target.checked })}
        />{' '}
        heartbeats and XState's own
      </label>
      {actor !== undefined && (
        <label>
          <input
            type="checkbox"
            checked={filter.actor === actor.sessionId}
            onChange={({ target }) => onChange({ ...filter, actor: target.checked ? actor.sessionId : undefined })}
          />{' '}
          only {actor.name} of {actor.node}
        </label>
      )}
      {filter !== everything && (
        <button type="button" onClick={() => onChange(everything)}>
          Clear
        </button>
      )}
    </search>
  );
}
