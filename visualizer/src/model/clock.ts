/** The moment that the page shows: the present of a live source, or any earlier moment, paused or playing. */
import { useEffect, useReducer, useRef } from 'react';
import type { Timeline } from './timeline.js';

export interface Clock {
  /** At the right end: new records are shown at once. */
  readonly isLive: boolean;
  readonly isPlaying: boolean;
  readonly speed: number;
  /** How many records are in the past. */
  readonly count: number;
  /** The shown time, in ms of the records. */
  readonly nowMs: number;
}

export type ClockAction =
  | { readonly type: 'live' }
  | { readonly type: 'pause' }
  | { readonly type: 'play' }
  | { readonly type: 'seekMs'; readonly ms: number }
  | { readonly type: 'seekCount'; readonly count: number }
  | { readonly type: 'step'; readonly by: number }
  | { readonly type: 'speed'; readonly speed: number }
  | { readonly type: 'tick'; readonly elapsedMs: number };

interface State {
  readonly mode: 'live' | 'still' | 'playing';
  readonly speed: number;
  readonly count: number;
  readonly nowMs: number;
}

export const speeds = [0.1, 0.5, 1, 2, 5, 10, 50] as const;

export function reduceClock(timeline: Timeline, state: State, action: ClockAction): State {
  const present = { count: timeline.length, nowMs: timeline.lastMs };
  const at = state.mode === 'live' ? present : { count: state.count, nowMs: state.nowMs };
  switch (action.type) {
    case 'live':
      return { ...state, mode: 'live' };
    case 'pause':
      return { ...state, ...at, mode: 'still' };
    case 'play':
      // Playing from the end starts again at the beginning.
      if (at.count >= timeline.length) return { ...state, mode: 'playing', count: 0, nowMs: timeline.firstMs };
      return { ...state, ...at, mode: 'playing' };
    case 'seekMs': {
      const nowMs = Math.min(Math.max(action.ms, timeline.firstMs), timeline.lastMs);
      return { ...state, mode: 'still', count: timeline.countAt(nowMs), nowMs };
    }
    case 'seekCount': {
      const count = Math.min(Math.max(action.count, 0), timeline.length);
      return { ...state, mode: 'still', count, nowMs: timeline.timeAt(count) };
    }
    case 'step': {
      const count = Math.min(Math.max(at.count + action.by, 0), timeline.length);
      return { ...state, mode: 'still', count, nowMs: timeline.timeAt(count) };
    }
    case 'speed':
      return { ...state, speed: action.speed };
    case 'tick': {
      if (state.mode !== 'playing') return state;
      const nowMs = state.nowMs + action.elapsedMs * state.speed;
      // The present is reached: new records are shown at once.
      if (nowMs >= timeline.lastMs) return { ...state, ...present, mode: 'live' };
      return { ...state, nowMs, count: timeline.countAt(nowMs) };
    }
  }
}

/**
 * @param isLive Whether more records may come: then the clock starts at the present, otherwise at the end of the
 * records
 */
export function useClock(timeline: Timeline): { clock: Clock; dispatch: (action: ClockAction) => void } {
  const latest = useRef(timeline);
  latest.current = timeline;
  const [state, dispatch] = useReducer(
    (before: State, action: ClockAction) => reduceClock(latest.current, before, action),
    { mode: 'live', speed: 1, count: 0, nowMs: 0 } satisfies State as State,
  );
  const isPlaying = state.mode === 'playing';
  useEffect(() => {
    if (!isPlaying) return;
    let before = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      dispatch({ type: 'tick', elapsedMs: now - before });
      before = now;
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying]);
  // In another timeline the same moment has another position.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when the timeline is another one
  useEffect(() => {
    if (state.mode !== 'live') dispatch({ type: 'seekMs', ms: state.nowMs });
  }, [timeline]);
  const isLive = state.mode === 'live';
  const clock: Clock = {
    isLive,
    isPlaying,
    speed: state.speed,
    count: isLive ? timeline.length : Math.min(state.count, timeline.length),
    nowMs: isLive ? timeline.lastMs : state.nowMs,
  };
  return { clock, dispatch };
}
