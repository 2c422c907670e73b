/** When all nodes have stopped, nothing is left over: no connection, no socket, no timer. */
import type { CheckerFactory } from '../checker.js';

export const leaks: CheckerFactory = (view, report) => ({
  name: 'leaks',
  kind: 'leak',
  closed() {
    const { streams, sockets, events } = view.leftovers;
    if (streams > 0) report(`Connections that are still open after all nodes have stopped: ${streams}.`);
    if (sockets > 0) report(`${sockets} listeners and datagram sockets are still open after all nodes have stopped.`);
    if (events > 0) report(`${events} timers are still running after all nodes have stopped.`);
  },
});
