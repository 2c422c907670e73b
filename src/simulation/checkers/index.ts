/** All checkers, in the order in which they run. A new checker is one file, and one line here. */
import type { CheckerFactory } from '../checker.js';
import { acknowledgedWrites } from './acknowledged-writes.js';
import { agreement } from './agreement.js';
import { authentication } from './authentication.js';
import { chains } from './chains.js';
import { clusterKeys } from './cluster-keys.js';
import { deliveries } from './deliveries.js';
import { failures } from './failures.js';
import { gateways } from './gateways.js';
import { identities } from './identities.js';
import { impairments } from './impairments.js';
import { interruptions } from './interruptions.js';
import { lastWriteWins } from './last-write-wins.js';
import { latency } from './latency.js';
import { leadership } from './leadership.js';
import { leaks } from './leaks.js';
import { machines } from './machines.js';
import { progress } from './progress.js';
import { reconfigurations } from './reconfigurations.js';
import { reconnections } from './reconnections.js';
import { sessions } from './sessions.js';
import { silence } from './silence.js';
import { stamps } from './stamps.js';

/** Every invariant of statemesh that can be checked from outside. */
export const allCheckers: readonly CheckerFactory[] = [
  // First, because other checkers read what the nodes hold, and time passes meanwhile.
  leadership,
  agreement,
  acknowledgedWrites,
  stamps,
  chains,
  authentication,
  sessions,
  machines,
  reconfigurations,
  identities,
  clusterKeys,
  failures,
  impairments,
  latency,
  silence,
  lastWriteWins,
  gateways,
  deliveries,
  progress,
  reconnections,
  interruptions,
  leaks,
];
