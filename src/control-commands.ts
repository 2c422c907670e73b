/**
 * What the control socket can ask of a node: plain functions over its public handle.
 *
 * Invariant: what comes in is checked field by field, and an unknown field is refused, before anything is asked of the node;
 * names, documents and queries are checked by the database itself, which knows their rules.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { importLines } from './control-import.js';
import { StatemeshError, shortText } from './core/errors.js';
import { type Cursor, systemPrefix } from './core/ids.js';
import type { Change } from './database/changes.js';
import type { StatemeshNode } from './node.js';
import type { ControlCall, ControlCommands } from './protocol/control.js';
import type { BackupProgress } from './protocol/store.js';

const inCollection = { collection: z.string() };
const keyed = z.strictObject({ ...inCollection, key: z.string() });
const putBody = z.strictObject({ ...inCollection, key: z.string(), document: z.unknown() });
/** As it came: a record that is built anew leaves a field called `__proto__` out, and a condition on it, and would find everything. */
const anyFields = z.custom<Record<string, unknown>>(isObject, 'it is not an object');
const where = anyFields;
const countBody = z.strictObject({ ...inCollection, where: where.optional() });
const orderBy = z.union([z.string(), z.strictObject({ field: z.string(), descending: z.boolean().optional() })]);
const findBody = z.strictObject({
  ...inCollection,
  where: where.optional(),
  orderBy: z.array(orderBy).optional(),
  limit: z.number().optional(),
  offset: z.number().optional(),
});
/** What is in a cursor the database checks. */
const since = z.union([z.literal(0), z.string()]);
const changesBody = z.strictObject({ collection: z.string().optional(), since: since.optional() }).optional();
const exportBody = z.strictObject({ collection: z.string().optional(), history: z.boolean().optional() }).optional();
const backupBody = z.strictObject({ file: z.string().refine(isAbsolute, 'name the whole path') });
const staticPeerBody = z.strictObject({ nodeId: z.string(), address: z.string() });
const cloudPeerBody = z.strictObject({
  nodeId: z.string(),
  address: z.string(),
  oAuth2: anyFields,
});
const peerBody = z.strictObject({ nodeId: z.string() });
const reconfigureBody = z.strictObject({ partial: anyFields });
const digestBody = z.strictObject({ scope: z.enum(['cluster', 'shared']) }).optional();
const statusBody = z.strictObject({ probe: z.boolean().optional() }).optional();
const nothingBody = z.strictObject({}).optional();
const importParameters = z.strictObject({ ...inCollection, key: z.string().min(1).optional() });

