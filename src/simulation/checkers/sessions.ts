/** Two processes never exchange data over two sessions at once. */
import type { CheckerFactory } from '../checker.js';

export const sessions: CheckerFactory = (view, report) => ({
  name: 'sessions',
  kind: 'safety',
  look() {
    for (const process of view.processes) {
      const boots = new Map<string, string>();
      for (const { value, context } of view.insideOf(process).sessions) {
        if (value !== 'synchronizing' || context.peer === undefined) continue;
        const { boot, nodeId } = context.peer;
        const other = boots.get(boot);
        if (other !== undefined) {
          report(`${process.nodeId} exchanges data with ${nodeId} over ${other} and ${context.sessionId} at once.`);
        }
        boots.set(boot, context.sessionId);
      }
    }
  },
});
