import { createActor, fromCallback, fromPromise } from 'xstate';
import type { Direction, LinkCommand, LinkReport, SessionReport } from '../../src/actors/mailboxes.js';
import type { VerifiedToken } from '../../src/actors/slots.js';
import { allScopes, type Scope } from '../../src/core/author.js';
import type { Boot, NodeId } from '../../src/core/ids.js';
import type { Secret } from '../../src/core/secret.js';
import { credentialMachine } from '../../src/machines/credential.machine.js';
import { receiverMachine } from '../../src/machines/receiver.machine.js';
import { senderMachine } from '../../src/machines/sender.machine.js';
import { type SessionAccess, sessionMachine } from '../../src/machines/session.machine.js';
import type { Connection } from '../../src/ports/ports.js';
import type { Store } from '../../src/ports/store.js';
import { protocolVersion } from '../../src/wire/messages.js';
import { manualClock, recorder } from './bench.js';

export const us = { nodeId: 'a' as NodeId, boot: 'boot-a' as Boot, port: 1 };
export const them = { nodeId: 'b' as NodeId, boot: 'boot-b' as Boot, port: 2 };
export const version = protocolVersion;
export const request = { type: 'frame.handshakeRequest', version, identity: them, token: undefined } as const;
export const response = { type: 'frame.handshakeResponse', version, identity: them, refusal: undefined } as const;
export const clock = { type: 'frame.vectorClock', clock: new Map(), received: 0 } as const;

/** A session between a link and a parent that the test plays. Its sender and receiver do nothing. */
export function setup(
  direction: Direction,
  ourClock = new Map(),
  { access = { kind: 'cluster' }, scopes = allScopes }: { access?: SessionAccess; scopes?: readonly Scope[] } = {},
) {
  const time = manualClock();
  const parent = recorder<SessionReport>();
  const commands: LinkCommand[] = [];
  let report: (event: LinkReport) => void = () => {};
  const verifying: { token: string; answer(token: VerifiedToken): void; fail(error: unknown): void }[] = [];
  let linkEnded = false;
  const idle = fromCallback(() => {}) as never;
  const machine = sessionMachine.provide({
    actors: {
      link: fromCallback<LinkCommand, { parent: { send(event: LinkReport): void } }>(({ input, receive }) => {
        report = (event) => input.parent.send(event);
        receive((command) => void commands.push(command));
        return () => {
          linkEnded = true;
        };
      }) as never,
      sender: senderMachine.provide({
        actors: { oplogFeed: idle, readBatch: fromPromise(() => new Promise(() => {})) as never },
      }),
      receiver: receiverMachine.provide({ actors: { batchApplier: fromCallback(() => {}) as never } }),
      credential: credentialMachine.provide({
        actors: {
          verifyToken: fromPromise<VerifiedToken, { token: Secret }>(
            ({ input }) =>
              new Promise((answer, fail) => {
                verifying.push({ token: input.token.reveal(), answer, fail });
              }),
          ) as never,
        },
      }),
    },
  });
  const actor = createActor(machine, {
    clock: time,
    input: {
      sessionId: 'session-1',
      parent: parent.mailbox,
      connection: { remoteAddress: '127.0.0.1:5', remoteHost: '127.0.0.1', protection: { kind: 'none' } } as Connection,
      direction,
      expected: undefined,
      identity: us,
      store: { clock: () => ourClock } as unknown as Store,
      access,
      scopes,
      intervals: { heartbeatIntervalMs: 1_000, syncIntervalMs: 2_000 },
      random: () => 0,
    },
  }).start();
  const sent = () => commands.map((command) => (command.type === 'link.send' ? command.frame.type : command.type));
  const hear = (event: LinkReport) => report(event);
  const failure = () => actor.getSnapshot().output?.failure;
  return { actor, time, parent, commands, sent, hear, failure, verifying, linkEnded: () => linkEnded };
}
