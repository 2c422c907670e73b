/** What the control socket can ask of a node. */
import type { StatemeshNode } from './node.js';
import type { ControlCommands } from './protocol/control.js';

export function controlCommands(node: StatemeshNode): ControlCommands {
  return {
    status: () => node.status(),
  };
}
