/**
 * Fields of a configuration whose values are never shown, and never given on a command line, which every user of the
 * machine can read.
 */
export const secretFields: ReadonlySet<string> = new Set([
  ...['clusterKey', 'acceptedClusterKeys', 'initialRemotePeers'],
  // The address of a collector admits anyone who has it.
  'inspector',
]);
