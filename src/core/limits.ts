/**
 * Every bound in one place. Protocol constants are the same in every node, so they may refuse remote entries; anything
 * that a configuration can change binds local writes only, or replicas would differ for ever.
 */
export const limits = {
  // Names and documents
  nodeIdLengthMax: 64,
  collectionNameLengthMax: 128,
  keyLengthMax: 512,
  documentBytesMax: 4 * 1024 * 1024,
  documentDepthMax: 100,
  /** Of ids that are drawn at random: boots and incarnations. */
  tokenIdLengthMax: 32,
  /** SHA-256 as base64url. */
  hashLengthMax: 43,
  fieldPathLengthMax: 256,

  // Queries
  queryDepthMax: 16,
  queryConditionsMax: 256,
  indexesPerCollectionMax: 32,
  /** Of the result of one `find`, in characters: what is more is streamed. */
  findBytesMax: 16 * 1024 * 1024,
  /** Of documents or changes that are read at once, in characters; one that is larger comes alone. */
  pageBytesMax: 256 * 1024,
  /** The same for documents however small, since whoever reads them handles a page in one turn of the event loop. */
  pageDocumentsMax: 500,

  // Local writes
  writesQueuedMax: 100_000,
  /** About 12 ms: longer ones would keep peers and other callers waiting. */
  writesPerTransactionMax: 500,
  changesPageEntriesMax: 256,

  // The lock of a database
  /** Others may take it and let it go meanwhile. */
  lockAttemptsMax: 20,
  /** A thread asks whether the holder lives: longer, and it counts as living. */
  lockProbeTimeoutMs: 5_000,

  // Other databases in a data directory
  leftBehindFilesMax: 64,
  /** Whose entries are counted in one, and up to how many: enough to tell that it matters, in some 50 ms. */
  leftBehindAuthorsMax: 2_000,
  leftBehindEntriesMax: 100_000,

  // Health of the database
  storeCheckIntervalMs: 1_000,
  /** A database into which nothing was written for so long is tried, so that an idle node notices a disk that fails. */
  storeIdleTrialMs: 30_000,
  /** An impaired database that came back is sound after so long without a failure: doubled with each time. */
  storeCalmFirstMs: 1_000,
  storeCalmMaxMs: 60_000,

  // Time
  clockDriftMaxMs: 60_000,

  // Documents of statemesh itself
  /** Of the text of a stored peer: a longer one is none, and is not read. */
  remotePeerLengthMax: 512 * 1024,
  /** Documents that cannot be used are listed up to so many. */
  quarantinedMax: 100,

  // Reconfiguration
  reconfigurationsWaitingMax: 1_000,
  /** After sealing again has failed, for want of room on the disk perhaps. */
  resealRetryMs: 5_000,
  /** Of a configuration as text. */
  configurationBytesMax: 1024 * 1024,
  /** Cluster keys beside the one in use. */
  acceptedKeysMax: 3,
  /** Both listeners accept for so long: who was about to dial the old port may still. */
  rebindOverlapMs: 100,

  // Frames
  /** The longest of any type; what each type has at most follows from what its fields may hold. */
  frameBytesMax: 16 * 1024 * 1024,
  frameBytesBeforeAdmissionMax: 16 * 1024,
  /** Fields of other implementations or later versions in one frame, which are skipped. */
  unknownFieldsMax: 64,
  /** Of a code and of the text that tells the other side why it is refused, in characters. */
  refusalCodeLengthMax: 64,
  refusalTextLengthMax: 500,
  sendQueueBytesMax: 64 * 1024 * 1024,

  // Own database
  /** A batch that could not be written, or a reading that failed for a reason of the disk, is tried again. */
  diskBackoffFirstMs: 100,
  /** Less than half of `applyPatienceMs`: the other side hears of each attempt, and waits on. */
  diskBackoffMaxMs: 4_000,

  // Receiving
  /** Of the event loop, for the frames of all connections together: then everything else has its turn. */
  readingPerTurnMs: 10,
  framesPerTurnMax: 500,
  /** Of frames that are not complete and batches that are not on disk, over all sessions. */
  receiveBytesMax: 48 * 1024 * 1024,
  /** Of one session: from here on it is read when its batches are on disk. */
  receiveBytesPerSessionMax: 8 * 1024 * 1024,
  /** Every session has so much, whatever others hold: an ordinary batch. */
  receiveBytesGranted: 512 * 1024,
  /** While the budget is used up, one that does not move is given up each time. */
  receivePatienceMs: 2_000,

  // Batches
  batchEntriesMax: 500,
  batchBytesMax: 256 * 1024,
  batchesInFlightMax: 4,
  /** More would save little and block the event loop longer: two are about 20 ms. */
  batchesPerTransactionMax: 2,
  /** What a receiver takes in one batch: one entry may exceed `batchBytesMax`, and always travels alone. */
  batchRunsMax: 500,

  // Links: see `core/link-rate.ts`
  /** Bytes that may be on their way before anything was measured: 4 s of the slowest link. */
  windowBytesFirst: 16 * 1024,
  windowBytesMin: 4 * 1024,
  windowBytesMax: 8 * 1024 * 1024,
  /** How long what is written may wait in buffers, beyond the round trip, behind what can wait itself. */
  queueMsMax: 1_000,
  /** Large documents travel in parts. */
  partBytesMin: 1_024,
  partBytesMax: 64 * 1024,
  /** The longest payload in UTF-8. */
  parcelBytesMax: 4 * 1024 * 1024,
  /** Of documents whose sessions broke: a node keeps so many bytes of them, to go on from there. */
  parcelsKeptBytesMax: 16 * 1024 * 1024,
  /** Less is not worth asking whether it has arrived. */
  askBytesMin: 2 * 1024,
  asksMax: 16,
  /** A shortest round trip that is so old is measured again. */
  roundTripExpiresMs: 30_000,
  /** Nothing of what is on its way has arrived: a connection counts as dead after so long at the earliest, and at the latest. */
  stallPatienceMinMs: 30_000,
  stallPatienceMaxMs: 600_000,
  /** A batch has arrived, and is not on the disk there. */
  applyPatienceMs: 300_000,

  // Sessions
  /** A round trip of 5 s, a large token over the slowest link, and its verification. */
  handshakeTimeoutMs: 20_000,
  /** TCP, TLS and a WebSocket: three round trips of 5 s. */
  dialTimeoutMs: 20_000,
  /** Sockets that dials open in one turn of the event loop: some 3 ms. */
  dialsPerTurnMax: 8,
  /** A vector clock of 10,000 authors over the slowest link. */
  comparingTimeoutMs: 300_000,
  heartbeatsMissedMax: 3,
  heartbeatIntervalMaxMs: 60_000,
  /** Of how many heartbeats on their way it is known when they were sent, to measure the round trip by their echo. */
  beatsRememberedMax: 64,
  /** Two round trips of the longest way: the other side may beat so much later than we. */
  firstBeatMs: 10_000,
  /** And two round trips. */
  duplicateProbeMs: 1_000,
  /** A WebSocket carries the stream in messages of this size at most, so little is held of one that is not complete. */
  webSocketMessageBytesMax: 64 * 1024,
  connectionsMax: 256,
  connectionsPerAddressMax: 128,
  /** Of a cloud node, from all addresses or from one: a whole site may be behind one, or all of them behind a balancer. */
  guestsMax: 4_096,
  /** Whoever is the parent of sessions copies the list of them when one comes or goes: 64 wards of 64 have room for all guests. */
  wardSessionsMax: 64,
  /** Beyond them, one makes way for each newcomer: enough that a handshake ends while 400 strangers a second come in. */
  unauthenticatedMax: 512,
  /** File descriptors that a listener leaves to the control socket, the metrics and the database. */
  descriptorsReserved: 32,
  /** Lines of the log that a node keeps in memory, for those who ask for them. */
  logLinesMax: 1_000,
  /** Characters of them. */
  logCharactersMax: 512 * 1024,
  /** Characters of one of them. */
  logLineLengthMax: 2_000,
  /** Lines of one kind, by what happened and why, that are logged in a window. What comes beyond is counted, and logged at level debug. */
  logRepeatsMax: 100,
  logWindowMs: 60_000,
  /** How long a refused connection is news: it is warned of once in this time, and `doctor` tells of it. */
  refusalNewsMs: 3_600_000,
  /** Addresses of which a refusal is remembered, so that it is warned of once. */
  refusalsRememberedMax: 1_000,
  /** Addresses of known peers, for which a listener keeps places. */
  addressesKnownMax: 4_096,
  peersMax: 256,
  /** What fits in a frame: a clock that grew honestly must never be refused. */
  authorsPerClockMax: 100_000,
  /** Authors whom a session remembers on the word of the other side alone: some 250 bytes each. */
  authorsOnTrustMax: 1_000,

  // Backoff
  backoffFirstMs: 100,
  /** So soon a node is met again when nothing but time shows that it is back. */
  backoffMaxMs: 10_000,
  /** Between attempts to reach a cloud node: many clusters may have lost it at once. */
  gatewayBackoffMaxMs: 30_000,
  /** Between attempts to reach a peer when there are signs of it: its beacons, or that others have sessions with it. */
  stirredBackoffMaxMs: 1_000,
  refusedBackoffFirstMs: 5_000,
  refusedBackoffMaxMs: 300_000,
  gapBackoffFirstMs: 100,
  gapBackoffMaxMs: 10_000,

  // Discovery
  beaconBytesMax: 1_024,
  beaconsPerSecondMax: 500,
  beaconGoneMs: 15_000,
  /** Of one peer, as its beacons tell: one for each network that both are on. */
  addressesPerPeerMax: 8,
  /** So often at most a peer is reported that goes on announcing itself. */
  heardAgainMs: 1_000,

  // Election
  candidacyMs: 500,
  stableFirstMs: 2_000,
  stableMaxMs: 60_000,
  /** A leader does not step down for a node that it has heard for less. Shorter than `stableFirstMs`, so no claim waits for it. */
  hearingSteadyMs: 1_500,
  /** Of one NodeId: more than one only after restarts, or when two processes use it. */
  bootsRememberedMax: 4,
  /** News goes out that soon, and that often at most, besides the regular heartbeats. */
  promptBeatMs: 50,

  // Cloud
  /** TCP, TLS, the question and its answer: three round trips of 5 s, and as much again. */
  httpTimeoutMs: 30_000,
  httpBodyBytesMax: 1024 * 1024,
  /** Answers with a status of 1xx before the real one: without end, they would keep everybody else waiting. */
  httpInterimMax: 16,
  /** Access tokens are a few KiB; they travel before the other side is known. */
  tokenLengthMax: 8 * 1024,
  tokenRefreshShare: 0.8,
  /** The share of the lifetime by which a refresh may come earlier. */
  tokenRefreshJitter: 0.1,
  /** A token, a connection and a handshake, with round trips of 5 s. */
  probeTimeoutMs: 90_000,
  /** Shorter than the handshake's timeout by a long round trip, so that the other side hears why. */
  tokenVerificationTimeoutMs: 12_000,
  /** When a renewal could not be verified, for a reason that is not the token's: the present token goes on for so long. */
  tokenRenewalRetryMs: 5_000,
  tokenClockToleranceMs: 30_000,
  /** Of an authority's URL, a client's id or secret, a scope, an audience. */
  oAuth2TextLengthMax: 2_048,
  scopesMax: 64,
  /** Of a cloud node: where each cluster has an audience of its own, as with Amazon Cognito. */
  audiencesMax: 1_000,
  gatewaysMax: 32,
  /** However long an authority says that it wants to be left alone. */
  retryAfterMaxMs: 600_000,
  /** After failures in a row; the first wait is shorter. */
  authorityBackoffMaxMs: 30_000,
  secretVariablesMax: 64,
  authorityOriginsMax: 16,
  probeFirstMs: 30_000,
  probeMaxMs: 600_000,

  // Audit log
  /** Lines that are alike, in a window. */
  auditRepeatsMax: 5,
  auditWindowMs: 60_000,
  /** Kinds of lines that are told apart at a time. */
  auditKeysMax: 1_000,

  // Watching
  /** Streams that wait for a commit. */
  watchersMax: 1_000,
} as const;
