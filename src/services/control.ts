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
import type { Time } from '../protocol/ports.js';
import type { ControlReport } from '../protocol/services.js';
import { createControlServer } from './control-server.js';
import { listenAtSocket } from './control-socket.js';

const turnsToAnswer = 3;

/** @param commands What the node answers; asked for when the service starts */
export function createControl(
  { time }: { time: Pick<Time, 'turn'> },
  commands: () => ControlCommands,
  limits: ControlLimits = controlLimits,
) {
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
        if (isStopped) void close();
      } catch (error) {
        fail(error);
      }
    };
    const close = async (): Promise<void> => {
      remove();
      server.close();
      server.closeIdleConnections();
      // What has been carried out just now, and ends this service perhaps, is answered first.
      for (let turn = 0; turn < turnsToAnswer; turn += 1) await time.turn();
      server.closeAllConnections();
    };

    void open();
    return () => {
      isStopped = true;
      void close();
    };
  });
}
