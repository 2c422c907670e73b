/** What a status tells of the parts of a node, as lists: metrics name every state, also those that nothing is in. */

export const peerStates = ['idle', 'dialing', 'connected', 'diverged', 'backingOff', 'refused'] as const;
/** The state of a connection with a peer. */
export type PeerState = (typeof peerStates)[number];

export const gatewayStates = [
  'disabled',
  'idle',
  'authorizing',
  'connecting',
  'online',
  'backingOff',
  'rejected',
] as const;
/** Only the gateways of the leader leave `idle`. */
export type GatewayState = (typeof gatewayStates)[number];
