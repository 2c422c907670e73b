/**
 * The maximum size of every text and every list on the wire. A field name means the same in every message, so it has
 * one bound; the bounds of lists, and of bytes, stand under their message. If a field has no bound, the node does not
 * load.
 */
import { limits } from '../core/limits.js';
import type { Bounds } from './frame-shape.js';

/** A UTF-16 unit of a name takes up to three bytes in UTF-8. */
const bytesPerCharacter = 3;

const nodeId = { bytesMax: limits.nodeIdLengthMax };
const hash = { bytesMax: limits.hashLengthMax };
const token = { bytesMax: limits.tokenLengthMax };
const code = { bytesMax: limits.refusalCodeLengthMax };
const message = { bytesMax: bytesPerCharacter * limits.refusalTextLengthMax };

export const wireBounds: Bounds = {
  texts: {
    nodeId,
    boot: { bytesMax: limits.tokenIdLengthMax },
    /** `nodeId/incarnation/scope`. */
    author: { bytesMax: limits.nodeIdLengthMax + limits.tokenIdLengthMax + '//cluster'.length },
    hash,
    afterHash: hash,
    digest: hash,
    token,
    authToken: token,
    code,
    refusalCode: code,
    impairment: code,
    message,
    refusalMessage: message,
    key: { bytesMax: bytesPerCharacter * limits.keyLengthMax },
  },
  messages: {
    VectorClock: { positions: { countMax: limits.authorsPerClockMax } },
    Batch: {
      collections: { bytesMax: bytesPerCharacter * limits.collectionNameLengthMax, countMax: limits.batchEntriesMax },
      runs: { countMax: limits.batchRunsMax },
    },
    Run: { entries: { countMax: limits.batchEntriesMax } },
    // One large document travels alone, and the small documents of a batch together have fewer bytes than that.
    Entry: { payload: { bytesMax: limits.documentBytesMax, totalBytesMax: limits.documentBytesMax } },
    Heartbeat: {
      neighbors: { ...nodeId, countMax: limits.peersMax },
      relayed: { countMax: limits.peersMax },
    },
    Part: { bytes: { bytesMax: limits.partBytesMax } },
  },
};
