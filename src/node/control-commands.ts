/**
 * The commands of the control socket: plain functions over the public handle of a node.
 *
 * Invariant: each command checks its input field by field and refuses an unknown field before it asks the node. The
 * database checks names, documents and queries itself, because it knows their rules.
 */
import { isAbsolute } from 'node:path';
import type { ControlCall, ControlCommand, ControlCommands } from '../control/protocol.js';
import type { RecentLog } from '../control/recent-log.js';
import type { Scope } from '../core/author.js';
import { decodeDocument } from '../core/document.js';
import { StatemeshError, shortText } from '../core/errors.js';
import { type DocumentKey, systemPrefix } from '../core/ids.js';
import { type MalformedDocuments, MalformedTally } from '../core/malformed.js';
import { isPlainObject, type Kind, kinds, type OptionsShape, oneOf, readOptions } from '../core/options.js';
import type { Query, Where } from '../core/query.js';
import type { ChangesOptions } from '../database/changes.js';
import type { DocumentStreamOptions } from '../database/watch.js';
import type { BackupProgress } from '../ports/store.js';
import { notStoredText } from '../remote-peers/management.js';
import type { OAuth2Configuration } from '../remote-peers/remote-peer.js';
import { importExport, importLines } from './control-import.js';
import type { StatemeshNode } from './statemesh-node.js';

interface InCollection {
  readonly collection: string;
}

const { text, boolean, list, any } = kinds;
/** Any object: the node knows the fields. */
const fields: Kind = { takes: 'an object', accepts: isPlainObject };
const wholePath: Kind = {
  takes: 'a whole path',
  accepts: (path) => typeof path === 'string' && isAbsolute(path),
};
const wholeNumber: Kind = {
  takes: 'a whole number from 0',
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};
/** The database checks the text of a cursor. */
const since: Kind = { takes: 'a cursor or 0', accepts: (value) => value === 0 || typeof value === 'string' };

const keyed = body<InCollection & { readonly key: string }>({ collection: text, key: text }, 'collection', 'key');
const putBody = body<InCollection & { readonly key: string; readonly document: unknown }>(
  { collection: text, key: text, document: any },
  ...(['collection', 'key', 'document'] as const),
);
const countBody = body<InCollection & { readonly where?: Where }>({ collection: text, where: fields }, 'collection');
/** The database checks the conditions of a query. */
const findBody = body<InCollection & Query>(
  { collection: text, where: fields, orderBy: list, limit: any, offset: any },
  'collection',
);
const changesBody = body<{ readonly collection?: string; readonly since?: ChangesOptions['since'] }>({
  collection: text,
  since,
});
const exportBody = body<{ readonly collection?: string; readonly history?: boolean }>({
  collection: text,
  history: boolean,
});
const backupBody = body<{ readonly file: string }>({ file: wholePath }, 'file');
const staticPeerBody = body<{ readonly nodeId: string; readonly address: string }>(
  { nodeId: text, address: text },
  ...(['nodeId', 'address'] as const),
);
const cloudPeerBody = body<{
  readonly nodeId: string;
  readonly address: string;
  readonly oAuth2: OAuth2Configuration;
}>({ nodeId: text, address: text, oAuth2: fields }, 'nodeId', 'address', 'oAuth2');
const peerBody = body<{ readonly nodeId: string }>({ nodeId: text }, 'nodeId');
const reconfigureBody = body<{ readonly partial: Readonly<Record<string, unknown>> }>({ partial: fields }, 'partial');
const digestBody = body<{ readonly scope?: Scope }>({ scope: oneOf('cluster', 'shared') });
const statusBody = body<{ readonly probe?: boolean }>({ probe: boolean });
const logsBody = body<{ readonly last?: number; readonly follow?: boolean }>({ last: wholeNumber, follow: boolean });
const nothingBody = body<Record<never, never>>({});
const importParameters = body<{ readonly collection?: string; readonly key?: string }>({ collection: text, key: text });

function body<T extends object>(
  fields: OptionsShape<T>['fields'],
  ...required: readonly (keyof T & string)[]
): OptionsShape<T> {
  return { complaint: 'Invalid request', code: 'requestInvalid', fields, required };
}

