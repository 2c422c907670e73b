import { type EventObject, fromCallback } from 'xstate';
import type { InspectionInput } from '../actors/slots.js';
import { rootOf } from '../actors/xstate-internals.js';
import { type Failure, failureOf, messageOf, StatemeshError } from '../core/errors.js';
import { createInspector, type Inspector } from '../inspector/inspector.js';
import type { Randomness, Time } from '../ports/ports.js';

export interface InspectionPorts {
  readonly time: Time;
  readonly randomness: Randomness;
}

export function createInspection(ports: InspectionPorts) {
  return fromCallback<EventObject, InspectionInput>(({ input: { settings, nodeId, parent }, self, system }) => {
    if (settings === undefined) return;
    let isOver = false;
    const fail = (error: unknown): void => {
      const failure: Failure = failureOf(error);
      if (!isOver) parent.send({ type: 'inspection.failed', failure });
    };
    let inspector: Inspector | undefined;
    let detach: (() => void) | undefined;
    const open = async (): Promise<void> => {
      inspector = createInspector({
        ...settings,
        time: ports.time,
        randomness: ports.randomness,
        title: nodeId,
        onTraceError: (error) => fail(traceLost(error)),
      });
      const watch = inspector.watch(nodeId);
      const subscription = system.inspect(watch.inspect);
      detach = () => subscription.unsubscribe();
      watch.meet(rootOf(self));
      const opened = await inspector.open();
      if (!isOver) parent.send({ type: 'inspection.opened', url: opened.url });
    };
    // Later, because the actors are in the middle of a step now.
    const timer = ports.time.after(0, () => {
      open().catch(fail);
    });
    return () => {
      isOver = true;
      timer.cancel();
      detach?.();
      void inspector?.close();
    };
  });
}

function traceLost(error: unknown): StatemeshError {
  const message = `The trace is no longer recorded: ${messageOf(error)}`;
  return new StatemeshError('inspectorUnavailable', message, { cause: error });
}
