/** The maximum size of every text and every list on the wire. If a field is missing here, the node does not load. */
import { limits } from '../core/limits.js';
import type { Bounds } from './frame-shape.js';

/** A UTF-16 unit of a name takes up to three bytes in UTF-8. */
const bytesPerCharacter = 3;

const nodeId = { bytesMax: limits.nodeIdLengthMax };
const boot = { bytesMax: limits.tokenIdLengthMax };
const hash = { bytesMax: limits.hashLengthMax };
/** `nodeId/incarnation/scope`. */
const author = { bytesMax: limits.nodeIdLengthMax + limits.tokenIdLengthMax + '//cluster'.length };
const token = { bytesMax: limits.tokenLengthMax };
const code = { bytesMax: limits.refusalCodeLengthMax };
const message = { bytesMax: bytesPerCharacter * limits.refusalTextLengthMax };
const collection = { bytesMax: bytesPerCharacter * limits.collectionNameLengthMax };
const key = { bytesMax: bytesPerCharacter * limits.keyLengthMax };

export const wireBounds: Bounds = {
  HandshakeRequest: { nodeId, authToken: token, boot },
  HandshakeResponse: { nodeId, boot, refusalCode: code, refusalMessage: message },
  VectorClock: { positions: { countMax: limits.authorsPerClockMax } },
  AuthorPosition: { author, hash },
  Batch: {
    collections: { ...collection, countMax: limits.batchEntriesMax },
    runs: { countMax: limits.batchRunsMax },
  },
  Run: { author, afterHash: hash, entries: { countMax: limits.batchEntriesMax } },
  // One large document travels alone, and the small documents of a batch together have fewer bytes than that.
  Entry: { key, payload: { bytesMax: limits.documentBytesMax, totalBytesMax: limits.documentBytesMax }, hash },
  Heartbeat: {
    digest: hash,
    neighbors: { ...nodeId, countMax: limits.peersMax },
    relayed: { countMax: limits.peersMax },
  },
  Presence: { impairment: code },
  RelayedPresence: { nodeId, boot },
  BatchHeld: { code },
  Parcel: { hash },
  ParcelHeld: { hash },
  Part: { bytes: { bytesMax: limits.partBytesMax } },
  Goodbye: { code, message },
  TokenRenewal: { token },
};
