/**
 * What a reconfiguration changes, and what the node has to do for it: a pure function from the configuration in force
 * and the requested one.
 *
 * One table lists every field of the schema with its effects. A new field does not compile without a row.
 */
import { resolve } from 'node:path';
import { type Failure, failureOf } from '../core/errors.js';
import type { ClusterKeys } from '../core/keys.js';
import type { Listening } from '../ports/ports.js';
import type { Configured } from './configured.js';
import { parseConfiguration } from './parse.js';
import { type Configuration, type ConfigurationInput, listeningHost } from './schema.js';

/** A part of the node that a field affects. */
export type Effect =
  /** Another database. */
  | 'store'
  /** The parts that serve say goodbye and start again, as another node would. */
  | 'service'
  /** Where the node listens. */
  | 'listener'
  /** How the node protects the connections that it accepts. */
  | 'protection'
  | 'keys'
  | 'discovery'
  | 'knownPeers'
  | 'intervals'
  | 'election'
  | 'uplink'
  | 'control'
  | 'observation'
  | 'log';

/** One field that changes. A secret value is shown by a name that is not secret, or not at all. */
export interface ConfigurationChange {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

export interface Plan {
  readonly changes: readonly ConfigurationChange[];
  readonly effects: ReadonlySet<Effect>;
  /**
   * `beside`: the new listener is bound while the old one still accepts. `instead`: the two overlap, so the old one is
   * closed first. `protect`: the same listener accepts with another protection.
   */
  readonly listener: 'keep' | 'protect' | 'beside' | 'instead';
}

/** The result of a reconfiguration. */
export interface Reconfiguration {
  /** Empty if the requested configuration was already in force. */
  readonly changes: readonly ConfigurationChange[];
  /** Time from the start of the reconfiguration until the new configuration served. */
  readonly tookMs: number;
  /** How long local writes had to wait. */
  readonly writesHeldMs: number;
  /** How long connections were refused. */
  readonly connectionsRefusedMs: number;
}

type Field = keyof Configuration;

/** For a member of a cluster. */
const effectsOfMember: Readonly<Record<Field, readonly Effect[]>> = {
  nodeId: ['store', 'service'],
  dataDir: ['store', 'service', 'control'],
  host: ['listener'],
  port: ['listener'],
  lan: ['listener', 'discovery'],
  security: ['service', 'protection', 'keys'],
  clusterSalt: ['protection', 'keys'],
  discovery: ['discovery'],
  discoveryPort: ['discovery'],
  beaconIntervalMs: ['discovery'],
  heartbeatIntervalMs: ['intervals'],
  syncIntervalMs: ['intervals'],
  knownPeers: ['knownPeers'],
  role: ['service', 'protection', 'keys'],
  eligible: ['election'],
  electionIntervalMs: ['election'],
  yieldAfterMs: ['uplink'],
  ca: ['uplink'],
  secretVariables: ['uplink'],
  authorityOrigins: ['uplink'],
  plaintextCloud: ['uplink'],
  tlsCert: [],
  tlsKey: [],
  authority: [],
  authorityPreset: [],
  audience: [],
  scope: [],
  scopeClaim: [],
  audienceClaim: [],
  tokenTypes: [],
  inspector: ['observation'],
  metricsPort: ['observation'],
  control: ['control'],
  logLevel: ['log'],
};

/** A cloud node differs: a session that was admitted under other rules must show its token again. */
const effectsOfCloudNode: Readonly<Partial<Record<Field, readonly Effect[]>>> = {
  security: [],
  clusterSalt: [],
  lan: ['listener'],
  ca: ['service'],
  authorityOrigins: ['service'],
  authority: ['service'],
  authorityPreset: ['service'],
  audience: ['service'],
  scope: ['service'],
  scopeClaim: ['service'],
  audienceClaim: ['service'],
  tokenTypes: ['service'],
  tlsCert: ['protection'],
  tlsKey: ['protection'],
};

/** A node that starts opens everything. There is nothing that could change. */
export function planStart(): Plan {
  return { changes: [], effects: new Set<Effect>(['store', 'listener']), listener: 'beside' };
}

/**
 * Compares two configurations.
 *
 * @param listening Where the node listens at present: a port that the system chose counts like a requested one
 */
export function planReconfiguration(present: Configured, next: Configured, listening: Listening): Plan {
  const effects = new Set<Effect>();
  const changes: ConfigurationChange[] = [];
  const note = (field: string, from: unknown, to: unknown, added: readonly Effect[]): void => {
    changes.push({ field, from, to });
    for (const effect of added) effects.add(effect);
  };
  const [before, after] = [present.configuration, next.configuration];
  for (const field of Object.keys(effectsOfMember) as Field[]) {
    if (isSame(field, before, after)) continue;
    note(field, shown(field, before), shown(field, after), effectsOf(field, after));
  }
  noteContents(present, next, note);
  const isSecuredAnew = effects.has('protection') || present.security.kind !== next.security.kind;
  return { changes, effects, listener: listenerOf({ before, after, listening, isSecuredAnew }) };
}

/** A directory is the same by its relative and its absolute path. */
function isSame(field: Field, before: Configuration, after: Configuration): boolean {
  if (field === 'dataDir') return resolve(before.dataDir) === resolve(after.dataDir);
  return isEqual(before[field], after[field]);
}

/** The value to show. The address of a collector is a secret, because it admits anyone who has it. */
function shown(field: Field, configuration: Configuration): unknown {
  if (field !== 'inspector' || configuration.inspector?.collector === undefined) return configuration[field];
  return { ...configuration.inspector, collector: '[secret]' };
}

function effectsOf(field: Field, { role }: Configuration): readonly Effect[] {
  return (role === 'cloud' ? effectsOfCloudNode[field] : undefined) ?? effectsOfMember[field];
}

type Note = (field: string, from: unknown, to: unknown, effects: readonly Effect[]) => void;

/** Changes behind a field: secrets, and files that were replaced under the same name. */
function noteContents(present: Configured, next: Configured, note: Note): void {
  const [before, after] = [present.configuration, next.configuration];
  if (present.keys !== undefined && next.keys !== undefined) {
    const [from, to] = [present.keys, next.keys];
    const accepted = ({ all: [, ...others] }: ClusterKeys) => others.map(({ keyId }) => keyId);
    if (from.first.keyId !== to.first.keyId) {
      note('clusterKey', from.first.keyId, to.first.keyId, ['protection', 'keys']);
    }
    if (!isEqual(accepted(from), accepted(to))) {
      note('acceptedClusterKeys', accepted(from), accepted(to), ['protection', 'keys']);
    }
  }
  if (!isEqual(present.initialRemotePeers(), next.initialRemotePeers())) {
    note('initialRemotePeers', namesOf(present), namesOf(next), ['knownPeers']);
  }
  if (before.ca === after.ca && present.ca !== next.ca) {
    note('ca', before.ca, `${after.ca} (replaced)`, effectsOf('ca', after));
  }
  if (before.tlsCert !== after.tlsCert || before.tlsKey !== after.tlsKey) return;
  if (!isSameCertificate(present, next)) note('tlsCert', before.tlsCert, `${after.tlsCert} (replaced)`, ['protection']);
}

function isSameCertificate({ security: before }: Configured, { security: after }: Configured): boolean {
  if (before.kind !== 'server' || after.kind !== 'server') return true;
  const [a, b] = [before.server, after.server];
  return a.certificate === b.certificate && a.key.reveal() === b.key.reveal();
}

function namesOf({ initialRemotePeers }: Configured): readonly string[] {
  return initialRemotePeers().map(({ nodeId }) => nodeId);
}

interface Placing {
  readonly before: Configuration;
  readonly after: Configuration;
  readonly listening: Listening;
  readonly isSecuredAnew: boolean;
}

function listenerOf({ before, after, listening, isSecuredAnew }: Placing): Plan['listener'] {
  const host = listeningHost(after);
  const isSameHost = host === listeningHost(before);
  const isSamePort = after.port === listening.port || (after.port === 0 && before.port === 0);
  if (isSameHost && isSamePort) return isSecuredAnew ? 'protect' : 'keep';
  // One address and the wildcard address cannot be bound at the same port at the same time.
  const isOverlap = after.port === listening.port && !isSameHost && (isWildcard(host) || isWildcard(listening.host));
  return isOverlap ? 'instead' : 'beside';
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Configurations are JSON, and their schema fixes the order of an object's fields. */
function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** A configuration as written. A function, because it contains secrets, while contexts and events are shown. */
export type Requested = () => unknown;

/**
 * A copy of a requested configuration: its owner may change the original later, and copies do not pile up functions. A
 * value that cannot be copied is not a configuration; it stays as it is, and the check refuses it.
 */
export function taken(requested: Requested): Requested {
  try {
    const copy = structuredClone(requested());
    return () => copy;
  } catch {
    return requested;
  }
}

/** The requests since the last reconfiguration began: several become one. */
export interface Wanted {
  /**
   * What the provider has said since. Only the fields that differ from what it said before count; fields that a call
   * changed in between stay.
   */
  readonly provided: Requested | undefined;
  /** The fields that calls have requested since; for each field the last call wins. */
  readonly partial: () => Partial<ConfigurationInput>;
  /** The calls that wait for the result. */
  readonly requests: readonly number[];
}

const nothingWanted: Wanted = { provided: undefined, partial: () => ({}), requests: [] };

export function withPartial(wanted: Wanted | undefined, partial: Wanted['partial'], request: number): Wanted {
  const { provided, partial: before, requests } = wanted ?? nothingWanted;
  const fields = { ...before(), ...partial() };
  return { provided, partial: () => fields, requests: [...requests, request] };
}

/** @param said What the provider had said when the configuration in force was made */
export function withProvided(wanted: Wanted | undefined, said: Requested, provided: Requested): Wanted {
  const { provided: saidSince = said, partial, requests } = wanted ?? nothingWanted;
  const later = differenceOf(saidSince, provided);
  const fields = Object.fromEntries(Object.entries(partial()).filter(([field]) => !Object.hasOwn(later, field)));
  return { provided, partial: () => fields, requests };
}

/** @param said What the provider had said when the configuration in force was made */
export function combine(inForce: Requested, said: Requested, { provided, partial }: Wanted): Requested {
  const difference = provided === undefined ? {} : differenceOf(said, provided);
  const fields = { ...(inForce() as object), ...difference, ...partial() };
  return () => fields;
}

/** The fields that differ, with their new values; undefined for removed fields. */
function differenceOf(before: Requested, after: Requested): Record<string, unknown> {
  const fields = (requested: Requested) => new Map(Object.entries((requested() ?? {}) as object));
  const [old, now] = [fields(before), fields(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return Object.fromEntries(
    names.filter((name) => !isEqual(old.get(name), now.get(name))).map((name) => [name, now.get(name)]),
  );
}

/** Why a configuration is impossible, as far as parsing it shows. */
export function objectionTo(requested: Requested): Failure | undefined {
  try {
    parseConfiguration(requested());
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

/** For people: `port: 9000 to 9001, eligible: true to false`. */
export function describeChanges(changes: readonly ConfigurationChange[]): string {
  return changes.map(({ field, from, to }) => `${field}: ${textOf(from)} to ${textOf(to)}`).join(', ');
}

function textOf(value: unknown): string {
  return value === undefined ? 'unset' : typeof value === 'string' ? value : JSON.stringify(value);
}
