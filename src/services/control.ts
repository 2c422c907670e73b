/**
 * The control socket: lets the command line talk to a running node, and nobody but its own user.
 *
 * It is opened only when the configuration says so. Whatever makes it unavailable is told to the parent; whatever a caller
 * does wrong is told to the caller. When the service stops, its socket, server and connections are gone.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { Configuration } from '../protocol/configuration.js';
import { type ControlCommands, type ControlLimits, controlLimits, controlSocketPath } from '../protocol/control.js';
import type { Mailbox } from '../protocol/events.js';
import type { ControlReport } from '../protocol/services.js';
import { createControlServer } from './control-server.js';
import { listenAtSocket } from './control-socket.js';

/** @param commands What the node answers; asked for when the service starts */
export function createControl(commands: () => ControlCommands, limits: ControlLimits = controlLimits) {
  return fromCallback<EventObject, { configuration: Configuration; parent: Mailbox<ControlReport> }>(({ input }) => {
    const { configuration, parent } = input;
    if (!configuration.control) return;
    const server = createControlServer(commands(), limits);
    let isStopped = false;
    let remove = (): void => {};

    const fail = (error: unknown): void => {
      if (!isStopped) parent.send({ type: 'control.failed', error });
    };
    const open = async (): Promise<void> => {
      try {
        remove = await listenAtSocket(server, controlSocketPath(configuration.dataDir));
        server.on('error', fail);
        if (isStopped) close();
      } catch (error) {
        fail(error);
      }
    };
    const close = (): void => {
      remove();
      server.close();
      server.closeAllConnections();
    };

    void open();
    return () => {
      isStopped = true;
      close();
    };
  });
}
