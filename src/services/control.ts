/**
 * The control socket: lets the command line talk to a running node; other users cannot.
 *
 * It is opened only when the configuration says so. Failures that make it unavailable are reported to the parent;
 * mistakes of a caller are reported to the caller. When the service stops, its socket, server and connections are gone.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { ControlReport, Mailbox } from '../actors/mailboxes.js';
import type { Configuration } from '../configuration/schema.js';
import { type ControlCommands, type ControlLimits, controlLimits, controlSocketPath } from '../control/protocol.js';
import { createControlServer } from '../control/server.js';
import { listenAtSocket, type SocketPlace } from '../control/socket.js';
import type { Time, Timer } from '../ports/ports.js';

const turnsToAnswer = 3;

/** @param commands The commands that the node answers; called when the service starts */
export function createControl(
  { time }: { time: Pick<Time, 'turn' | 'after' | 'monotonicMs'> },
  commands: () => ControlCommands,
  limits: ControlLimits = controlLimits,
) {
  return fromCallback<EventObject, { configuration: Configuration; parent: Mailbox<ControlReport> }>(({ input }) => {
    const { configuration, parent } = input;
    if (!configuration.control) return;
    const answers = commands();
    let isStopped = false;
    let opened: Opened | undefined;
    let timer: Timer | undefined;

    const open = async (): Promise<void> => {
      const server = createControlServer(answers, limits, time);
      const place = await listenAtSocket(server, controlSocketPath(configuration.dataDir));
      server.on('error', fail);
      opened = { server, place };
      if (isStopped) void close(opened);
      else watch();
    };
    const fail = (error: unknown): void => {
      if (!isStopped) parent.send({ type: 'control.failed', error });
    };
    /**
     * The socket, or the whole directory, may be deleted: the node then opens the socket again, otherwise it could not
     * be controlled any more.
     */
    const watch = (): void => {
      timer = time.after(limits.placeCheckMs, () => {
        const before = opened;
        if (before === undefined || before.place.isOurs()) {
          watch();
          return;
        }
        // The obstacle may be gone at the next attempt.
        open().then(
          () => void close(before),
          () => isStopped || watch(),
        );
      });
    };
    const close = async ({ server, place }: Opened): Promise<void> => {
      place.leave();
      server.close();
      server.closeIdleConnections();
      // A command that was just carried out, and that may have ended this service, is answered first.
      for (let turn = 0; turn < turnsToAnswer; turn += 1) await time.turn();
      server.closeAllConnections();
    };

    open().catch(fail);
    return () => {
      isStopped = true;
      timer?.cancel();
      if (opened !== undefined) void close(opened);
    };
  });
}

interface Opened {
  readonly server: ReturnType<typeof createControlServer>;
  readonly place: SocketPlace;
}
