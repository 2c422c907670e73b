/** When everybody has stopped, nothing is left over: no connection, no socket, nothing that is still to happen. */
import type { CheckerFactory } from '../checker.js';

export const leaks: CheckerFactory = (view, report) => ({
  name: 'leaks',
  kind: 'leak',
  closed() {
    const { streams, sockets, events } = view.leftovers;
    if (streams > 0) report(`Connections that are open after everybody has stopped: ${streams}.`);
    if (sockets > 0) report(`${sockets} listeners and datagram sockets are open after everybody has stopped.`);
    if (events > 0) report(`${events} timers are still running after everybody has stopped.`);
  },
});
