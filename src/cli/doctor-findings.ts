/**
 * `statemesh doctor`: checks whether a node can run here, and what state it is in. It changes nothing, and says what to
 * do about each problem.
 *
 * If the node runs, it asks the node; otherwise it looks at the node's files and ports.
 */
import { createSocket } from 'node:dgram';
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { listeningHost } from '../configuration/schema.js';
import { callControl } from '../control/client.js';
import {
  controlSocketPath,
  type ErrorCode,
  type Failure,
  failureOf,
  StatemeshError,
  systemCodeOf,
} from '../control/protocol.js';
import {
  type CertificateFinding,
  type Configuration,
  type DatabaseLeftBehind,
  databasesLeftBehind,
  examineCertificates,
  examineDatabase,
  examineInstallation,
  type HeldDatabase,
  type NodeStatus,
  type PeerStatus,
  parseConfiguration,
  type QuarantinedDocument,
  quarantinedIn,
  repairDatabase,
} from '../index.js';
import { now } from './ambient.js';
import { gatherConfiguration } from './configuration-fields.js';
import { isNodeMeant, otherNodeAdvice, type PlaceOptions, readConfigurationFile } from './configuration-file.js';
import { assertNamed } from './configuration-source.js';
import { adviceOn, exitCodeOf, exitCodes } from './exit-codes.js';
import { malformedAdvice, malformedText, placesOf } from './malformed.js';
import { heldIn, silentHolderAdvice, silentHolderText } from './node-at.js';
import { bytes, clean, count, counted, paint, print, printJson } from './output.js';
import { quarantineText } from './status.js';
import {
  agoText,
  behindText,
  certificateWarning,
  descriptorText,
  driftText,
  isNews,
  leftBehindText,
  peerDriftText,
  refusalTexts,
} from './troubles.js';
import { warningsOn } from './warnings.js';

interface Finding {
  /** What was checked. */
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed';
  readonly message: string;
  /** What to do, if anything. */
  readonly advice?: string | undefined;
  readonly code?: ErrorCode;
}

/** Less free space than this gives a warning, or a failure. */
const freeWarningBytes = 256 * 1024 * 1024;
const freeFailureBytes = 16 * 1024 * 1024;
/** A suspended node is reported after this time. */
const silenceMaxMs = 2_000;
/** How far ahead of this machine's clock a time stamp may be. */
const clockDriftMaxMs = 60_000;

/**
 * Prints each finding.
 *
 * @returns the exit code of the first finding that has failed
 */
export async function examineAll(options: Record<string, unknown>): Promise<number> {
  let worst: number = exitCodes.ok;
  let before: Finding | undefined;
  for await (const finding of examined(options)) {
    if (options.json === true) printJson(finding);
    else if (before !== undefined) print(lineOf(before, finding));
    before = finding;
    if (finding.state !== 'failed' || worst !== exitCodes.ok) continue;
    worst = finding.code === undefined ? exitCodes.failed : exitCodeOf(finding.code, { isStarting: true });
  }
  if (options.json !== true && before !== undefined) print(lineOf(before));
  return worst;
}

async function* examined(options: Record<string, unknown>): AsyncGenerator<Finding> {
  const installation = installationFinding();
  yield installation;
  let configuration: Configuration;
  try {
    const file = readConfigurationFile(options);
    const { input, unknownVariables } = gatherConfiguration(options, file);
    if (file === undefined) assertNamed(input);
    const checked = parseConfiguration(input);
    ({ configuration } = checked);
    yield ok(
      'configuration',
      file === undefined ? 'no file: options, environment and defaults' : `${file.path} is valid`,
    );
    for (const warning of warningsOn({ ...checked, file, unknownVariables })) {
      yield { check: 'configuration', state: 'warning', message: warning };
    }
  } catch (error) {
    yield failure('configuration', error);
    return;
  }
  yield* (await examineCertificates(configuration, now())).map(certificateFinding);
  const dataDir = resolve(configuration.dataDir);
  const directory = directoryFinding(dataDir);
  yield directory;
  if (existsSync(dataDir)) yield diskFinding(dataDir);
  let status: (NodeStatus & { processId: number }) | undefined;
  let silence: Failure | undefined;
  try {
    const call = callControl(controlSocketPath(dataDir), 'status', { probe: true }, { idleTimeoutMs: silenceMaxMs });
    status = (await call) as typeof status;
  } catch (error) {
    silence = failureOf(error);
    if (silence.code === 'controlForeign') {
      yield failure('control socket', error);
      return;
    }
  }
  const isRepairing = options.repair === true;
  if (status !== undefined) {
    const other = otherNodeFinding(status, { configuration, dataDir, options });
    if (other !== undefined) yield other;
    if (other?.state === 'failed') return;
    yield* ofRunning(status);
    yield* await leftBehindOf(dataDir, status);
    if (isRepairing) yield refusal(status);
    return;
  }
  const findings: Finding[] = [];
  if (directory.state !== 'failed' && installation.state === 'ok') {
    const path = join(dataDir, `${configuration.nodeId}.db`);
    for await (const finding of databaseFindings(path, configuration, isRepairing)) findings.push(finding);
  }
  const held = await heldIn(dataDir);
  yield nodeFinding(findings, { silence, held, dataDir });
  yield* findings;
  if (installation.state === 'ok' && !findings.some(({ state }) => state === 'failed'))
    yield* await leftBehindIn(dataDir, configuration.nodeId);
  // Otherwise that node has the port.
  if (!findings.some(({ code }) => code === 'databaseInUse')) yield* portFindings(configuration);
}

