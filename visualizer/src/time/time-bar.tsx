/** The time control above all views: a slider with bands for periods, and play, pause, step, speed, live. */
import { useMemo } from 'react';
import type { Band } from '../model/bands.js';
import { type Clock, type ClockAction, speeds } from '../model/clock.js';
import type { Timeline } from '../model/timeline.js';
import { clockText, count, sinceText } from '../parts/format.js';
import './time.css';

export interface TimeBarProps {
  readonly timeline: Timeline;
  /** Changes with the timeline. */
  readonly version: number;
  readonly clock: Clock;
  readonly isLive: boolean;
  dispatch(action: ClockAction): void;
}

export function TimeBar({ timeline, version, clock, isLive, dispatch }: TimeBarProps) {
  const { firstMs, lastMs } = timeline;
  const wallClock = clockText(clock.nowMs);
  return (
    <footer className="time">
      <div className="time-buttons">
        <button
          type="button"
          className="time-live"
          aria-pressed={clock.isLive}
          onClick={() => dispatch({ type: 'live' })}
          title="Show the present, and new records as they come (End)"
        >
          {isLive ? 'Live' : 'End'}
        </button>
        <button
          type="button"
          onClick={() => dispatch({ type: 'step', by: -1 })}
          aria-label="One record back"
          title="One record back (,)"
        >
          ◂|
        </button>
        <button
          type="button"
          onClick={() => dispatch({ type: clock.isPlaying ? 'pause' : 'play' })}
          aria-label={clock.isPlaying ? 'Pause' : 'Play'}
          title="Play or pause (space)"
        >
          {clock.isPlaying ? '❚❚' : '▶'}
        </button>
        <button
          type="button"
          onClick={() => dispatch({ type: 'step', by: 1 })}
          aria-label="One record on"
          title="One record on (.)"
        >
          |▸
        </button>
        <label className="time-speed">
          <span className="visually-hidden">Speed</span>
          <select
            value={clock.speed}
            onChange={({ target }) => dispatch({ type: 'speed', speed: Number(target.value) })}
          >
            {speeds.map((speed) => (
              <option key={speed} value={speed}>
                {speed}×
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className="time-track">
        <Bands timeline={timeline} version={version} />
        <input
          type="range"
          aria-label="Moment that is shown"
          aria-valuetext={`${sinceText(clock.nowMs, firstMs)} of ${sinceText(lastMs, firstMs)}`}
          min={0}
          max={Math.max(1, lastMs - firstMs)}
          step="any"
          value={Math.min(clock.nowMs, lastMs) - firstMs}
          onChange={({ target }) => dispatch({ type: 'seekMs', ms: firstMs + Number(target.value) })}
        />
      </div>
      <output className="time-text">
        <strong>{sinceText(clock.nowMs, firstMs)}</strong>
        {wallClock !== undefined && <span className="soft"> {wallClock}</span>}
        <span className="soft">
          {' '}
          · {count(clock.count)} of {count(timeline.length)}
        </span>
      </output>
    </footer>
  );
}

function Bands({ timeline, version }: { timeline: Timeline; version: number }) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the timeline is changed in place, and says so by its version
  const { leaders, others } = useMemo(() => {
    const bands = timeline.bands;
    return {
      leaders: bands.filter(({ kind }) => kind === 'leader'),
      others: bands.filter(({ kind }) => kind !== 'leader'),
    };
  }, [timeline, version]);
  return (
    <div className="bands" aria-hidden="true">
      <Row bands={leaders} timeline={timeline} />
      <Row bands={others} timeline={timeline} />
    </div>
  );
}

function Row({ bands, timeline: { firstMs, lastMs } }: { bands: readonly Band[]; timeline: Timeline }) {
  const spanMs = Math.max(1, lastMs - firstMs);
  return (
    <div className="bands-row">
      {bands.map((band) => {
        const left = ((band.fromMs - firstMs) / spanMs) * 100;
        const width = ((band.toMs - band.fromMs) / spanMs) * 100;
        const title = `${titles[band.kind]}${band.label}: ${sinceText(band.fromMs, firstMs)}${
          band.toMs > band.fromMs ? ` to ${sinceText(band.toMs, firstMs)}` : ''
        }`;
        return (
          <span
            key={`${band.kind} ${band.fromMs} ${band.label}`}
            className={`band band-${band.kind}`}
            style={{ insetInlineStart: `${left}%`, width: width > 0 ? `${width}%` : undefined }}
            title={title}
          >
            {width > 0 ? band.label : ''}
          </span>
        );
      })}
    </div>
  );
}

const titles: Readonly<Record<Band['kind'], string>> = {
  leader: 'leader ',
  down: 'down: ',
  partition: 'partition: ',
  world: '',
};
