/** Walks every machine: each event in each reachable state. Prints the figures as a table. */
import { afterAll, describe, expect, it } from '@jest/globals';
import { credential } from './walk/credential.js';
import { election } from './walk/election.js';
import {
  deadEnds,
  eventsLost,
  eventsNotOffered,
  eventsUndecided,
  failuresMishandled,
  figuresOf,
  ignoredInVain,
  lawsBroken,
  statesNotReached,
  strandings,
  transitionsNotTaken,
} from './walk/findings.js';
import { gateway } from './walk/gateway.js';
import { membership } from './walk/membership.js';
import { node } from './walk/node.js';
import { peer } from './walk/peer.js';
import { receiver } from './walk/receiver.js';
import { reception } from './walk/reception.js';
import { reconfiguration } from './walk/reconfiguration.js';
import { sender } from './walk/sender.js';
import { session } from './walk/session.js';
import { uplink } from './walk/uplink.js';
import { ward } from './walk/ward.js';
import { walkMachine } from './walk.js';

const figures: Record<string, string>[] = [];

describe.each(
  [
    node,
    reconfiguration,
    membership,
    election,
    reception,
    ward,
    uplink,
    gateway,
    peer,
    session,
    credential,
    sender,
    receiver,
  ].map((walk) => [walk.machine.id, walk] as const),
)('%s', (id, walk) => {
  const walked = walkMachine(walk);
  figures.push(figuresOf(walked));

  it(`${id}: the alphabet -> has an event for every handler`, () => expect(eventsNotOffered(walked)).toEqual([]));

  it(`${id}: every state -> reached`, () => expect(statesNotReached(walked)).toEqual([]));

  it(`${id}: every transition -> taken`, () => expect(transitionsNotTaken(walked)).toEqual([]));

  it(`${id}: a child fails, in any state -> handled, and the machine lives`, () => {
    expect(failuresMishandled(walked)).toEqual([]);
  });

  it(`${id}: any configuration -> its goals stay reachable`, () => expect(deadEnds(walked)).toEqual([]));

  it(`${id}: no more events from outside -> ends, or rests where it may`, () => expect(strandings(walked)).toEqual([]));

  it(`${id}: any configuration -> satisfies the invariants`, () => expect(lawsBroken(walked)).toEqual([]));

  it(`${id}: any event in any state -> handled, or ignored for a reason`, () => {
    expect(eventsLost(walked)).toEqual([]);
  });

  it(`${id}: a sample in a state -> always has the same effect`, () => expect(eventsUndecided(walked)).toEqual([]));

  it(`${id}: an event listed as ignored -> occurs, and is ignored`, () => expect(ignoredInVain(walked)).toEqual([]));
});

afterAll(() => {
  const heads = Object.keys(figures[0] ?? {});
  const rows = [heads, ...figures.map((row) => heads.map((head) => row[head] ?? ''))];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  process.stdout.write(`${lines.join('\n')}\n`);
});
