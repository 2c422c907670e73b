/** The built-in rules. Tests may write others: a rule is a name, a place in the list, and a function. */
import { kinds } from '../../core/options.js';
import { checkArguments } from '../options.js';
import { drawLatencyMs, type Latency, readLatency } from './latency.js';
import type { Concern, Rule } from './rule.js';

type Hosts = string | readonly string[];

/** Parcels from the first hosts to the second. */
export function oneWay(from: Hosts, to: Hosts): Concern {
  const [sources, targets] = [setOf(from), setOf(to)];
  return (source, target) => sources.has(source) && targets.has(target);
}

/** Parcels between two groups of hosts, in both directions. */
export function bothWays(a: Hosts, b: Hosts): Concern {
  const [there, back] = [oneWay(a, b), oneWay(b, a)];
  return (from, to) => there(from, to) || back(from, to);
}

const everywhere: Concern = () => true;

/** A pulled cable: streams wait, datagrams are lost. No side is notified, so silence must be noticed. */
export function cut(concerns: Concern, name = 'cut'): Rule {
  return {
    name,
    place: 'barrier',
    concerns,
    judge: ({ kind }) => ({ verdict: kind === 'datagram' ? 'drop' : 'hold' }),
  };
}

/** Holds everything, including datagrams, and releases it at once at the given time. */
export function clog(concerns: Concern, untilMs: number, name = 'clog'): Rule {
  checkArguments('clog', { untilMs }, { untilMs: kinds.amount });
  return { name, place: 'barrier', concerns, untilMs, judge: () => ({ verdict: 'hold' }) };
}

/** Dials are refused; open streams continue. */
export function refusing(concerns: Concern, name = 'refusing'): Rule {
  return {
    name,
    place: 'barrier',
    concerns,
    judge: ({ kind }) => (kind === 'dial' ? { verdict: 'refuse' } : undefined),
  };
}

/** Breaks a share of the streams with each parcel of bytes, somewhere in the middle of it. */
export function resetting(share: number, concerns = everywhere, name = 'resetting'): Rule {
  checkArguments('resetting', { share }, { share: kinds.share });
  return {
    name,
    place: 'barrier',
    concerns,
    judge({ kind, bytes }, { random }) {
      if (kind !== 'bytes' || bytes === 0 || random.float() >= share) return undefined;
      return { verdict: 'reset', afterBytes: random.below(bytes) };
    },
  };
}

/** How long a sender waits for an acknowledgement before it sends again: the minimum in Linux. */
export const retransmitAfterMs = 200;

/** Loses a share of all parcels. Datagrams are gone; streams send again. */
export function lossy(share: number, concerns = everywhere, name = 'lossy'): Rule {
  checkArguments('lossy', { share }, { share: kinds.share });
  return {
    name,
    place: 'damage',
    concerns,
    judge({ kind }, { random, nowMs }) {
      if (random.float() >= share) return undefined;
      return kind === 'datagram' ? { verdict: 'drop' } : { verdict: 'hold', untilMs: nowMs + retransmitAfterMs };
    },
  };
}

/** Duplicates a share of the datagrams. */
export function duplicating(share: number, concerns = everywhere, name = 'duplicating'): Rule {
  checkArguments('duplicating', { share }, { share: kinds.share });
  return {
    name,
    place: 'damage',
    concerns,
    judge: ({ kind }, { random }) =>
      kind === 'datagram' && random.float() < share ? { verdict: 'duplicate' } : undefined,
  };
}

/** Delays a share of the datagrams by up to `byMs`, so that later datagrams overtake them. */
export function reordering(share: number, byMs: number, concerns = everywhere, name = 'reordering'): Rule {
  checkArguments('reordering', { share, byMs }, { share: kinds.share, byMs: kinds.amount });
  return {
    name,
    place: 'damage',
    concerns,
    judge: ({ kind }, { random }) =>
      kind === 'datagram' && random.float() < share ? { verdict: 'delay', byMs: random.float() * byMs } : undefined,
  };
}

/** A different latency than the weather's for some hosts: a radio link, a line to another site. */
export function latency(given: Latency, concerns = everywhere, name = 'latency'): Rule {
  const distribution = readLatency(given);
  return {
    name,
    place: 'pace',
    concerns,
    judge: (_, { random }) => ({ verdict: 'pass', latencyMs: drawLatencyMs(distribution, random) }),
  };
}

function setOf(hosts: Hosts): ReadonlySet<string> {
  return new Set(typeof hosts === 'string' ? [hosts] : hosts);
}