export function controlCommands(node: StatemeshNode): ControlCommands {
  return {
    /** How the node is, with the id of its process; with `probe` the disk is tried first. */
    async status(call) {
      if (check(statusBody, call.body)?.probe === true) node.actor.getSnapshot().context.store?.health.probe();
      return { ...(await node.status()), processId: process.pid };
    },

    async peers(call) {
      check(nothingBody, call.body);
      return node.peers;
    },

    /** Where the write is in time and in order of arrival. */
    async put(call) {
      const { collection, key, document } = check(putBody, call.body);
      return node.collection(collection).put(key, document);
    },

    /** `found` tells a document that is `null` from none. */
    async get(call) {
      const { collection, key } = check(keyed, call.body);
      const document = await node.collection(collection).get(key);
      return document === undefined ? { found: false } : { found: true, document };
    },

    async delete(call) {
      const { collection, key } = check(keyed, call.body);
      const written = await node.collection(collection).delete(key);
      return written === undefined ? { found: false } : { found: true, ...written };
    },

    /** One line for each document. */
    find: (call) => find(node, call),

    /** One line for each entry in the local order of arrival, and for each that comes: without end. */
    changes: (call) => changes(node, call),

    /** One line for each document, or for each entry, up to the last one that there is. */
    export: (call) => exported(node, call),

    /** Lines of progress, then where the copy is. */
    backup: (call) => backUp(node, call),

    async count(call) {
      const { collection, where } = check(countBody, call.body);
      return { count: await node.collection(collection).count(where as never) };
    },

    /** One line for each collection that holds documents, but for those of statemesh itself. */
    collections: (call) => collections(node, call),

    /** Lines of `{"key","document"}`, or of documents that hold their key in the field that the parameter `key` names. */
    import: (call) => {
      const { collection, key } = check(importParameters, call.parameters);
      return importLines(node.collection(collection), { lines: call.lines, keyField: key, signal: call.signal });
    },

    async addStaticPeer(call) {
      const { nodeId, address } = check(staticPeerBody, call.body);
      return { isNew: (await node.addStaticPeer(nodeId, address)) !== undefined };
    },

    /** What is in `oAuth2` is checked by the node, which seals a literal secret. */
    async addCloudPeer(call) {
      const { nodeId, address, oAuth2 } = check(cloudPeerBody, call.body);
      return { isNew: (await node.addCloudPeer(nodeId, address, oAuth2 as never)) !== undefined };
    },

    /** The peers that are stored: cloud nodes and static peers. */
    async remotePeers(call) {
      check(nothingBody, call.body);
      return node.getAllRemotePeers();
    },

    async enablePeer(call) {
      const { nodeId } = check(peerBody, call.body);
      return { isChanged: (await node.enablePeer(nodeId)) !== undefined };
    },

    async disablePeer(call) {
      const { nodeId } = check(peerBody, call.body);
      return { isChanged: (await node.disablePeer(nodeId)) !== undefined };
    },

    async removePeer(call) {
      const { nodeId } = check(peerBody, call.body);
      if ((await node.removeRemotePeer(nodeId)) !== undefined) return { isChanged: true };
      throw new StatemeshError('peerUnknown', `There is no remote peer "${shortText(nodeId)}" to remove.`);
    },

    /** Changes fields of the configuration; `null` stands for a field that goes back to its default. Which fields there are the node knows. */
    async reconfigure(call) {
      const { partial } = check(reconfigureBody, call.body);
      const fields = Object.entries(partial).map(([name, value]) => [name, value === null ? undefined : value]);
      return node.reconfigure(Object.fromEntries(fields));
    },

    async databasesLeftBehind(call) {
      check(nothingBody, call.body);
      return node.databasesLeftBehind();
    },

    /** Number and digest of all documents, or of one scope: equal on nodes that hold the same. */
    async digest(call) {
      const { scope } = check(digestBody, call.body) ?? {};
      return node.contentDigest(scope === undefined ? undefined : [scope]);
    },

    /** Answers first, then stops the node. The socket goes when the peers have heard goodbye, the process later. */
    async stop(call) {
      check(nothingBody, call.body);
      const { nodeId } = await node.status();
      void call.answered.then(() => node.stop());
      return { nodeId, processId: process.pid };
    },
  };
}

async function* find(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, ...query } = check(findBody, call.body);
  // The database checks what is in a query; only its outer shape is known here.
  yield* node.collection(collection).stream(query as never, { signal: call.signal });
}

async function* collections(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  check(nothingBody, call.body);
  for (const collection of await node.collections()) {
    if (collection.startsWith(systemPrefix)) continue;
    yield { collection, documents: await node.collection(collection).count() };
  }
}

async function* changes(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, since = 'now' } = check(changesBody, call.body) ?? {};
  const options = { since: since as Cursor | 0 | 'now', signal: call.signal };
  yield* collection === undefined ? node.changes(options) : node.collection(collection).changes(options);
}

/**
 * In the order of arrival, so that nothing has to be in memory but a page. Of a document only the entry is told that says what it is
 * now: one that changes meanwhile comes once more, and what comes meanwhile is told, too, or it would be in neither version.
 */
async function* exported(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { collection, history = false } = check(exportBody, call.body) ?? {};
  const { cursor: last, store } = await node.status();
  if (store === undefined || store.entries === 0) return;
  let end = last;
  for await (const { cursor, malformed, current, ...entry } of node.changes({ since: 0, signal: call.signal })) {
    // What statemesh keeps for itself cannot be imported, and may be sealed for this cluster.
    const isAsked =
      collection === undefined ? !entry.collection.startsWith(systemPrefix) : entry.collection === collection;
    if (isAsked && history) yield { ...entry, current };
    else if (isAsked && !malformed && entry.operation === 'put' && (await isPresent(node, entry))) {
      const { collection: name, key, document } = entry;
      yield { ...(collection === undefined && { collection: name }), key, document };
    }
    if (cursor !== end) continue;
    end = (await node.status()).cursor;
    if (cursor === end) return;
  }
}

async function* backUp(node: StatemeshNode, call: ControlCall): AsyncGenerator<unknown, void, void> {
  const { file } = check(backupBody, call.body);
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

async function isPresent(
  node: StatemeshNode,
  entry: Pick<Change, 'collection' | 'key' | 'document'>,
): Promise<boolean> {
  const present = await node.collection(entry.collection).get(entry.key);
  return JSON.stringify(present) === JSON.stringify(entry.document);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws StatemeshError `requestInvalid` naming every wrong field */
function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw new StatemeshError('requestInvalid', `Invalid request: ${problems.join('; ')}.`);
}
