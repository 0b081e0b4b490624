// The database. It holds password hashes, public keys, signed logs and ciphertext.

import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { installed } from "../../lib/packages.mjs";

const Database = installed("better-sqlite3");

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, salt BLOB NOT NULL, hash BLOB NOT NULL);
  CREATE TABLE IF NOT EXISTS families (
    id TEXT PRIMARY KEY, user TEXT NOT NULL, n INTEGER NOT NULL, issued INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS access (
    hash BLOB PRIMARY KEY, jti TEXT NOT NULL, family TEXT NOT NULL, user TEXT NOT NULL, expires INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS access_of_user ON access (user);
  CREATE TABLE IF NOT EXISTS revocations (jti TEXT PRIMARY KEY, expires INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS device_log (
    user TEXT NOT NULL, generation INTEGER NOT NULL, n INTEGER NOT NULL, entry TEXT NOT NULL,
    PRIMARY KEY (user, generation, n));
  CREATE TABLE IF NOT EXISTS pending (user TEXT NOT NULL, id TEXT NOT NULL, device TEXT NOT NULL, PRIMARY KEY (user, id));
  CREATE TABLE IF NOT EXISTS rooms (id TEXT PRIMARY KEY, pair TEXT UNIQUE, epoch INTEGER NOT NULL, last INTEGER NOT NULL,
    needs_key INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE IF NOT EXISTS members (
    room TEXT NOT NULL, user TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, PRIMARY KEY (room, user));
  CREATE TABLE IF NOT EXISTS rows (
    room TEXT NOT NULL, row INTEGER NOT NULL, type TEXT NOT NULL, id TEXT, at INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (room, row));
  CREATE UNIQUE INDEX IF NOT EXISTS row_ids ON rows (room, id) WHERE type = 'message';
  CREATE TABLE IF NOT EXISTS numbers (
    room TEXT NOT NULL, epoch INTEGER NOT NULL, device TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (room, epoch, device));
  CREATE TABLE IF NOT EXISTS marks (room TEXT NOT NULL, user TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (room, user));
`;

export function openDatabase(folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "messenger.db");
  const database = new Database(file);
  chmodSync(file, 0o600);
  database.pragma("journal_mode = WAL");
  // A power cut may lose the last moment, and never breaks the file.
  database.pragma("synchronous = NORMAL");
  // A deleted message's bytes are overwritten in the file.
  database.pragma("secure_delete = ON");
  database.pragma("wal_autocheckpoint = 100");
  database.exec(SCHEMA);
  const prepared = new Map();
  const statement = (sql) => {
    if (!prepared.has(sql)) prepared.set(sql, database.prepare(sql));
    return prepared.get(sql);
  };
  return {
    get: (sql, ...values) => statement(sql).get(...values),
    all: (sql, ...values) => statement(sql).all(...values),
    run: (sql, ...values) => statement(sql).run(...values),
    /** All or nothing; immediate, so that nothing changes between reading and writing. */
    together: (work) => database.transaction(work).immediate(),
    /** Writes what the journal still has into the file, so that deleted bytes are gone there too. */
    settle: () => database.pragma("wal_checkpoint(TRUNCATE)"),
    close: () => database.close(),
  };
}
