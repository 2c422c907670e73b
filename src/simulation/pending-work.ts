/**
 * Lets everything asynchronous that an event has set off run to its end, before the next event: one real turn of the event
 * loop, after which no promise of this process can go on by itself. Counting ticks instead would break with each change.
 */
export function pendingWork(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
