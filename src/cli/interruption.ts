/** Ctrl-C and other signals that end a command that would run forever. */

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Resolves at the first signal; a second one ends the process at once. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    let isInterrupted = false;
    const hear = (): void => {
      if (isInterrupted) process.exit(130);
      isInterrupted = true;
      resolve();
    };
    for (const signal of signals) process.on(signal, hear);
  });
}
