// Users, lists and members in SQLite. The text of a list is here only while no layer seals it.

import { createHash, randomBytes } from "node:crypto";
import { installed } from "../lib/packages.mjs";

const Database = installed("better-sqlite3");

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, name TEXT NOT NULL, session_hash TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS lists (
    id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL REFERENCES users (id), invite TEXT NOT NULL,
    layers TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 1, copy TEXT);
  CREATE TABLE IF NOT EXISTS members (
    list INTEGER NOT NULL REFERENCES lists (id), user TEXT NOT NULL REFERENCES users (id), PRIMARY KEY (list, user));
  CREATE TABLE IF NOT EXISTS devices (
    list INTEGER NOT NULL, user TEXT NOT NULL, device TEXT NOT NULL, turn INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (list, user, device));
`;

export const LAYERS = ["passes", "origins", "names", "disk", "passphrase"];
const FIRST_LAYERS = { passes: true, origins: true, names: true, disk: true, passphrase: false };

/** Each has to be shut out when its user is removed. */
const MAX_DEVICES = 50;

/** Names its list, so that an end in one list is none in another. */
const nameOf = (list, user, device, turn) => `${user}.${list}.${device}.${turn}`;
const random = (bytes) => randomBytes(bytes).toString("base64url");
const hashOf = (text) => createHash("sha256").update(text).digest("hex");

export function openStore(file) {
  const database = new Database(file);
  // Deleted text leaves the file, too.
  database.pragma("secure_delete = ON");
  database.pragma("foreign_keys = ON");
  database.exec(SCHEMA);
  const statements = new Map();
  const sql = (text) => {
    if (!statements.has(text)) statements.set(text, database.prepare(text));
    return statements.get(text);
  };
  const withLayers = (row) => row && { ...row, layers: JSON.parse(row.layers) };

  return {
    close: () => database.close(),
    addUser(name) {
      const user = { id: random(9), name };
      const session = random(24);
      sql("INSERT INTO users VALUES (?, ?, ?)").run(user.id, name, hashOf(session));
      return { user, session };
    },
    userOf: (session) => (session ? sql("SELECT id, name FROM users WHERE session_hash = ?").get(hashOf(session)) : undefined),
    addList: database.transaction((owner) => {
      const row = sql("INSERT INTO lists (owner, invite, layers) VALUES (?, ?, ?)").run(owner, random(16), JSON.stringify(FIRST_LAYERS));
      sql("INSERT INTO members VALUES (?, ?)").run(row.lastInsertRowid, owner);
      return Number(row.lastInsertRowid);
    }),
    list: (id) => withLayers(sql("SELECT id, owner, invite, layers, revision FROM lists WHERE id = ?").get(id)),
    listsOf: (user) => sql("SELECT list FROM members WHERE user = ? ORDER BY list DESC").pluck().all(user),
    membersOf: (list) => sql("SELECT users.id, users.name FROM members JOIN users ON users.id = user WHERE list = ? ORDER BY members.rowid").all(list),
    isMember: (list, user) => sql("SELECT 1 FROM members WHERE list = ? AND user = ?").get(list, user) !== undefined,
    /** The one before ends: whoever was removed may still have it. */
    renewInvite: (list) => sql("UPDATE lists SET invite = ? WHERE id = ?").run(random(16), list),
    addMember: (list, user) => sql("INSERT OR IGNORE INTO members VALUES (?, ?)").run(list, user),
    removeMember: (list, user) => sql("DELETE FROM members WHERE list = ? AND user = ?").run(list, user),
    /** False if another switch came first. */
    setLayers: (list, layers, revision) =>
      sql("UPDATE lists SET layers = ?, revision = revision + 1, copy = NULL WHERE id = ? AND revision = ?")
        .run(JSON.stringify(layers), list, revision).changes === 1,
    setCopy: (list, text) => sql("UPDATE lists SET copy = ? WHERE id = ?").run(text, list),
    /** A device goes by another name in each turn, as Sealcast shows a subject nothing from before its end. Undefined for too many. */
    subjectOf(list, user, device) {
      const known = sql("SELECT device FROM devices WHERE list = ? AND user = ?").pluck().all(list, user);
      if (!known.includes(device) && known.length >= MAX_DEVICES) return undefined;
      sql("INSERT OR IGNORE INTO devices (list, user, device) VALUES (?, ?, ?)").run(list, user, device);
      return nameOf(list, user, device, sql("SELECT turn FROM devices WHERE list = ? AND user = ? AND device = ?").pluck().get(list, user, device));
    },
    /** The subjects of these devices now. */
    subjectsOf: (list, user) =>
      sql("SELECT user, device, turn FROM devices WHERE list = ? AND user = coalesce(?, user)").all(list, user ?? null)
        .map((row) => nameOf(list, row.user, row.device, row.turn)),
    /** From now on they go by others. */
    endTurns: (list, user, device) =>
      sql("UPDATE devices SET turn = turn + 1 WHERE list = ? AND user = coalesce(?, user) AND device = coalesce(?, device)")
        .run(list, user ?? null, device ?? null),
  };
}
