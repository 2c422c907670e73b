/** Ctrl-C and other signals that end a command that would run forever. */

import { endByHangUp, hasTerminal } from './hang-up.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves at the first signal; a second one ends the process at once. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    let isInterrupted = false;
    const hear = (signal: NodeJS.Signals): void => {
      if (isInterrupted) process.exit(130);
      isInterrupted = true;
      if (signal === 'SIGHUP' && hasTerminal()) endByHangUp();
      resolve();
    };
    for (const signal of signals) process.on(signal, hear);
  });
}
