/**
 * Relays events to Stately's public inspector, in a window of its own. Only after the user presses the button, because
 * the events leave this machine.
 */
import { createBrowserInspector } from '@statelyai/inspect';
import { useEffect, useRef, useState } from 'react';
import type { Connection } from '../model/connection.js';
import { StatelyConverter } from '../model/stately.js';

/** Stately's page is made for a few actors: only this many past events are sent. */
const eventsFirstMax = 2_000;

export function StatelyButton({ url, connection }: { url: string; connection: Connection }) {
  const [isOn, setIsOn] = useState(false);
  const stop = useRef<() => void>(undefined);
  useEffect(() => () => stop.current?.(), []);
  const toggle = (): void => {
    stop.current?.();
    stop.current = undefined;
    setIsOn(!isOn);
    if (isOn) return;
    const { adapter } = createBrowserInspector({ url, serialize: (event) => event, maxDeferredEvents: 10_000 });
    const converter = new StatelyConverter();
    const { records } = connection.getScene().timeline;
    const beginning = converter.begin(records.slice(0, -eventsFirstMax));
    for (const event of beginning) adapter.send(event);
    const relay = (more: typeof records): void => {
      for (const record of more) for (const event of converter.convert(record)) adapter.send(event);
    };
    relay(records.slice(-eventsFirstMax));
    const unsubscribe = connection.onRecords((more) => relay([...more]));
    stop.current = () => {
      unsubscribe();
      adapter.stop();
    };
  };
  return (
    <button
      type="button"
      aria-pressed={isOn}
      onClick={toggle}
      title={`Show the statecharts at ${url}: summaries of events leave this machine`}
    >
      Stately
    </button>
  );
}
