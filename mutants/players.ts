/** Plays a build in worker threads, because a planted build may loop forever, use up memory or die. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Player, type RealTimer, workerPlayer } from 'statemesh/simulation';

/** Many times the duration of a run on a slow machine. */
const wallMs = 60_000;

/** Opens players of compiled modules (as they are, or with a planted bug) for as long as they are used. */
export async function withPlayers<Result>(
  directory: string,
  count: number,
  use: (players: readonly Player[]) => Promise<Result>,
): Promise<Result> {
  const program = pathToFileURL(join(directory, 'simulation', 'swarm', 'worker.js'));
  const players = Array.from({ length: count }, () => workerPlayer({ timer, wallMs, program }));
  try {
    return await use(players);
  } finally {
    await Promise.all(players.map((player) => player.close()));
  }
}

const timer: RealTimer = (delayMs, callback) => {
  const timeout = setTimeout(callback, delayMs);
  return { cancel: () => clearTimeout(timeout) };
};
