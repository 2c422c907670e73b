/**
 * What `statemesh start` does.
 *
 * Invariants: standard output has the greeting or, with --json, one event per line; logs go to standard error. A node
 * that is reported as running answers on its control socket. The first signal ends the node gracefully and in bounded
 * time, the second at once.
 */

import { callControl } from '../control/client.js';
import { controlSocketPath, failureOf, StatemeshError } from '../control/protocol.js';
import { type Logger, RecentLog } from '../control/recent-log.js';
import {
  type Configuration,
  createNode,
  examineCertificates,
  type NodeStatus,
  parseConfiguration,
  type StatemeshNode,
} from '../index.js';
import { later, now, poll } from './ambient.js';
import { dataDirOf } from './configuration-file.js';
import { configurationSource } from './configuration-source.js';
import { exitCodes } from './exit-codes.js';
import { reportFailure } from './failures.js';
import { endByHangUp } from './hang-up.js';
import { createAuditLog, createLogger } from './logger.js';
import { addressText, list, paint, print, printJson } from './output.js';
import { serviceManager } from './service-manager.js';
import { securityText } from './status.js';
import { certificateWarning, leftBehindText } from './troubles.js';
import { warningsOn } from './warnings.js';

export interface StartOptions extends Record<string, unknown> {
  readonly config?: string;
  readonly configUrl?: string;
  readonly json?: boolean;
  readonly daemonReady?: boolean;
  readonly auditLog?: string;
  readonly inspectUrl?: boolean;
}

/** After this time, a node that has not stopped is left as it is: what it has acknowledged is on disk. */
const stopDeadlineMs = 1_800;
/** Two signals at once, as a shell and its script may send, count as one. */
const secondSignalAfterMs = 100;
/** How often, and how many times, `start` checks whether the control socket answers. */
const controlPollMs = 10;
const controlAttemptsMax = 1_000;
/** The request carries no secret. */
const ownSocket = { isUntrusted: true };

export async function start(options: StartOptions): Promise<number> {
  const { json = false } = options;
  let lastFailure = (): string | undefined => undefined;
  try {
    const source = configurationSource(options);
    const checked = parseConfiguration(await source.provider.getConfiguration());
    const { configuration } = checked;
    const target = await createLogger(configuration.logLevel);
    const logger = new RecentLog(
      withoutLast(target, (message) => message === lastFailure()),
      now,
      { isRead: process.stderr.isTTY },
    );
    for (const warning of warningsOn({ ...checked, ...source })) logger.warn({}, warning);
    const auditLog = options.auditLog === undefined ? undefined : createAuditLog(options.auditLog);
    const node = createNode(source.provider, { logger, auditLogger: auditLog?.logger ?? logger });
    lastFailure = () => node.actor.getSnapshot().context.failure?.message;
    const warn = (message: string): void => logger.warn({}, message);
    warnOfCertificates(() => node.actor.getSnapshot().context.configured?.configuration ?? configuration, warn);
    const manager = serviceManager(options.daemonReady === true, warn);
    const reload = (): void => {
      source.reload();
      // Certificates, which may have changed under the same names.
      void node.reconfigure({}).catch(() => {});
      auditLog?.reopen();
    };
    const stopping = stopOnSignals(node, { warn, reload, asked: () => manager.stopping() });
    await running(node, configuration, stopping);
    if (!stopping.isAsked) manager.ready(`Node ${configuration.nodeId} serves.`);
    if (!stopping.isAsked) await announce(node, configuration, options);
    warnOfLeftBehind(node, warn);
    await ended(node);
    if (json) printJson({ event: 'stopped' });
    return exitCodes.ok;
  } catch (error) {
    if (!json) return reportFailure(error, { isStarting: true });
    printJson({ event: 'failed', ...failureOf(error) });
    return reportFailure(error, { isStarting: true, json });
  }
}

/** A log without the failure that ends the process: the command prints that one at its end. */
function withoutLast(target: Logger, isLast: (message: string) => boolean): Logger {
  return {
    debug: (fields, message) => target.debug(fields, message),
    info: (fields, message) => target.info(fields, message),
    warn: (fields, message) => target.warn(fields, message),
    error: (fields, message) => {
      if (!isLast(message)) target.error(fields, message);
    },
    get level() {
      return target.level ?? 'info';
    },
    set level(level) {
      target.level = level;
    },
  };
}

const dayMs = 24 * 3_600_000;

/** Now, and every day: a node runs for longer than a certificate is valid. */
function warnOfCertificates(
  inForce: () => Pick<Configuration, 'tlsCert' | 'ca'>,
  warn: (message: string) => void,
): void {
  void examineCertificates(inForce(), now()).then((findings) => {
    for (const message of findings.map(certificateWarning)) if (message !== undefined) warn(message);
  });
  later(dayMs, () => warnOfCertificates(inForce, warn));
}

/** Once, and in the background: the node serves already. */
function warnOfLeftBehind(node: StatemeshNode, warn: (message: string) => void): void {
  const tell = async (): Promise<void> => {
    const { nodeId } = await node.status();
    for (const database of await node.databasesLeftBehind()) {
      const { message, advice } = leftBehindText(database, nodeId ?? '');
      warn(`${message} ${advice}`);
    }
  };
  // The node may have been stopped meanwhile.
  tell().catch(() => {});
}

