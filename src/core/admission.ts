/**
 * How many connections a node takes at once: in all and from one address, and of those who have not proved yet who they are far fewer,
 * so that one machine that means ill, or is broken, keeps neither all places nor all handshakes.
 */
import type { Failure } from './errors.js';

/** How many connections there may be: in all, from one address, and of those who have not proved who they are. */
export interface ConnectionLimits {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly unauthenticatedMax: number;
  readonly unauthenticatedPerAddressMax: number;
}

/** A connection that is open. */
export interface Present {
  /** The address of the other side, without its port. */
  readonly host: string;
  readonly isAuthenticated: boolean;
}

/** The limit that one more connection from a host would exceed. */
export function exceededLimit(limits: ConnectionLimits, host: string, present: Iterable<Present>): Failure | undefined {
  let [all, near, strangers, nearStrangers] = [0, 0, 0, 0];
  for (const { host: other, isAuthenticated } of present) {
    all += 1;
    if (other === host) near += 1;
    if (isAuthenticated) continue;
    strangers += 1;
    if (other === host) nearStrangers += 1;
  }
  const { connectionsMax, connectionsPerAddressMax, unauthenticatedMax, unauthenticatedPerAddressMax } = limits;
  if (all >= connectionsMax) return exceeded(`all ${connectionsMax} connections are in use`);
  if (near >= connectionsPerAddressMax) return exceeded(`${near} connections come from ${host} already`);
  if (strangers >= unauthenticatedMax) return exceeded(`${strangers} connections are in the handshake already`);
  if (nearStrangers >= unauthenticatedPerAddressMax) {
    return exceeded(`${nearStrangers} connections from ${host} are in the handshake already`);
  }
  return undefined;
}

function exceeded(reason: string): Failure {
  return { code: 'connectionLimit', message: `The node takes no more connections: ${reason}.` };
}
