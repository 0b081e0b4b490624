// Rooms: one numbered log each, of changes of members, keys and ciphertext. The order is decided here.

import { Refusal } from "../../lib/http.mjs";
import { boxesOf, checkEpoch } from "../public/epochs.js";
import { applyMembership, newMembership } from "../public/membership.js";
import { asRefusal } from "./devices.mjs";

const ID = /^[0-9a-f]{32}$/;
const SEALED = /^[\w-]{16}\.[\w-]{22,}$/;
/** The public key and the boxes of an epoch. */
const POINT = /^[\w-]{87}$/;
const BOX = /^[\w-]{16}\.[\w-]{64}$/;
const MAX_SEALED = 8192;
const MAX_ROOMS = 49;
const PAGE = 500;
const MAX_BATCH = 50;

export function openRooms({ database, devices, now = Date.now }) {
  const roomOf = (id) => database.get("SELECT id, epoch, last, needs_key FROM rooms WHERE id = ?", id);

  function membershipOf(user, id) {
    const member = database.get("SELECT since, until FROM members WHERE room = ? AND user = ?", id, user);
    if (!member) throw new Refusal(403, "You are not a member of this room.", { code: "not_member" });
    return member;
  }

  function requireMember(user, id) {
    const member = membershipOf(user, id);
    if (member.until !== null) throw new Refusal(403, "You were removed from this room.", { code: "removed" });
    return member;
  }

  const roomsOf = (user) => database.all(
    `SELECT rooms.id, rooms.last, members.since, members.until FROM members JOIN rooms ON rooms.id = members.room
     WHERE members.user = ? ORDER BY rooms.id`, user);
  const membersOf = (id) => database.all("SELECT user FROM members WHERE room = ? AND until IS NULL", id).map(({ user }) => user);

  const channelsOf = (user) => [`private-user-${user}`, ...roomsOf(user).filter(({ until }) => until === null)
    .flatMap(({ id }) => [`private-room-${id}`, `presence-room-${id}`])];

  /** Everybody of a room, and of all rooms shared with a person. */
  const acquaintances = (user) => database.all(
    `SELECT DISTINCT b.user FROM members a JOIN members b ON a.room = b.room
     WHERE a.user = ? AND a.until IS NULL AND b.until IS NULL`, user).map((row) => row.user);

  async function replay(id) {
    let membership = newMembership(id);
    for (const { body } of database.all("SELECT body FROM rows WHERE room = ? AND type = 'entry' ORDER BY row", id)) {
      membership = (await applyMembership(membership, JSON.parse(body), devices.deviceOf)).state;
    }
    return membership;
  }

  const lastEpoch = (id) => {
    const found = database.get("SELECT body FROM rows WHERE room = ? AND type = 'epoch' ORDER BY row DESC LIMIT 1", id);
    return found ? JSON.parse(found.body) : null;
  };

  function addRow(id, type, body, rowId = null) {
    const row = roomOf(id).last + 1;
    const at = now();
    database.run("INSERT INTO rows (room, row, type, id, at, body) VALUES (?, ?, ?, ?, ?, ?)", id, row, type, rowId, at, JSON.stringify(body));
    database.run("UPDATE rooms SET last = ? WHERE id = ?", row, id);
    return { row, type, at, ...(rowId && { id: rowId }), body };
  }

  /**
   * A change of members comes with the next key: nothing is written under the old one between. Who
   * leaves must not know the next key, so the first one to write makes it.
   */
  async function change(user, id, { entry, epoch }) {
    requireMember(user, id);
    // Others may change the room while this change is checked: then it was made for an older state.
    const basis = lastChange(id);
    const { membership, body, isLeaving } = await checkChange(user, id, { entry, epoch }).catch((error) => {
      throw lastChange(id) === basis ? error : conflict();
    });
    return database.together(() => {
      if (lastChange(id) !== basis) throw conflict();
      requireMember(user, id);
      const rows = entry ? [addRow(id, "entry", entryOf(entry))] : [];
      if (body) applyMembers(id, membership, rows[0].row);
      if (isLeaving) database.run("UPDATE rooms SET needs_key = 1 WHERE id = ?", id);
      else {
        rows.push(addRow(id, "epoch", epochOf(epoch)));
        database.run("UPDATE rooms SET epoch = ?, needs_key = 0 WHERE id = ?", epoch.n, id);
      }
      const removed = body?.op === "remove" ? body.user : null;
      return { rows, removed, added: body?.op === "add" ? body.user : null };
    });
  }

  async function checkChange(user, id, { entry, epoch }) {
    const before = await replay(id);
    const room = roomOf(id);
    let membership = before;
    let body = null;
    const holders = boxesOf(lastEpoch(id)).boxes;
    if (entry && !Object.hasOwn(holders, entry.by)) throw new Refusal(403, "This device has no key of this room yet.");
    if (entry) ({ state: membership, body } = await applyMembership(before, entry, devices.deviceOf).catch((error) => conflictOr(error)));
    if (["add", "rekey"].includes(body?.op)) requireKnown(body.user, body.root);
    const isLeaving = body?.op === "remove" && body.user === user;
    if (isLeaving && epoch) throw new Refusal(400, "Who leaves a room makes no key for it.");
    if (!isLeaving) await checkNew(id, epoch, room.epoch, membership);
    return { membership, body, isLeaving };
  }

  /** Else a member could stop the others, who look for this person's devices. */
  function requireKnown(user, root) {
    if (!devices.knows(user, root)) throw new Refusal(422, `The backend knows no such keys of ${user}.`, { code: "unknown" });
  }

  /** The row of the newest change of members or of the key. */
  function lastChange(id) {
    return database.get("SELECT max(row) AS row FROM rows WHERE room = ? AND type IN ('entry', 'epoch')", id).row;
  }

  async function checkNew(id, epoch, last, membership) {
    if (epoch?.n !== last + 1) throw conflict();
    requireBoxes(epoch);
    const previous = last > 0 ? new Set(Object.keys(boxesOf(lastEpoch(id)).boxes)) : null;
    const check = checkEpoch({ epoch, room: id, last, previous, membership, deviceOf: devices.deviceOf });
    await check.catch((error) => conflictOr(error));
  }

  function applyMembers(id, membership, row) {
    for (const user of membership.members.keys()) {
      database.run(`INSERT INTO members (room, user, since, until) VALUES (?, ?, ?, NULL)
        ON CONFLICT (room, user) DO UPDATE SET since = CASE WHEN until IS NULL THEN since ELSE excluded.since END, until = NULL`, id, user, row);
    }
    for (const user of membersOf(id)) {
      if (!membership.members.has(user)) database.run("UPDATE members SET until = ? WHERE room = ? AND user = ?", row, id, user);
    }
  }

  async function create(user, { room: id, entry, epoch }) {
    if (!ID.test(id ?? "")) throw new Refusal(400, "This is no id of a room.");
    const { state, body } = await applyMembership(newMembership(id), entry, devices.deviceOf).catch(asRefusal);
    if (body.op !== "create" || !state.members.has(user)) throw new Refusal(403, "Make a room with yourself in it.");
    for (const [one, { root }] of state.members) requireKnown(one, root);
    await checkNew(id, epoch, 0, state);
    const people = [...state.members.keys()].sort();
    const full = people.find((one) => channelsOf(one).length > 2 * MAX_ROOMS - 1);
    if (full) throw new Refusal(409, `${full} is in ${MAX_ROOMS} rooms already. One of them has to be left first.`);
    const pair = state.kind === "dm" ? people.join(" ") : null;
    return database.together(() => {
      const known = pair && database.get("SELECT id FROM rooms WHERE pair = ?", pair);
      if (known) throw new Refusal(409, "This conversation exists already.", { code: "exists", room: known.id });
      const { changes } = database.run("INSERT OR IGNORE INTO rooms (id, pair, epoch, last) VALUES (?, ?, ?, 0)", id, pair, epoch.n);
      if (changes === 0) throw new Refusal(409, "This room exists already.", { code: "exists", room: id });
      const rows = [addRow(id, "entry", entryOf(entry))];
      applyMembers(id, state, rows[0].row);
      rows.push(addRow(id, "epoch", epochOf(epoch)));
      return { rows, people };
    });
  }

  /** All or none, so that the numbers of a sender have no gap. */
  function addMessages(user, id, messages) {
    if (!Array.isArray(messages) || messages.length === 0 || messages.length > MAX_BATCH) throw new Refusal(400, "These messages cannot be read.");
    return database.together(() => messages.map((message) => addMessage(user, id, message ?? {})));
  }

  /** An id is taken once: a message that comes again is answered with its row. */
  function addMessage(user, id, { id: messageId, epoch, device, number, sealed }) {
    if (!ID.test(messageId ?? "") || !Number.isSafeInteger(number) || number < 1) throw new Refusal(400, "This message cannot be read.");
    if (!SEALED.test(sealed ?? "")) throw new Refusal(422, "This is not ciphertext. The backend takes nothing else.", { code: "plaintext_refused" });
    if (sealed.length > MAX_SEALED) throw new Refusal(413, "This message is too long.");
    if (typeof device !== "string" || !device.startsWith(`${user}.`)) throw new Refusal(403, "This is a device of another person.");
    return database.together(() => {
      requireMember(user, id);
      const known = database.get("SELECT row, type, id, at, body FROM rows WHERE room = ? AND id = ? AND type = 'message'", id, messageId);
      if (known) return { row: { ...known, body: JSON.parse(known.body) }, isNew: false };
      const room = roomOf(id);
      if (room.epoch !== epoch || room.needs_key) throw conflict();
      takeNumber(id, epoch, device, number);
      return { row: addRow(id, "message", { epoch, device, number, sealed }, messageId), isNew: true };
    });
  }

  /** Readers refuse a number that comes again; two tabs of one device may have chosen the same. */
  function takeNumber(id, epoch, device, number) {
    const { last } = database.get("SELECT last FROM numbers WHERE room = ? AND epoch = ? AND device = ?", id, epoch, device) ?? { last: 0 };
    if (number <= last) throw new Refusal(409, "Another tab was faster.", { code: "number", last });
    database.run("INSERT OR REPLACE INTO numbers (room, epoch, device, last) VALUES (?, ?, ?, ?)", id, epoch, device, number);
  }

  function deleteMessage(user, id, { id: messageId, device, signature }) {
    const isShort = [device, signature].every((part) => typeof part === "string" && part.length < 200);
    if (!isShort || !device.startsWith(`${user}.`)) throw new Refusal(400, "This deletion cannot be read.");
    return database.together(() => {
      requireMember(user, id);
      const found = database.get("SELECT row, body FROM rows WHERE room = ? AND id = ? AND type = 'message'", id, String(messageId));
      const body = found && JSON.parse(found.body);
      if (!found) throw new Refusal(404, "This message is not here.");
      if (!body.device.startsWith(`${user}.`)) throw new Refusal(403, "Only its author deletes a message.");
      if (body.sealed === null) return null;
      database.run("UPDATE rows SET body = ? WHERE room = ? AND row = ?", JSON.stringify({ ...body, sealed: null }), id, found.row);
      return addRow(id, "deletion", { id: messageId, device, signature });
    });
  }

  function setMark(user, id, { epoch, device, sealed }) {
    if (!SEALED.test(sealed ?? "") || sealed.length > 1000) throw new Refusal(422, "This is not ciphertext.", { code: "plaintext_refused" });
    if (typeof device !== "string" || !device.startsWith(`${user}.`) || !Number.isSafeInteger(epoch)) throw new Refusal(400, "This receipt cannot be read.");
    requireMember(user, id);
    const body = { epoch, device, sealed };
    database.run("INSERT OR REPLACE INTO marks (room, user, body) VALUES (?, ?, ?)", id, user, JSON.stringify(body));
    return body;
  }

  /** Changes of members from the beginning; keys and ciphertext from this person's last joining. */
  function rowsAfter(user, id, after) {
    const { since, until } = membershipOf(user, id);
    const end = until ?? Number.MAX_SAFE_INTEGER;
    const found = database.all(
      `SELECT row, type, id, at, body FROM rows WHERE room = ? AND row > ? AND row <= ? AND (type = 'entry' OR row >= ?) ORDER BY row LIMIT ?`,
      id, after, end, since, PAGE + 1);
    const rows = found.slice(0, PAGE).map(({ body, ...rest }) => ({ ...rest, body: JSON.parse(body) }));
    const more = found.length > PAGE;
    const marks = database.all("SELECT user, body FROM marks WHERE room = ?", id).map(({ user: of, body }) => ({ user: of, ...JSON.parse(body) }));
    return { rows, more, last: more ? rows.at(-1).row : Math.min(roomOf(id).last, end), marks: until === null ? marks : [], isMember: until === null };
  }

  return { roomsOf, membersOf, channelsOf, acquaintances, change, create, addMessages, deleteMessage, setMark, rowsAfter };
}

/** What is signed, and nothing beside it. */
const entryOf = ({ n, prev, body, by, signature }) => ({ n, prev, body, by, signature });
const epochOf = ({ room, n, head, by, boxes, signature }) => ({ room, n, head, by, boxes, signature });

function requireBoxes(epoch) {
  let parts;
  try {
    parts = boxesOf(epoch);
  } catch (error) {
    throw asRefusal(error);
  }
  const isSealed = POINT.test(parts.ephemeral) && Object.values(parts.boxes).every((box) => typeof box === "string" && BOX.test(box));
  if (!isSealed || epoch.boxes !== JSON.stringify(parts)) throw new Refusal(422, "This is not ciphertext. The backend takes nothing else.", { code: "plaintext_refused" });
}

const conflict = () => new Refusal(409, "Another device was faster.", { code: "epoch" });

/** A change made for an older state of the room is a lost race, not a fault. */
function conflictOr(error) {
  if (["order", "members"].includes(error.code)) throw conflict();
  return asRefusal(error);
}