function installationFinding(): Finding {
  try {
    examineInstallation();
    return ok('installation', `Node.js ${process.version}, and SQLite is there`);
  } catch (error) {
    return failure('installation', error);
  }
}

/** The finding about a node that does not answer. A process that has a database open here still counts as running. */
function nodeFinding(
  ofDatabase: readonly Finding[],
  { silence, held, dataDir }: { silence: Failure | undefined; held: readonly HeldDatabase[]; dataDir: string },
): Finding {
  const inUse = ofDatabase.find(({ code }) => code === 'databaseInUse');
  const [other] = held;
  const problem = inUse?.message ?? (other && `${other.holder} has the database ${other.path} open.`);
  if (problem === undefined) return ok('node', 'does not run');
  const finding = { check: 'node', state: 'failed', code: 'databaseInUse' } as const;
  // A process listens there.
  if (silence !== undefined && silence.code !== 'controlUnavailable') {
    const message = `runs, but does not answer: ${silence.message} ${problem}`;
    const advice =
      'It may be busy or stopped, or have used up its file descriptors: see its log, and /proc/PROCESS/fd.';
    return { ...finding, message, advice };
  }
  const message = `runs, but does not answer: ${other ? silentHolderText(other, dataDir) : problem}`;
  return { ...finding, message, advice: silentHolderAdvice };
}

/**
 * The node that answers has another NodeId than the configuration: a problem when the caller has named one of the two.
 */
function otherNodeFinding(
  { nodeId }: NodeStatus,
  { configuration, dataDir, options }: { configuration: Configuration; dataDir: string; options: PlaceOptions },
): Finding | undefined {
  if (nodeId === configuration.nodeId) return undefined;
  const isMeant = isNodeMeant(options) || 'nodeId' in options;
  return {
    check: 'node',
    state: isMeant ? 'failed' : 'warning',
    message: `Node ${nodeId} answers in ${dataDir}, but the configuration names ${configuration.nodeId}.`,
    advice: otherNodeAdvice(dataDir, configuration.nodeId),
    code: 'nodeIdMismatch',
  };
}

