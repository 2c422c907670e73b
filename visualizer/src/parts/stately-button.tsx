/** Relays what comes to Stately's public inspector, in a window of its own. Only when somebody presses the button: it leaves this machine. */
import { createBrowserInspector } from '@statelyai/inspect';
import { useEffect, useRef, useState } from 'react';
import type { Connection } from '../model/connection.js';
import { StatelyConverter } from '../model/stately.js';

/** Their page is for looking at a few actors: older events than these are not sent. */
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
