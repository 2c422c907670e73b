/**
 * Announces this node's member state in the heartbeats, and reports the other live nodes. The report rests on
 * authenticated sessions only: a beacon makes no node live.
 */
import { fromCallback } from 'xstate';
import type { LivenessCommand } from '../actors/mailboxes.js';
import type { LivenessInput } from '../actors/slots.js';
import type { Time, Timer } from '../ports/ports.js';
import type { Heartbeats, Participation } from './heartbeat.js';

/** Over the heartbeats that the links of the same node use. */
export function createLiveness({ heartbeats, time }: { heartbeats: Heartbeats; time: Time }) {
  return fromCallback<LivenessCommand, LivenessInput>(({ input, receive }) => {
    const { parent, identity } = input;
    let { electionIntervalMs } = input;
    let participation: Participation | undefined;
    let timer: Timer | undefined;
    receive((command) => {
      if (command.type === 'memberState.changed') {
        participation?.say(command.memberState);
        return;
      }
      electionIntervalMs = command.electionIntervalMs;
      timer?.cancel();
      schedule();
    });

    const report = (): void => {
      if (participation !== undefined) parent.send({ type: 'liveness.changed', live: new Map(participation.live) });
    };
    participation = heartbeats.participate({ selfId: identity.nodeId, changed: report });
    // Sessions may exist before it begins.
    if (participation.live.size > 0) report();

    const schedule = (): void => {
      timer = time.after(electionIntervalMs, () => {
        report();
        schedule();
      });
    };
    schedule();
    return () => {
      timer?.cancel();
      participation?.stop();
    };
  });
}