export function controlCommands(node: StatemeshNode, log: RecentLog): ControlCommands {
  return {
    /** The status of the node, with the id of its process. With `probe`, the node tries the disk first. */
    async status(call) {
      if (readOptions(call.body, statusBody).probe === true) node.actor.getSnapshot().context.store?.health.probe();
      return { ...(await node.status()), processId: process.pid };
    },

    async peers(call) {
      readOptions(call.body, nothingBody);
      return node.peers;
    },

    /** The time and the cursor of the write. */
    async put(call) {
      const { collection, key, document } = readOptions(call.body, putBody);
      return node.collection(collection).put(key, document);
    },

    /** `found` tells a document that is `null` from a missing one, `malformed` one that cannot be read. */
    async get(call) {
      const { collection, key } = readOptions(call.body, keyed);
      const documents = node.collection(collection);
      const document = await documents.get(key);
      if (document !== undefined) return { found: true, document };
      const { store } = node.actor.getSnapshot().context;
      // It may have been written after the read above; then it is no longer malformed.
      const stored = await store?.get(documents.name, key as DocumentKey);
      const isMalformed = stored !== undefined && decodeDocument(stored.payload) === undefined;
      return { found: false, ...(isMalformed && { malformed: true }) };
    },

    async delete(call) {
      const { collection, key } = readOptions(call.body, keyed);
      const written = await node.collection(collection).delete(key);
      return written === undefined ? { found: false } : { found: true, ...written };
    },

    /** One line for each document; last, if there are any, `{"passedOver"}` for the malformed ones. */
    find: (call) => find(node, call),

    /** One line for each entry in the local order of arrival, then one for each new entry, without end. */
    changes: (call) => changes(node, call),

    /** One line for each document, then as `find`; or for each entry, up to the last one that there is. */
    export: (call) => exported(node, call),

    /** Lines of progress, then one with the place of the copy. */
    backup: (call) => backUp(node, call),

    async count(call) {
      const { collection, where } = readOptions(call.body, countBody);
      return { count: await node.collection(collection).count(where) };
    },

    /**
     * The last lines of the log; with `follow`, each new one, too. `{"missed"}` stands for lines that came too fast.
     */
    logs: (call) => log.read({ ...readOptions(call.body, logsBody), signal: call.signal }),

    /** One line for each collection that holds documents, except for those of statemesh itself. */
    collections: (call) => collections(node, call),

    /**
     * Takes lines of `{"key","document"}`, or of documents whose key is in the field that the parameter `key` names.
     */
    import: (call) => {
      const { collection, key } = readOptions(call.parameters, importParameters);
      const { lines, signal } = call;
      if (collection !== undefined) return importLines(node.collection(collection), { lines, keyField: key, signal });
      if (key === undefined) return importExport((name) => node.collection(name), { lines, signal });
      throw new StatemeshError('requestInvalid', 'Invalid request: documents under a key field need a collection.');
    },

    async addStaticPeer(call) {
      const { nodeId, address } = readOptions(call.body, staticPeerBody);
      return added(node, nodeId, () => node.addStaticPeer(nodeId, address));
    },

    /** The node checks `oAuth2`, and seals a literal secret. */
    async addCloudPeer(call) {
      const { nodeId, address, oAuth2 } = readOptions(call.body, cloudPeerBody);
      return added(node, nodeId, () => node.addCloudPeer(nodeId, address, oAuth2));
    },

    /** The stored peers: cloud nodes and static peers. */
    async remotePeers(call) {
      readOptions(call.body, nothingBody);
      return node.getAllRemotePeers();
    },

    async enablePeer(call) {
      const { nodeId } = readOptions(call.body, peerBody);
      return { isChanged: (await node.enablePeer(nodeId)) !== undefined };
    },

    async disablePeer(call) {
      const { nodeId } = readOptions(call.body, peerBody);
      return { isChanged: (await node.disablePeer(nodeId)) !== undefined };
    },

    async removePeer(call) {
      const { nodeId } = readOptions(call.body, peerBody);
      if ((await node.removeRemotePeer(nodeId)) !== undefined) return { isChanged: true };
      const isPeer = node.peers.some((peer) => peer.nodeId === nodeId);
      const message = isPeer ? notStoredText(nodeId) : `There is no remote peer "${shortText(nodeId)}" to remove.`;
      throw new StatemeshError('peerUnknown', message);
    },

    /** Changes fields of the configuration; `null` resets a field to its default. The node knows the fields. */
    async reconfigure(call) {
      const { partial } = readOptions(call.body, reconfigureBody);
      const fields = Object.entries(partial).map(([name, value]) => [name, value === null ? undefined : value]);
      return node.reconfigure(Object.fromEntries(fields));
    },

    async databasesLeftBehind(call) {
      readOptions(call.body, nothingBody);
      return node.databasesLeftBehind();
    },

    /** Number and digest of all documents, or of one scope: equal on nodes with the same documents. */
    async digest(call) {
      const { scope } = readOptions(call.body, digestBody);
      return node.contentDigest(scope === undefined ? undefined : [scope]);
    },

    /** Answers first, then stops the node. The socket closes after the goodbye to the peers; the process ends later. */
    async stop(call) {
      readOptions(call.body, nothingBody);
      const { nodeId } = await node.status();
      void call.answered.then(() => node.stop());
      return { nodeId, processId: process.pid };
    },
  };
}

