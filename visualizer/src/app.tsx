/** The page: one moment of the cluster, in several views. */
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { ActorsView } from './actors/actors-view.js';
import { ClusterView } from './cluster/cluster-view.js';
import { ControlsPanel } from './cluster/controls.js';
import { Details } from './cluster/details.js';
import { EventsView } from './events/events-view.js';
import { useClock } from './model/clock.js';
import { nodesOf } from './model/cluster.js';
import type { Condition, Connection } from './model/connection.js';
import { Boundary } from './parts/boundary.js';
import { StatelyButton } from './parts/stately-button.js';
import { ThemeButton } from './parts/theme-button.js';
import { TablesView } from './tables/tables-view.js';
import { TimeBar } from './time/time-bar.js';
import './app.css';

const views = ['Cluster', 'Actors', 'Events', 'Tables'] as const;
type View = (typeof views)[number];

const conditions: Readonly<Record<Condition, string>> = {
  connecting: 'connecting …',
  loading: 'loading …',
  live: 'live',
  complete: 'recorded',
  lost: 'connection lost: trying again …',
  refused: 'refused: open the whole address, with its token',
};

/** The time span over which rates are computed. */
const rateSpanMs = 1_000;

export function App({ connection }: { connection: Connection }) {
  const scene = useSyncExternalStore(connection.subscribe, connection.getScene);
  const { timeline, condition, version } = scene;
  const { clock, dispatch } = useClock(timeline);
  const [view, setView] = useState<View>('Cluster');
  const [node, setNode] = useState<string>();
  const [actor, setActor] = useState<string>();
  const fold = timeline.foldAt(clock.count);
  // Ten times per span is often enough, because computing a past state takes work.
  const tenth = Math.floor(clock.nowMs / (rateSpanMs / 10));
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const earlier = useMemo(() => timeline.copyAt(timeline.countAt(clock.nowMs - rateSpanMs)), [timeline, tenth]);
  const nodes = nodesOf(fold, timeline.identities);
  const sight = nodes.find((each) => each.node === node);
  const isPast = condition === 'live' && !clock.isLive;
  const nowMs = useSmoothNow(clock.isLive && condition === 'live', clock.nowMs, timeline.hasWallClock);
  const openActor = useCallback(
    (sessionId: string, of?: string) => {
      setActor(sessionId);
      setNode(of ?? timeline.directory.get(sessionId)?.node);
      setView('Actors');
    },
    [timeline],
  );
  useKeys(dispatch, clock.isPlaying);
  useEffect(() => {
    document.title = `${scene.title} – statemesh inspector`;
  }, [scene.title]);
  return (
    <div className="app">
      <header className="top">
        <h1>
          <img src="./icon.svg" alt="" width="22" height="22" /> {scene.title}
        </h1>
        <nav aria-label="Views">
          {views.map((each) => (
            <button
              key={each}
              type="button"
              aria-current={view === each ? 'page' : undefined}
              onClick={() => setView(each)}
            >
              {each}
            </button>
          ))}
        </nav>
        <span className={`condition condition-${isPast ? 'past' : condition}`} role="status">
          {isPast ? 'in the past' : conditions[condition]}
        </span>
        {scene.stately !== undefined && <StatelyButton url={scene.stately} connection={connection} />}
        <ThemeButton />
      </header>
      <main>
        <Boundary name={view}>
          {view === 'Cluster' && (
            <>
              <ClusterView
                fold={fold}
                identities={timeline.identities}
                earlier={earlier}
                selected={node}
                onSelect={setNode}
              />
              {(sight !== undefined || scene.controls.length > 0) && (
                <aside className="side" aria-label="Chosen node">
                  {sight !== undefined && <Details node={sight} onOpenActor={openActor} />}
                  {scene.controls.length > 0 && (
                    <ControlsPanel
                      controls={scene.controls}
                      nodes={nodes}
                      selected={node}
                      run={(control) => connection.control(control)}
                    />
                  )}
                </aside>
              )}
            </>
          )}
          {view === 'Actors' && (
            <ActorsView
              timeline={timeline}
              fold={fold}
              nowMs={nowMs}
              node={node}
              selected={actor}
              onSelectNode={(name) => {
                setNode(name);
                setActor(undefined);
              }}
              onSelect={setActor}
            />
          )}
          {view === 'Events' && (
            <EventsView
              timeline={timeline}
              version={version}
              now={clock.count}
              isLive={clock.isLive}
              selectedActor={actor}
              onSelectActor={openActor}
              onSeek={(position) => dispatch({ type: 'seekCount', count: position + 1 })}
            />
          )}
          {view === 'Tables' && <TablesView fold={fold} identities={timeline.identities} onSelect={openActor} />}
        </Boundary>
      </main>
      <TimeBar timeline={timeline} version={version} clock={clock} isLive={condition === 'live'} dispatch={dispatch} />
    </div>
  );
}

/** In a live view, time and countdowns also advance between records. */
function useSmoothNow(isLive: boolean, nowMs: number, hasWallClock: boolean): number {
  const [wallMs, setWallMs] = useState(() => Date.now());
  const ticks = isLive && hasWallClock;
  useEffect(() => {
    if (!ticks) return;
    const timer = setInterval(() => setWallMs(Date.now()), 100);
    return () => clearInterval(timer);
  }, [ticks]);
  return ticks ? Math.max(nowMs, wallMs) : nowMs;
}

type Dispatch = ReturnType<typeof useClock>['dispatch'];

function useKeys(dispatch: Dispatch, isPlaying: boolean): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      // Fields, buttons and lists use keys themselves.
      if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
      const actions = new Map<string, () => void>([
        [' ', () => dispatch({ type: isPlaying ? 'pause' : 'play' })],
        [',', () => dispatch({ type: 'step', by: -1 })],
        ['.', () => dispatch({ type: 'step', by: 1 })],
        ['End', () => dispatch({ type: 'live' })],
      ]);
      const action = actions.get(event.key);
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [dispatch, isPlaying]);
}
