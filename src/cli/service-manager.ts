/**
 * Reports the node's state to systemd: sd_notify(3). It runs systemd's own program, because Node.js has no Unix
 * datagram sockets.
 *
 * Invariant: the node does not depend on it. A failed report is a warning, and the node continues.
 */
import { spawn } from 'node:child_process';
import { systemCodeOf } from '../control/protocol.js';
import { variable } from './configuration-file.js';

export interface ServiceManager {
  ready(status: string): void;
  stopping(): void;
}

const program = 'systemd-notify';
const nobody: ServiceManager = { ready() {}, stopping() {} };

/** @param isTold Whether `--daemon-ready` was given */
export function serviceManager(isTold: boolean, warn: (message: string) => void): ServiceManager {
  if (!isTold) return nobody;
  if (variable('NOTIFY_SOCKET') === undefined) {
    warn(
      '--daemon-ready: NOTIFY_SOCKET is not set, so no service manager listens. In a systemd unit, use Type=notify.',
    );
    return nobody;
  }
  const tell = (...args: string[]): void => {
    const child = spawn(program, [`--pid=${process.pid}`, ...args], { stdio: 'ignore' });
    child.once('error', (error) => warn(`--daemon-ready: ${program} cannot be run (${systemCodeOf(error)}).`));
    child.once('exit', (code) => {
      if (code !== 0) warn(`--daemon-ready: ${program} ended with ${code}.`);
    });
    child.unref();
  };
  return {
    ready: (status) => tell('READY=1', `STATUS=${status}`),
    stopping: () => tell('STOPPING=1'),
  };
}
