/** Every statement the store runs on its file, prepared once. */
import type { DatabaseSync, StatementSync } from "node:sqlite";

export interface Statements {
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly rollback: StatementSync;
  readonly addShard: StatementSync;
  readonly insert: StatementSync;
  readonly read: StatementSync;
  readonly heads: StatementSync;
  readonly recordCount: StatementSync;
  readonly lastRows: StatementSync;
  readonly markSnapshot: StatementSync;
  readonly putChunk: StatementSync;
  readonly readChunk: StatementSync;
  readonly chunkNames: StatementSync;
  readonly dropChunk: StatementSync;
  readonly rowTotal: StatementSync;
  readonly rowSizes: StatementSync;
  readonly dropRecords: StatementSync;
  readonly setFirst: StatementSync;
  readonly fileBytes: StatementSync;
}

export function prepareStatements(db: DatabaseSync): Statements {
  return {
    begin: db.prepare("BEGIN IMMEDIATE"),
    commit: db.prepare("COMMIT"),
    rollback: db.prepare("ROLLBACK"),
    addShard: db.prepare("INSERT INTO shard (name) VALUES (?)"),
    insert: db.prepare("INSERT INTO record (shard, seq, hash, crc, bytes) VALUES (?, ?, ?, ?, ?)"),
    read: inArrays(
      db,
      // Rows whose last record is between two seqs, as long as their first one is not beyond a third.
      // `+`: SQLite plans by a bare LIMIT, and would compile the statement again for each reading.
      `SELECT seq, hash, crc, bytes FROM record WHERE shard = ? AND seq >= ? AND seq < ?
        AND seq - length(hash) / 32 < ? ORDER BY seq LIMIT +?`,
    ),
    heads: inArrays(
      db,
      `SELECT name, no, first, snapshot,
        (SELECT coalesce(max(seq), 0) FROM record WHERE record.shard = shard.no),
        (SELECT min(seq) FROM record WHERE record.shard = shard.no) FROM shard`,
    ),
    recordCount: inArrays(db, "SELECT count(*) FROM record"),
    // Not by the index: it is what is being doubted.
    lastRows: inArrays(db, "SELECT shard, max(seq) FROM record NOT INDEXED GROUP BY shard"),
    markSnapshot: db.prepare("UPDATE shard SET snapshot = ? WHERE no = ?"),
    putChunk: db.prepare(
      `INSERT INTO chunk (shard, name, plain, crc, bytes) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (shard, name) DO UPDATE SET plain = excluded.plain, crc = excluded.crc, bytes = excluded.bytes`,
    ),
    readChunk: inArrays(db, "SELECT plain, crc, bytes FROM chunk WHERE shard = ? AND name = ?"),
    chunkNames: inArrays(db, "SELECT name, length(bytes) FROM chunk WHERE shard = ?"),
    dropChunk: db.prepare("DELETE FROM chunk WHERE shard = ? AND name = ?"),
    rowTotal: inArrays(
      db,
      "SELECT coalesce(sum(length(bytes)), 0) FROM record WHERE shard = ? AND seq >= ? AND seq < ?",
    ),
    rowSizes: inArrays(
      db,
      "SELECT seq, length(bytes) FROM record WHERE shard = ? AND seq >= ? AND seq < ? ORDER BY seq",
    ),
    dropRecords: db.prepare("DELETE FROM record WHERE shard = ? AND seq < ?"),
    setFirst: db.prepare("UPDATE shard SET first = ? WHERE no = ?"),
    fileBytes: inArrays(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"),
  };
}

/** Rows as arrays spare an object with a name for each column. */
function inArrays(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
}