function* ofRunning(status: NodeStatus & { processId: number }): Generator<Finding> {
  const { nodeId, processId, state, host, port, store, impairment, lastFailure } = status;
  yield ok('node', `${nodeId} is ${state} at ${host}:${port} (process ${processId})`);
  if (impairment !== undefined) yield failure('database', new StatemeshError(impairment.code, impairment.message));
  else if (store !== undefined)
    yield ok(
      'database',
      `${counted(store.entries, 'entry', 'entries')}, ${bytes(store.fileBytes)}; stop the node to check every page`,
    );
  const isRecent = lastFailure !== undefined && isNews(lastFailure.atMs, now());
  if (isRecent && lastFailure.message !== impairment?.message) {
    yield {
      check: 'node',
      state: 'warning',
      message: `The last failure, ${agoText(lastFailure.atMs, now())}: ${clean(lastFailure.message)}`,
      code: lastFailure.code,
    };
  }
  const drift = driftText(status.clockAheadMs);
  if (drift !== undefined) {
    const advice = 'Synchronize it (NTP). Other nodes hold back entries stamped more than a minute ahead.';
    yield { check: 'clock', state: 'warning', message: `${drift}.`, advice };
  }
  yield* status.quarantined.map((document) => quarantineFinding(document, removal.running));
  yield* status.peers.map(peerFinding);
  for (const peer of status.peers) {
    const message = peerDriftText(peer, status.clockAheadMs);
    if (message === undefined) continue;
    yield { check: 'clock', state: 'warning', message: `${message}.`, advice: `Set the clock of ${peer.nodeId}.` };
  }
  for (const { nodeId: peer, state: gateway, lastFailure: why, ...link } of status.gateways) {
    const behind = behindText(link);
    if (gateway === 'online' && behind !== undefined) {
      yield { check: 'peers', state: 'warning', message: `cloud peer ${peer} ${behind}.`, advice: slowLinkAdvice };
      continue;
    }
    const isWell = gateway === 'online' || gateway === 'idle' || gateway === 'disabled';
    const reason = gateway === 'idle' ? idleReason(status) : isWell ? undefined : why && clean(why.message);
    const message = `cloud peer ${peer}: ${gateway}${reason === undefined ? '' : `: ${reason}`}`;
    yield { check: 'peers', state: isWell ? 'ok' : 'warning', message };
  }
  for (const text of refusalTexts(status.refusals, now())) {
    yield { check: 'refused', state: 'warning', message: text };
  }
  const short = descriptorText(status.descriptors);
  if (short === undefined) return;
  const advice = 'Raise the limit of the process: ulimit -n, or LimitNOFILE of systemd.';
  yield { check: 'descriptors', state: 'warning', message: `${short}.`, advice };
}

/** For a node that does not lead: only the leader knows the state of the connection to the cloud. */
function idleReason({ leadership }: NodeStatus): string | undefined {
  if (leadership === undefined || leadership.isLeader) return undefined;
  const { leaderId } = leadership;
  return leaderId === undefined ? 'no node leads' : `${leaderId} leads and connects, so run doctor there, too`;
}

function certificateFinding(found: CertificateFinding): Finding {
  const { field, path, state, daysLeft } = found;
  const check = 'certificate';
  const message = certificateWarning(found);
  if (message === undefined) return ok(check, `${path} (${field}) is good for ${counted(daysLeft, 'day')}`);
  if (state === 'expiring') return { check, state: 'warning', message, advice: renewal };
  const advice = state === 'expired' ? renewal : "Set this machine's clock, or use a certificate that is valid now.";
  return { check, state: 'failed', message, advice, code: 'certificateInvalid' };
}

const renewal = 'Renew the file in its place: the node reads it as soon as it changes.';
const slowLinkAdvice =
  'The entries arrive in the end, unless the network drops large packets. See what else uses the link, why it is slow, and whether the MTU is right.';

function peerFinding(peer: PeerStatus): Finding {
  const { nodeId, state, impairment, lastFailure, roundTripMs } = peer;
  if (state === 'connected' && impairment !== undefined) {
    const message = `${nodeId} is connected, but reports that its database is impaired (${impairment}).`;
    return { check: 'peers', state: 'warning', message, advice: 'Run `statemesh doctor` there.' };
  }
  const behind = behindText(peer);
  if (state === 'connected' && behind !== undefined) {
    return { check: 'peers', state: 'warning', message: `${nodeId} ${behind}.`, advice: slowLinkAdvice };
  }
  if (state === 'connected') {
    return ok('peers', `${nodeId} is connected${roundTripMs === undefined ? '' : ` (${roundTripMs.toFixed(1)} ms)`}`);
  }
  const why = lastFailure === undefined ? '' : `: ${clean(lastFailure.message)} (${agoText(lastFailure.atMs, now())})`;
  return {
    check: 'peers',
    state: 'warning',
    message: `${nodeId} is ${state}${why}`,
    advice: lastFailure === undefined || isSilence(lastFailure.code) ? unreachableAdvice : undefined,
  };
}

const unreachableAdvice = 'Is it running, and does no firewall block it?';

/** Failures that give no reason. */
function isSilence(code: ErrorCode): boolean {
  return code === 'connectionTimeout' || code === 'handshakeTimeout' || code === 'connectionLost';
}

