/** The moment that the page shows: the present of what is live, or any moment before, standing still or playing. */
import { useEffect, useReducer, useRef } from 'react';
import type { Timeline } from './timeline.js';

export interface Clock {
  /** The right end: what comes is shown at once. */
  readonly isLive: boolean;
  readonly isPlaying: boolean;
  readonly speed: number;
  /** How many records are in the past. */
  readonly count: number;
  /** The time shown, in ms of the records. */
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
      // From the end one begins anew.
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
      // The present has been caught up with: what comes is shown at once.
      if (nowMs >= timeline.lastMs) return { ...state, ...present, mode: 'live' };
      return { ...state, nowMs, count: timeline.countAt(nowMs) };
    }
  }
}

/** @param isLive Whether more is to come: then one begins at the present, else at the end of what there is */
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
  // In another timeline the same moment is at another place.
  // biome-ignore lint/correctness/useExhaustiveDependencies: only when the timeline is another one
  useEffect(() => {
    if (state.mode !== 'live') dispatch({ type: 'seekMs', ms: state.nowMs });
  }, [timeline]);
  const isLive = state.mode === 'live';
  const clock: Clock = {
    ...{ isLive, isPlaying, speed: state.speed },
    count: isLive ? timeline.length : Math.min(state.count, timeline.length),
    nowMs: isLive ? timeline.lastMs : state.nowMs,
  };
  return { clock, dispatch };
}