interface Stopping {
  /** Whether a signal has asked the node to stop. */
  isAsked: boolean;
}

interface SignalOptions {
  warn(message: string): void;
  /** Reads the configuration again. */
  reload(): void;
  /** Called when a signal asks for the end. */
  asked(): void;
}

function stopOnSignals(node: StatemeshNode, { warn, reload, asked }: SignalOptions): Stopping {
  const stopping: Stopping = { isAsked: false };
  let isPatient = true;
  const hear = (exitCode: number) => () => {
    if (stopping.isAsked) {
      if (!isPatient) process.exit(exitCode);
      return;
    }
    stopping.isAsked = true;
    asked();
    void node.stop();
    later(secondSignalAfterMs, () => {
      isPatient = false;
    });
    later(stopDeadlineMs, () => {
      warn('The node did not stop in time and is left as it is; what it has acknowledged is on disk.');
      process.exit(exitCodes.failed);
    });
  };
  process.on('SIGINT', hear(exitCodes.interrupted));
  process.on('SIGTERM', hear(exitCodes.terminated));
  // With a terminal, SIGHUP means that the terminal was closed; without one, it traditionally makes a daemon read its
  // configuration again.
  const isInTerminal = process.stdin.isTTY || process.stdout.isTTY;
  const stop = hear(129);
  const leave = (): void => {
    endByHangUp();
    stop();
  };
  process.on('SIGHUP', isInTerminal ? leave : reload);
  return stopping;
}

/** Resolves when the node runs and its control socket answers, or when it was asked to stop before. */
async function running(
  node: StatemeshNode,
  { control, dataDir }: { control: boolean; dataDir: string },
  stopping: Stopping,
): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    if (stopping.isAsked) return;
    throw error;
  }
  if (!control) return;
  const look = async (): Promise<true | undefined> => {
    if (node.state !== 'running') return true;
    // The answer may come from another node of the same data directory; then this node fails.
    return (await answers(dataDir)) || undefined;
  };
  if ((await poll(look, { intervalMs: controlPollMs, attemptsMax: controlAttemptsMax })) === undefined) {
    throw new StatemeshError('controlUnavailable', `The control socket in ${dataDir} does not answer.`);
  }
}

async function answers(dataDir: string): Promise<boolean> {
  try {
    const status = (await callControl(controlSocketPath(dataDir), 'status', undefined, ownSocket)) as {
      processId: number;
    };
    return status.processId === process.pid;
  } catch {
    return false;
  }
}

async function announce(
  node: StatemeshNode,
  { dataDir }: { dataDir: string },
  { json = false, inspectUrl: isUrlAsked = false }: StartOptions,
): Promise<void> {
  if (node.state !== 'running') return;
  const { nodeId, host, port, security, store, inspectorUrl } = await inspected(node);
  if (json) {
    const shown = isUrlAsked ? { inspectorUrl } : {};
    printJson({ event: 'running', nodeId, host, port, dataDir, processId: process.pid, ...shown });
    return;
  }
  const status = `statemesh status${dataDirOf({}) === dataDir ? '' : ` --data-dir ${dataDir}`}`;
  const watch = (url: string): [string, string] =>
    // A file or a journal keeps the output, and other users may read it.
    process.stdout.isTTY || isUrlAsked
      ? ['  watch it', url]
      : ['  watch it', `${new URL(url).origin}, with the token that \`${status} --inspect-url\` shows`];
  print(paint('green', `Node ${nodeId} is running.${process.stdout.isTTY ? ' Ctrl-C stops it.' : ''}`));
  print(
    list([
      ['  address', `${addressText(host, port)}${host?.startsWith('127.') ? ' (this machine only)' : ''}`],
      ['  database', `${store?.path}`],
      ['  security', securityText({ security })],
      ...(inspectorUrl === undefined ? [] : [watch(inspectorUrl)]),
      ['  talk to it', status],
    ]),
  );
}

/** The status, with the address of the inspector's page once that is open; if the inspector fails, the log says so. */
async function inspected(node: StatemeshNode): Promise<NodeStatus> {
  const { configured } = node.actor.getSnapshot().context;
  const isAwaited = configured?.configuration.inspector?.port !== undefined;
  const look = async (): Promise<NodeStatus | undefined> => {
    const status = await node.status();
    const isDecided = status.inspectorUrl !== undefined || status.lastFailure !== undefined;
    return isAwaited && !isDecided && node.state === 'running' ? undefined : status;
  };
  return (await poll(look, { intervalMs: controlPollMs, attemptsMax: controlAttemptsMax })) ?? (await node.status());
}

/**
 * Resolves when the node has stopped and has nothing open.
 *
 * @throws StatemeshError when it failed
 */
async function ended(node: StatemeshNode): Promise<void> {
  await new Promise<void>((resolve) => {
    if (node.actor.getSnapshot().status !== 'active') resolve();
    else node.actor.subscribe({ complete: resolve, error: () => resolve() });
  });
  await node.stop();
  const { failure } = node.actor.getSnapshot().context;
  if (failure !== undefined) throw new StatemeshError(failure.code, failure.message);
}
