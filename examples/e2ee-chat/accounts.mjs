// Accounts and their public keys in SQLite.

import { createHash, randomBytes, scrypt as scryptWithCallback, timingSafeEqual } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { installed } from "../lib/packages.mjs";

const Database = installed("better-sqlite3");
const scrypt = promisify(scryptWithCallback);
const HASH_BYTES = 32;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL UNIQUE,
    salt BLOB NOT NULL,
    password_hash BLOB NOT NULL,
    public_key TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sessions (
    token_hash BLOB PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id),
    expires INTEGER NOT NULL
  ) STRICT;
`;

const hashOf = (token) => createHash("sha256").update(token).digest();
const fold = (name) => name.normalize("NFKC").toLowerCase();
const now = () => Math.floor(Date.now() / 1000);

export function openAccounts(stateDir) {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const database = new Database(join(stateDir, "accounts.sqlite"));
  database.pragma("journal_mode = WAL");
  database.pragma("foreign_keys = ON");
  database.exec(SCHEMA);
  const sql = {
    add: database.prepare("INSERT OR IGNORE INTO accounts (id, name, folded_name, salt, password_hash) VALUES (?, ?, ?, ?, ?)"),
    byName: database.prepare("SELECT * FROM accounts WHERE folded_name = ?"),
    setKey: database.prepare("UPDATE accounts SET public_key = ? WHERE id = ? AND public_key IS ?"),
    addSession: database.prepare("INSERT INTO sessions (token_hash, account_id, expires) VALUES (?, ?, ?)"),
    bySession: database.prepare(
      "SELECT accounts.* FROM sessions JOIN accounts ON accounts.id = account_id WHERE token_hash = ? AND expires > ?"),
    endSession: database.prepare("DELETE FROM sessions WHERE token_hash = ? OR expires <= ?"),
  };

  return {
    /** `undefined` if the name is taken. */
    async create(name, password) {
      const salt = randomBytes(16);
      const row = [randomBytes(16).toString("hex"), name, fold(name), salt, await scrypt(password, salt, HASH_BYTES)];
      if (sql.add.run(...row).changes === 0) return undefined;
      return accountFrom(sql.byName.get(fold(name)));
    },
    async withPassword(name, password) {
      const row = sql.byName.get(fold(name));
      // An unknown name takes as long as a wrong password.
      const hash = await scrypt(password, row?.salt ?? Buffer.alloc(16), HASH_BYTES);
      return row && timingSafeEqual(hash, row.password_hash) ? accountFrom(row) : undefined;
    },
    newSession(id, seconds) {
      const token = randomBytes(32).toString("base64url");
      sql.addSession.run(hashOf(token), id, now() + seconds);
      return token;
    },
    ofSession: (token) => (token ? accountFrom(sql.bySession.get(hashOf(token), now())) : undefined),
    endSession: (token) => sql.endSession.run(hashOf(token), now()),
    /** False if the key is no longer the one that the browser wants to replace. */
    setKey: (id, key, replaces) => sql.setKey.run(key, id, replaces).changes === 1,
  };
}

function accountFrom(row) {
  return row && { id: row.id, name: row.name, publicKey: row.public_key };
}
