// Who belongs to a room: a signed log. The keys of people are part of it, so that the backend can
// neither add a person nor replace one.

import { bodyOf, Broken, checkEntry, makeEntry, START } from "./chain.js";
import { userOf } from "./devices.js";

const PURPOSE = "messenger membership";
export const MAX_MEMBERS = 32;

export const newMembership = (room) => ({ room, kind: null, head: START, members: new Map() });

const copyOf = (state) => ({ ...state, members: new Map(state.members) });

/** `body`: `{ op: "create", kind, members: [{ user, root }] }`, `{ op: "add" | "rekey", user, root }` or `{ op: "remove", user }`. */
export const membershipEntry = (me, state, body) =>
  makeEntry({ purpose: PURPOSE, log: state.room, head: state.head, body, by: me.id, signKey: me.sign.privateKey });

/**
 * Resolves with `{ state, body, by }` after the entry; the given state stays as it was.
 * `deviceOf(id, root)` finds a device that chains to this first device, or nothing.
 */
export async function applyMembership(state, entry, deviceOf) {
  const body = bodyOf(entry);
  const user = userOf(entry.by);
  const next = copyOf(state);
  if (body.op === "create") create(next, body);
  const root = (body.op === "create" ? next : state).members.get(user)?.root;
  const device = root && (await deviceOf(entry.by, root));
  if (!device) throw new Broken("signer", "A change of members was signed by a device that is not of this room.");
  next.head = await checkEntry({ purpose: PURPOSE, log: state.room, head: state.head, entry, publicKey: device.signKey });
  if (body.op !== "create") change(next, body);
  return { state: next, body, by: user };
}

function create(next, { kind, members }) {
  if (next.kind !== null) throw new Broken("order", "A room begins only once.");
  const isList = Array.isArray(members) && members.length >= 1 && members.length <= MAX_MEMBERS;
  if (!["room", "dm"].includes(kind) || !isList || (kind === "dm" && members.length !== 2)) {
    throw new Broken("form", "The first entry of a room cannot be read.");
  }
  next.kind = kind;
  for (const member of members) put(next, member?.user, member?.root);
  if (next.members.size !== members.length) throw new Broken("form", "A member is listed twice.");
}

function change(next, { op, user, root }) {
  const isMember = next.members.has(user);
  if (op === "add" && !isMember && next.kind === "room" && next.members.size < MAX_MEMBERS) return put(next, user, root);
  if (op === "rekey" && isMember) return put(next, user, root);
  if (op === "remove" && isMember && next.kind === "room") return next.members.delete(user);
  throw new Broken("form", "A change of members does not fit this room.");
}

function put(next, user, root) {
  if (typeof user !== "string" || typeof root !== "string") throw new Broken("form", "A member cannot be read.");
  next.members.set(user, { root });
}
