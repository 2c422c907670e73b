/** The limit's layout: two tables that each store everything in full, with the payload in both. */
import { collectionName } from '../documents.js';
import { author, type Layout } from './bare-store.js';

export const naiveLayout: Layout = {
  tables: `
    CREATE TABLE documents (
      collection TEXT NOT NULL,
      key TEXT NOT NULL,
      payload TEXT NOT NULL,
      deleted INTEGER NOT NULL,
      hlc_wall INTEGER NOT NULL,
      hlc_logic INTEGER NOT NULL,
      node_id TEXT NOT NULL,
      PRIMARY KEY (collection, key)
    );
    CREATE TABLE oplog (
      id INTEGER PRIMARY KEY,
      node_id TEXT NOT NULL,
      incarnation TEXT NOT NULL,
      scope TEXT NOT NULL,
      hlc_wall INTEGER NOT NULL,
      hlc_logic INTEGER NOT NULL,
      collection TEXT NOT NULL,
      key TEXT NOT NULL,
      operation TEXT NOT NULL,
      payload TEXT NOT NULL,
      previous_hash TEXT NOT NULL,
      hash TEXT NOT NULL
    );
    CREATE UNIQUE INDEX oplog_by_author ON oplog (node_id, incarnation, scope, hlc_wall, hlc_logic);`,

  prepare(database) {
    const upsert = database.prepare(`
      INSERT INTO documents (collection, key, payload, deleted, hlc_wall, hlc_logic, node_id)
      VALUES (?, ?, ?, 0, ?, ?, ?)
      ON CONFLICT (collection, key) DO UPDATE
      SET payload = excluded.payload, deleted = excluded.deleted, hlc_wall = excluded.hlc_wall,
        hlc_logic = excluded.hlc_logic, node_id = excluded.node_id
      WHERE (excluded.hlc_wall, excluded.hlc_logic, excluded.node_id) > (hlc_wall, hlc_logic, node_id)`);
    const insert = database.prepare(`
      INSERT INTO oplog (node_id, incarnation, scope, hlc_wall, hlc_logic, collection, key, operation, payload,
        previous_hash, hash)
      VALUES (?, ?, ?, ?, ?, ?, ?, 'put', ?, ?, ?)`);
    const { nodeId, incarnation, scope } = author;
    return {
      write({ wallMs, logic, key, payload, previousHash, hash }) {
        upsert.run(collectionName, key, payload, wallMs, logic, nodeId);
        insert.run(nodeId, incarnation, scope, wallMs, logic, collectionName, key, payload, previousHash, hash);
      },
      payload: database
        .prepare(`SELECT payload FROM documents WHERE collection = '${collectionName}' AND key = ? AND deleted = 0`)
        .pluck(),
    };
  },
};
