/**
 * The control socket: lets the command line talk to a running node, and nobody but its own user.
 *
 * It is opened only when the configuration says so. Whatever makes it unavailable is told to the parent; whatever a caller
 * does wrong is told to the caller. When the service stops, its socket, server and connections are gone.
 */
import { type EventObject, fromCallback } from 'xstate';
import type { Mailbox } from '../actors/mailboxes.js';
import type { ControlReport } from '../actors/slots.js';
import type { Configuration } from '../configuration/schema.js';
import { type ControlCommands, type ControlLimits, controlLimits, controlSocketPath } from '../control/protocol.js';
import { createControlServer } from '../control/server.js';
import { listenAtSocket, type SocketPlace } from '../control/socket.js';
import type { Time, Timer } from '../ports/ports.js';

const turnsToAnswer = 3;

/** @param commands What the node answers; asked for when the service starts */
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
    /** Somebody may delete the socket, or the whole directory: the node opens it again, or nobody could talk to it any more. */
    const watch = (): void => {
      timer = time.after(limits.placeCheckMs, () => {
        const before = opened;
        if (before === undefined || before.place.isOurs()) {
          watch();
          return;
        }
        // Whatever keeps it from that now may not the next time.
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
      // What has been carried out just now, and ends this service perhaps, is answered first.
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
