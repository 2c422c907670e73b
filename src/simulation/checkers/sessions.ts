/**
 * Two processes never exchange data over two sessions at once.
 *
 * A cloud node identifies its clients by the subjects of their tokens. When a gateway has changed its client, it may be
 * connected under both until the older connection is given up.
 */
import type { CheckerFactory } from '../checker.js';

export const sessions: CheckerFactory = (view, report) => ({
  name: 'sessions',
  kind: 'safety',
  look() {
    for (const process of view.processes) {
      const sessionIds = new Map<string, string>();
      for (const { value, context } of view.insideOf(process).sessions) {
        if (value !== 'synchronizing' || context.peer === undefined) continue;
        const { boot, nodeId } = context.peer;
        const guest = `${boot} ${context.subject ?? ''}`;
        const other = sessionIds.get(guest);
        if (other !== undefined) {
          report(`${process.nodeId} exchanges data with ${nodeId} over ${other} and ${context.sessionId} at once.`);
        }
        sessionIds.set(guest, context.sessionId);
      }
    }
  },
});