function directoryFinding(dataDir: string): Finding {
  try {
    const status = statSync(dataDir);
    if (!status.isDirectory()) return unusable(`${dataDir} is not a directory.`, otherDirectory);
    accessSync(dataDir, constants.W_OK | constants.X_OK);
    const { mode } = status;
    if ((mode & 0o077) === 0) return ok('data directory', `${dataDir} can be written`);
    const message = `Other users can read ${dataDir}`;
    return { check: 'data directory', state: 'warning', message, advice: `Run chmod 700 ${dataDir}.` };
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT') return placeFinding(dataDir);
    const message = `${dataDir} cannot be written (${code}).`;
    return unusable(message, code === 'ENOTDIR' ? otherDirectory : 'Check its owner and permissions.');
  }
}

/** For a data directory that does not exist yet. */
function placeFinding(dataDir: string): Finding {
  let place = dirname(dataDir);
  while (!existsSync(place)) place = dirname(place);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return ok('data directory', `${dataDir} is created when the node starts`);
  } catch {
    return unusable(`${dataDir} cannot be created: ${place} is not writable.`, 'Check its owner and permissions.');
  }
}

const otherDirectory = 'Name another directory with --data-dir, or dataDir in the configuration.';

function unusable(message: string, advice: string): Finding {
  return { check: 'data directory', state: 'failed', message, advice, code: 'databaseUnavailable' };
}

function diskFinding(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(dataDir);
  const free = bavail * bsize;
  const message = `${bytes(free)} are free`;
  const advice = 'Make room: writes are refused when the disk is full; earlier writes are kept.';
  if (free < freeFailureBytes) return { check: 'disk', state: 'failed', message, advice, code: 'diskFull' };
  return free < freeWarningBytes ? { check: 'disk', state: 'warning', message, advice } : ok('disk', message);
}

async function* databaseFindings(
  path: string,
  { nodeId }: Configuration,
  isRepairing: boolean,
): AsyncGenerator<Finding> {
  if (!existsSync(path)) {
    yield ok('database', 'there is none yet');
    return;
  }
  try {
    const { entries, authors, latestMs, damages, malformed } = await examineDatabase({ path, nodeId });
    if (damages.length > 0) {
      const message = `${path} is damaged: ${damages.map(clean).join('; ')}.`;
      yield { check: 'database', state: 'failed', message, advice: damaged, code: 'databaseCorrupt' };
      return;
    }
    const size = `${counted(entries, 'entry', 'entries')} of ${counted(authors, 'author')}`;
    yield ok('database', `${size}; every page and every hash is right`);
    if (malformed.count > 0) {
      const message = `${malformedText(malformed)} cannot be read: ${placesOf(malformed)}.`;
      yield { check: 'documents', state: 'warning', message, advice: malformedAdvice };
    }
    const place = { dataDir: dirname(path), nodeId };
    if (isRepairing) yield* repaired(await repairDatabase(place));
    else yield* (await quarantinedIn(place)).map((document) => quarantineFinding(document, removal.atRest));
    const aheadMs = (latestMs ?? 0) - now();
    if (aheadMs <= clockDriftMaxMs) return;
    const message = `${path} has entries that are ${count(Math.round(aheadMs / 1_000))} s ahead of this machine's clock.`;
    const advice = "Set this machine's clock, or that of the node that wrote them.";
    yield { check: 'clock', state: 'warning', message, advice };
  } catch (error) {
    const finding = failure('database', error);
    yield finding.code === 'databaseCorrupt' ? { ...finding, advice: damaged } : finding;
  }
}

/** The node answers this itself: no other process can read a database that it has open. */
async function leftBehindOf(dataDir: string, { nodeId }: NodeStatus): Promise<Finding[]> {
  try {
    const found = (await callControl(controlSocketPath(dataDir), 'databasesLeftBehind')) as DatabaseLeftBehind[];
    return found.map((database) => leftBehindFinding(database, nodeId ?? ''));
  } catch (error) {
    return [failure('other databases', error)];
  }
}

async function leftBehindIn(dataDir: string, nodeId: string): Promise<Finding[]> {
  try {
    return (await databasesLeftBehind({ dataDir, nodeId })).map((database) => leftBehindFinding(database, nodeId));
  } catch (error) {
    return [failure('other databases', error)];
  }
}

function leftBehindFinding(database: DatabaseLeftBehind, nodeId: string): Finding {
  return { check: 'other databases', state: 'warning', ...leftBehindText(database, nodeId) };
}

/** What to do about a document in quarantine. */
const removal = {
  running:
    'It does no harm. Remove it with `statemesh remove-peer KEY`; the program that wrote it has a bug, or is hostile.',
  atRest: 'It does no harm. Remove it with `statemesh doctor --repair`, or with `statemesh remove-peer KEY --offline`.',
} as const;