/** Tells a new peer from a changed one. */
async function added(
  node: StatemeshNode,
  nodeId: string,
  add: () => Promise<unknown>,
): Promise<{ isNew: boolean; isChanged: boolean }> {
  const before = await node.getAllRemotePeers();
  const isChanged = (await add()) !== undefined;
  return { isNew: isChanged && !before.some((peer) => peer.nodeId === nodeId), isChanged };
}

/** The commands, but each refuses a caller that means another node. */
export function onlyForMeant(commands: ControlCommands, nodeIdOf: () => string | undefined): ControlCommands {
  const entries = Object.entries(commands).map(([name, command]): [string, ControlCommand] => [
    name,
    (call) => {
      const nodeId = nodeIdOf();
      if (call.meantNodeId !== undefined && call.meantNodeId !== nodeId) throw answersInstead(nodeId, call.meantNodeId);
      return command(call);
    },
  ]);
  return Object.fromEntries(entries);
}

function answersInstead(nodeId: string | undefined, meant: string): StatemeshError {
  return new StatemeshError('nodeIdMismatch', `Node ${nodeId} answers, not node "${shortText(meant)}".`);
}

async function* find(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, ...query } = readOptions(call.body, findBody);
  // The database checks what is in a query; only its outer shape is known here.
  const malformed = new MalformedTally();
  yield* node.collection(collection).stream(query, telling(malformed, collection, call));
  yield* passedOver(malformed);
}

/** Reports each malformed document in the result to the tally. */
function telling(malformed: MalformedTally, collection: string, { signal }: ControlCall): DocumentStreamOptions {
  return { signal, onMalformed: (key) => malformed.add(collection, key) };
}

/** The last line of an answer that passes over documents; none if there were no such documents. */
function passedOver({ count, examples }: MalformedDocuments): { readonly passedOver: MalformedDocuments }[] {
  return count === 0 ? [] : [{ passedOver: { count, examples } }];
}

async function* collections(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  readOptions(call.body, nothingBody);
  for (const collection of await node.collections()) {
    if (!isOfUsers(collection)) continue;
    yield { collection, documents: await node.collection(collection).count() };
  }
}

async function* changes(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, since = 'now' } = readOptions(call.body, changesBody);
  const options = { since, signal: call.signal };
  yield* collection === undefined ? node.changes(options) : node.collection(collection).changes(options);
}

/** One line for each document. Each collection is exported in the state that it has when its first line is read. */
async function* exported(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, history = false } = readOptions(call.body, exportBody);
  if (history) {
    yield* exportedHistory(node, call, collection);
    return;
  }
  const names = collection === undefined ? (await node.collections()).filter(isOfUsers) : [collection];
  const malformed = new MalformedTally();
  for (const name of names) {
    for await (const found of node.collection(name).stream({}, telling(malformed, name, call))) {
      yield collection === undefined ? { collection: name, ...found } : found;
    }
  }
  yield* passedOver(malformed);
}

/** Entries in the order of arrival, up to the last present one. */
async function* exportedHistory(
  node: StatemeshNode,
  call: ControlCall,
  collection: string | undefined,
): AsyncGenerator<unknown, void, void> {
  const { cursor: last, store } = await node.status();
  if (store === undefined || store.entries === 0) return;
  let end = last;
  for await (const { cursor, malformed, ...entry } of node.changes({ since: 0, signal: call.signal })) {
    const isAsked = collection === undefined ? isOfUsers(entry.collection) : entry.collection === collection;
    if (isAsked) yield malformed ? { ...entry, malformed } : entry;
    if (cursor !== end) continue;
    // Exports the entries that came in the meantime, too.
    end = (await node.status()).cursor;
    if (cursor === end) return;
  }
}

/** False for the collections of statemesh itself: they cannot be imported, and may be sealed for this cluster. */
function isOfUsers(collection: string): boolean {
  return !collection.startsWith(systemPrefix);
}

async function* backUp(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { file } = readOptions(call.body, backupBody);
  let latest: BackupProgress | undefined;
  let wake = (): void => {};
  let isOver = false;
  const copying = node
    .backUp(file, (progress) => {
      if (call.signal.aborted) throw new StatemeshError('cancelled', 'The caller has hung up.');
      latest = progress;
      wake();
    })
    .finally(() => {
      isOver = true;
      wake();
    });
  copying.catch(() => {});
  while (!isOver) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (latest !== undefined && !isOver) yield latest;
  }
  await copying;
  yield { file };
}
