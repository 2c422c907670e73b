/** The states of peers and gateways, as lists: metrics name every state, also one that no peer or gateway is in. */

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
/** Only the gateways of the leader leave `idle`, except to test whether this node reaches the cloud. */
export type GatewayState = (typeof gatewayStates)[number];
