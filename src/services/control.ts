/** The control socket. */
import { type EventObject, fromCallback } from 'xstate';
import type { Configuration } from '../protocol/configuration.js';
import type { ControlCommands } from '../protocol/control.js';
import type { Mailbox } from '../protocol/events.js';
import type { ControlReport } from '../protocol/services.js';

export function createControl(_commands: () => ControlCommands) {
  return fromCallback<EventObject, { configuration: Configuration; parent: Mailbox<ControlReport> }>(() => {});
}
