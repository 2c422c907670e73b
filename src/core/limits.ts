/**
 * Every bound in one place. A protocol constant is the same in every node, so it may refuse remote entries. A limit
 * that a configuration can change binds local writes only; otherwise replicas would differ forever.
 */
export const limits = {
  // Names and documents
  nodeIdLengthMax: 64,
  collectionNameLengthMax: 128,
  keyLengthMax: 512,
  documentBytesMax: 4 * 1024 * 1024,
  documentDepthMax: 100,
  /** Maximum length of random ids: boots and incarnations. */
  tokenIdLengthMax: 32,
  /** SHA-256 as base64url. */
  hashLengthMax: 43,
  fieldPathLengthMax: 256,

  // Queries
  queryDepthMax: 16,
  queryConditionsMax: 256,
  indexesPerCollectionMax: 32,
  /** Maximum length of a pattern of `$like`. SQLite accepts 50,000 bytes, and a character has up to four. */
  likeLengthMax: 12_000,
  /** Maximum size of the result of one `find`, in characters. Larger results must be streamed. */
  findBytesMax: 16 * 1024 * 1024,
  /** Maximum of documents or changes read at once, in characters. A larger one comes alone. */
  pageBytesMax: 256 * 1024,
  /** Maximum of documents per page, however small: a reader handles a page in one turn of the event loop. */
  pageDocumentsMax: 500,
  /** Maximum of documents that a query looks at in one turn of the event loop, when it looks into them. */
  scanDocumentsMax: 500,
  /** The same when it needs their keys only. */
  scanKeysMax: 5_000,
  /** Maximum of text that a query looks at in one turn, in characters. A larger document comes alone. */
  scanBytesMax: 1024 * 1024,
  /**
   * Maximum of documents that may change while a query looks at a collection; when there are more, it looks at the rest
   * at once.
   */
  scanChangesMax: 20_000,

  // Local writes
  writesQueuedMax: 100_000,
  /** About 12 ms. A longer transaction would keep peers and other callers waiting. */
  writesPerTransactionMax: 500,
  changesPageEntriesMax: 256,

  // The lock of a database
  /** Number of attempts to take the lock, because other processes may take and release it in between. */
  lockAttemptsMax: 20,
  /** How long a thread probes whether the holder of the lock lives. After that, the holder counts as living. */
  lockProbeTimeoutMs: 5_000,

  // Files
  /** How much of the disk the log of a database may keep after a large transaction. */
  walBytesKept: 64 * 1024 * 1024,
  /** Maximum size of a certificate file. A file of all authorities that a system trusts is a quarter of this. */
  pemFileBytesMax: 1024 * 1024,

  // Other databases in a data directory
  leftBehindFilesMax: 64,
  /**
   * How many authors of one such database are counted, and how many entries: enough to tell that the database matters,
   * within some 50 ms.
   */
  leftBehindAuthorsMax: 2_000,
  leftBehindEntriesMax: 100_000,

  // Health of the database
  storeCheckIntervalMs: 1_000,
  /**
   * After this long without a write, a trial write checks the database, so that an idle node notices a failing disk.
   */
  storeIdleTrialMs: 30_000,
  /**
   * How long a recovered database must work without a failure before it counts as sound. Doubles with each impairment.
   */
  storeCalmFirstMs: 1_000,
  storeCalmMaxMs: 60_000,

  // Time
  clockDriftMaxMs: 60_000,

  // Documents of statemesh itself
  /** Maximum of malformed documents that a command names; it counts the others. */
  malformedExamplesMax: 3,
  /** Maximum length of the text of a stored peer. A longer text counts as malformed and is not read. */
  remotePeerLengthMax: 512 * 1024,
  /** How many unusable documents are listed. */
  quarantinedMax: 100,

  // Reconfiguration
  reconfigurationsWaitingMax: 1_000,
  /** Wait before the next attempt after resealing has failed, for example because the disk is full. */
  resealRetryMs: 5_000,
  /** Maximum size of a configuration as text. */
  configurationBytesMax: 1024 * 1024,
  /** Maximum of cluster keys besides the one in use. */
  acceptedKeysMax: 3,
  /** How long both listeners accept after a rebind, so that a peer already dialing the old port still gets in. */
  rebindOverlapMs: 100,

  // Frames
  /** The longest frame of any type. The maximum of each type follows from what its fields may hold. */
  frameBytesMax: 16 * 1024 * 1024,
  frameBytesBeforeAdmissionMax: 16 * 1024,
  /** Maximum of unknown fields in one frame, from other implementations or later versions. They are skipped. */
  unknownFieldsMax: 64,
  /** Maximum length of a code, and of the text that tells the other side why it is refused, in characters. */
  refusalCodeLengthMax: 64,
  refusalTextLengthMax: 500,
  sendQueueBytesMax: 64 * 1024 * 1024,
  /** From here on, a writer waits: enough to keep a fast link busy, and little to lose when the link breaks. */
  sendQueueHighBytes: 256 * 1024,

  // Own database
  /** First wait before a retry of a batch that could not be written, or of a read that failed because of the disk. */
  diskBackoffFirstMs: 100,
  /** Less than half of `applyPatienceMs`: the other side hears of each attempt and keeps waiting. */
  diskBackoffMaxMs: 4_000,

  // Receiving
  /** Time in one turn of the event loop for the frames of all connections together; then other work has its turn. */
  readingPerTurnMs: 10,
  framesPerTurnMax: 500,
  /**
   * A connection with a frame that takes this long rests as long afterwards; with one of half the time, a quarter of
   * it.
   */
  readingHeavyMs: 100,
  /** The longest rest after one frame. */
  readingRestMaxMs: 5_000,
  /** Maximum of incomplete frames and of batches that are not yet on disk, over all sessions. */
  receiveBytesMax: 48 * 1024 * 1024,
  /** The same maximum for one session. Beyond it, the session is read again once its batches are on disk. */
  receiveBytesPerSessionMax: 8 * 1024 * 1024,
  /** Every session may hold this much, however much other sessions hold: one ordinary batch. */
  receiveBytesGranted: 512 * 1024,
  /** While the budget is used up, one session that makes no progress is given up at each of these intervals. */
  receivePatienceMs: 2_000,

  // Batches
  batchEntriesMax: 500,
  batchBytesMax: 256 * 1024,
  batchesInFlightMax: 4,
  /** A larger value would save little and block the event loop longer: two batches take about 20 ms. */
  batchesPerTransactionMax: 2,
  /** Maximum of runs that a receiver accepts in one batch. An entry may exceed `batchBytesMax`; it travels alone. */
  batchRunsMax: 500,

  // Links: see `core/link-rate.ts`
  /** Bytes that may be in flight before anything is measured: 4 s of the slowest link. */
  windowBytesFirst: 16 * 1024,
  windowBytesMin: 4 * 1024,
  windowBytesMax: 8 * 1024 * 1024,
  /** How long urgent data may wait in buffers behind bulk data, beyond the round trip. */
  queueMsMax: 1_000,
  /** The size of the parts in which large documents travel. */
  partBytesMin: 1_024,
  partBytesMax: 64 * 1024,
  /** The longest payload in UTF-8. */
  parcelBytesMax: 4 * 1024 * 1024,
  /** How many bytes of partly received documents a node keeps after their sessions broke, to resume from there. */
  parcelsKeptBytesMax: 16 * 1024 * 1024,
  /** With fewer bytes written, asking how far the other side has come is not worth it. */
  askBytesMin: 2 * 1024,
  asksMax: 16,
  /** A shortest round trip of this age is measured again. */
  roundTripExpiresMs: 30_000,
  /** How long nothing in flight may arrive before a connection counts as dead: the smallest and the largest value. */
  stallPatienceMinMs: 30_000,
  stallPatienceMaxMs: 600_000,
  /** How long a batch that has arrived may take to reach the disk of the other side. */
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
  /** How long a part that stops waits for its sessions to say goodbye, ms. */
  leavingTimeoutMs: 2_000,
  /** How long the send queue of an ended connection may stand still. While it shrinks, it may take longer. */
  lingerMs: 2_000,
  heartbeatsMissedMax: 3,
  heartbeatIntervalMaxMs: 60_000,
  /** How many heartbeats in flight have their time of sending remembered, to measure the round trip by their echo. */
  beatsRememberedMax: 64,
  /** Two round trips of the longest path: the first heartbeat of the other side may come this much later than ours. */
  firstBeatMs: 10_000,
  /** How long a process whose NodeId another one claims may take to answer, besides two round trips. */
  duplicateProbeMs: 1_000,
  /**
   * Maximum size of the WebSocket messages that carry the stream, so that an incomplete message holds little memory.
   */
  webSocketMessageBytesMax: 64 * 1024,
  connectionsMax: 256,
  connectionsPerAddressMax: 128,
  /**
   * Maximum of sessions of a cloud node, from all addresses or from one: a whole site may share one address, and all
   * sites one balancer.
   */
  guestsMax: 4_096,
  /**
   * Maximum of sessions per parent actor, which copies its list of sessions whenever one comes or goes. 64 wards of 64
   * have room for all guests.
   */
  wardSessionsMax: 64,
  /**
   * Beyond it, one connection gives way for each newcomer. Large enough that a handshake completes while 400 strangers
   * a second arrive.
   */
  unauthenticatedMax: 512,
  /** File descriptors that a listener leaves to the control socket, the metrics and the database. */
  descriptorsReserved: 32,
  /** Lines of the log that a node keeps in memory for later readers. */
  logLinesMax: 1_000,
  /** Maximum of characters in these lines together. */
  logCharactersMax: 512 * 1024,
  /** Maximum of characters in one of these lines. */
  logLineLengthMax: 2_000,
  /**
   * Lines with the same event and reason that are logged in one window. Further ones are counted, and logged at level
   * debug.
   */
  logRepeatsMax: 100,
  logWindowMs: 60_000,
  /** Within this time, refused connections from one network with one reason are reported once. */
  refusalReportIntervalMs: 10_000,
  /** Maximum of reports of refused connections in this time, over all networks and reasons. */
  refusalReportsPerIntervalMax: 20,
  /** How long a refused connection is news: within this time the log warns of it once, and `doctor` reports it. */
  refusalNewsMs: 3_600_000,
  /** Number of addresses whose refusal is remembered, so that the log warns of each once. */
  refusalsRememberedMax: 1_000,
  /** Number of addresses of known peers for which a listener keeps places. */
  addressesKnownMax: 4_096,
  peersMax: 256,
  /** The number of authors that fits in a frame: a clock that grew honestly must never be refused. */
  authorsPerClockMax: 100_000,
  /** Number of authors that a session remembers on the word of the other side alone: some 250 bytes each. */
  authorsOnTrustMax: 1_000,

  // Backoff
  backoffFirstMs: 100,
  /** Longest wait before a node is met again if only time can show that it is back. */
  backoffMaxMs: 10_000,
  /** Longest wait between attempts to reach a cloud node: many clusters may have lost it at once. */
  gatewayBackoffMaxMs: 30_000,
  /**
   * How long a session with a cloud node lasts, once it has been of use, before failures earlier than it count no more:
   * a cloud node that ends each session at once gets rare attempts, too.
   */
  gatewaySteadyMs: 10_000,
  /**
   * Longest wait between attempts to reach a peer that shows signs of life: its beacons, or sessions that other nodes
   * have with it.
   */
  stirredBackoffMaxMs: 1_000,
  refusedBackoffFirstMs: 5_000,
  refusedBackoffMaxMs: 300_000,
  gapBackoffFirstMs: 100,
  gapBackoffMaxMs: 10_000,

  // Discovery
  beaconBytesMax: 1_024,
  /** Beacons that a node reads from one host in a second. */
  beaconsPerSecondMax: 500,
  /** Hosts whose beacons a node reads in one second. */
  beaconHostsPerSecondMax: 1_000,
  /** Within this time, datagrams that cannot be sent for one reason are reported once. */
  datagramReportIntervalMs: 60_000,
  beaconGoneMs: 15_000,
  /** How long after a beacon of another process with the own NodeId a node sends its next one. */
  doubleAnswerMs: 250,
  /** Maximum of addresses of one peer, as its beacons tell them: one for each network that both nodes are on. */
  addressesPerPeerMax: 8,
  /** Shortest interval between reports of a peer that keeps announcing itself. */
  heardAgainMs: 1_000,

  // Election
  candidacyMs: 500,
  stableFirstMs: 2_000,
  stableMaxMs: 60_000,
  /**
   * A leader does not step down for a node that it has heard for less time. Shorter than `stableFirstMs`, so no claim
   * waits for it.
   */
  hearingSteadyMs: 1_500,
  /**
   * Maximum of boots per NodeId. There is more than one only after restarts, or when two processes use the same NodeId.
   */
  bootsRememberedMax: 4,
  /** How soon news goes out besides the regular heartbeats, and the shortest interval between such heartbeats. */
  promptBeatMs: 50,

  // Cloud
  /** TCP, TLS, the request and its response: three round trips of 5 s, and as much again. */
  httpTimeoutMs: 30_000,
  httpBodyBytesMax: 1024 * 1024,
  /** Responses with a status of 1xx before the final one. An endless series would keep all other requests waiting. */
  httpInterimMax: 16,
  /** Access tokens are a few KiB. They travel before the other side is known. */
  tokenLengthMax: 8 * 1024,
  tokenRefreshShare: 0.8,
  /** The share of the lifetime by which a refresh may come earlier. */
  tokenRefreshJitter: 0.1,
  /** Longest lifetime that a node believes of a token, even if the authority states a longer one. */
  tokenLifetimeMaxMs: 24 * 3_600_000,
  /** A token, a connection and a handshake, with round trips of 5 s. */
  probeTimeoutMs: 90_000,
  /** Shorter than the handshake's timeout by one long round trip, so that the other side still hears the reason. */
  tokenVerificationTimeoutMs: 12_000,
  /**
   * How long the present token goes on when its renewal could not be verified for a reason that is not the token's.
   */
  tokenRenewalRetryMs: 5_000,
  tokenClockToleranceMs: 30_000,
  /** Maximum length of the subject of an access token. */
  tokenSubjectLengthMax: 256,
  /** Maximum length of the URL of a cloud node. */
  cloudAddressLengthMax: 2_048,
  /** Maximum length of an authority's URL, a client's id or secret, a scope, and an audience. */
  oAuth2TextLengthMax: 2_048,
  scopesMax: 64,
  /** Maximum of audiences of a cloud node. With some authorities, such as Amazon Cognito, each cluster has its own. */
  audiencesMax: 1_000,
  gatewaysMax: 32,
  /** Longest wait before the next attempt, even if an authority asks for a longer one. */
  retryAfterMaxMs: 600_000,
  /** How long an authority gets no request after a failure, and the longest such wait after repeated failures. */
  authorityBackoffFirstMs: 1_000,
  authorityBackoffMaxMs: 30_000,
  /** How long a node uses an authority's metadata. They change rarely, and a saved request speeds up a fail-over. */
  authorityMetadataFreshMs: 600_000,
  /** How long a cloud node uses an authority's keys. A withdrawn key is accepted for this long at most. */
  authorityKeysFreshMs: 60_000,
  /** How long the last keys are accepted while the authority returns none, for any reason. */
  authorityKeysStaleMaxMs: 3_600_000,
  /** How long a token waits for newer keys while older ones exist. */
  authorityKeysPatienceMs: 2_000,
  /** Shortest interval between requests for keys because of tokens with an unknown key. */
  authorityKeysCooldownMs: 10_000,
  secretVariablesMax: 64,
  authorityOriginsMax: 16,
  probeFirstMs: 30_000,
  probeMaxMs: 600_000,

  // Audit log
  /** Similar lines in one window. */
  auditRepeatsMax: 5,
  auditWindowMs: 60_000,
  /** Number of kinds of lines that are told apart at a time. */
  auditKeysMax: 1_000,

  // Watching
  /** Maximum of streams that wait for a commit. */
  watchersMax: 1_000,
} as const;