function quarantineFinding(document: QuarantinedDocument, advice: string): Finding {
  return { check: 'quarantine', state: 'warning', message: quarantineText(document), advice };
}

function repaired(documents: readonly QuarantinedDocument[]): Finding[] {
  if (documents.length === 0) return [ok('repair', 'there was nothing to repair')];
  return documents.map((document) => ok('repair', `removed ${quarantineText(document)}`));
}

function refusal({ nodeId, processId }: NodeStatus & { processId: number }): Finding {
  const message = `Nothing was repaired: ${nodeId} runs (process ${processId}).`;
  const advice =
    'Stop it first, with `statemesh stop`; or remove documents by their key, with `statemesh remove-peer KEY`.';
  return { check: 'repair', state: 'failed', message, advice, code: 'databaseInUse' };
}

const damaged =
  'Put a backup back with `statemesh restore FILE`; or `statemesh restore --from-peers`, and the node fetches its documents from its peers.';

/** Every port that the node binds when it starts. */
async function* portFindings(configuration: Configuration): AsyncGenerator<Finding> {
  const { role, discovery, discoveryPort, lan, metricsPort, inspector } = configuration;
  yield await listeningFinding(configuration);
  if (discovery && role === 'member') {
    // Nodes share it; another program may use it exclusively.
    const host = lan ? '0.0.0.0' : '127.255.255.255';
    const code = await whyNotShared(host, discoveryPort);
    const advice = `Choose another with --discovery-port, the same on every node of the cluster.`;
    yield portFinding('discovery port', `${host}:${discoveryPort} (UDP)`, code, advice);
  }
  for (const [check, port, option] of [
    ['metrics port', metricsPort, '--metrics-port'],
    ['inspector port', inspector?.port, '--inspect'],
  ] as const) {
    if (port === undefined || port === 0) continue;
    const code = await whyNotBound('127.0.0.1', port);
    yield portFinding(
      check,
      `127.0.0.1:${port}`,
      code,
      `Choose another with ${option}, or let the system choose one with ${option} 0.`,
    );
  }
}

async function listeningFinding(configuration: Configuration): Promise<Finding> {
  const { port } = configuration;
  let host = listeningHost(configuration);
  let code = await whyNotBound(host, port);
  // A machine without IPv6, where a node listens on all interfaces of IPv4.
  if (configuration.host === undefined && host === '::' && code !== undefined && code !== 'EADDRINUSE') {
    host = '0.0.0.0';
    code = await whyNotBound(host, port);
  }
  if (code === undefined && port === 0) return ok('port', 'the system chooses one');
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return portFinding('port', address, code, adviceOn('portInUse') ?? '');
}

/** @param whenTaken What to do when another process has it */
function portFinding(check: string, address: string, code: string | undefined, whenTaken: string): Finding {
  if (code === undefined) return ok(check, `${address} is free`);
  const isTaken = code === 'EADDRINUSE';
  return {
    check,
    state: 'failed',
    message: `${address} ${isTaken ? 'is taken by another process' : `cannot be used (${code})`}.`,
    advice: isTaken ? whenTaken : 'Choose an address of this machine, and a port that this user may use.',
    code: isTaken ? 'portInUse' : 'addressUnavailable',
  };
}

/** The code of the system's error; undefined when the address can be bound. */
function whyNotBound(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'unknown'));
    server.listen(port, host, () => server.close(() => done(undefined)));
  });
}

/** The same for a UDP port that several processes may share. */
function whyNotShared(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      done(error.code ?? 'unknown');
    });
    socket.bind(port, host, () => socket.close(() => done(undefined)));
  });
}

function ok(check: string, message: string): Finding {
  return { check, state: 'ok', message };
}

function failure(check: string, error: unknown): Finding {
  const { code, message } = failureOf(error);
  return { check, state: 'failed', message, advice: adviceOn(code, { isStarting: true }), code };
}

const marks = { ok: ['green', '✓'], warning: ['yellow', '!'], failed: ['red', '✗'] } as const;

/** The advice that several findings in a row share stands after the last of them. */
function lineOf({ check, state, message, advice }: Finding, next?: Finding): string {
  const [color, mark] = marks[state];
  const line = `${paint(color, mark)} ${paint('bold', check)}: ${message}`;
  const isShared = next?.check === check && next.advice === advice && next.state !== 'ok';
  return advice === undefined || state === 'ok' || isShared ? line : `${line}\n    ${advice}`;
}
