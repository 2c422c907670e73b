/** The fields of a configuration whose values are never on a command line, where every user of the machine can read them, and never shown. */
export const secretFields: ReadonlySet<string> = new Set([
  ...['clusterKey', 'acceptedClusterKeys', 'initialRemotePeers'],
  // The address of a collector lets in whoever has it.
  'inspector',
]);
