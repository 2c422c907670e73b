/**
 * statemesh's own layout, bare: the payload once, names interned, the stamp in one integer. See `src/store/tables.ts`.
 */
import type { Layout } from './bare-store.js';

export const ownLayout: Layout = {
  tables: `
    CREATE TABLE oplog (
      seq INTEGER PRIMARY KEY,
      author INTEGER NOT NULL,
      hlc INTEGER NOT NULL,
      collection INTEGER NOT NULL,
      key TEXT NOT NULL,
      operation INTEGER NOT NULL,
      current INTEGER NOT NULL,
      hash TEXT NOT NULL,
      payload TEXT NOT NULL
    );
    CREATE UNIQUE INDEX oplog_by_author ON oplog (author, hlc);
    CREATE TABLE documents (
      collection INTEGER NOT NULL,
      key TEXT NOT NULL,
      hlc INTEGER NOT NULL,
      author INTEGER NOT NULL,
      seq INTEGER NOT NULL,
      deleted INTEGER NOT NULL,
      PRIMARY KEY (collection, key)
    ) WITHOUT ROWID;`,

  prepare(database) {
    const upsert = database.prepare(`
      INSERT INTO documents (collection, key, hlc, author, seq, deleted) VALUES (?, ?, ?, ?, ?, 0)
      ON CONFLICT (collection, key) DO UPDATE
      SET hlc = excluded.hlc, author = excluded.author, seq = excluded.seq, deleted = excluded.deleted
      WHERE excluded.hlc > hlc`);
    const insert = database.prepare(`
      INSERT INTO oplog (seq, author, hlc, collection, key, operation, current, hash, payload)
      VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?)`);
    let seq = 0;
    return {
      write({ wallMs, logic, key, payload, hash }) {
        seq += 1;
        const hlc = (wallMs - epochMs) * 4_096 + logic;
        const current = upsert.run(collection, key, hlc, author, seq).changes;
        insert.run(seq, author, hlc, collection, key, current, hash, payload);
      },
      payload: database
        .prepare(`
          SELECT o.payload FROM documents d CROSS JOIN oplog o ON o.seq = d.seq
          WHERE d.collection = ${collection} AND d.key = ? AND d.deleted = 0`)
        .pluck(),
    };
  },
};

/** As interned names are. */
const collection = 1;
const author = 1;
const epochMs = Date.UTC(2020, 0, 1);
