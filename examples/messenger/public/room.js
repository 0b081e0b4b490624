// One room: takes rows in their order, checks and opens them, and makes the next key.

import { DoesNotOpen } from "../../lib/crypto.js";
import { Broken } from "./chain.js";
import { userOf } from "./devices.js";
import { boxesOf, checkEpoch, epochKeys, makeEpoch, openEpoch, whyRenew } from "./epochs.js";
import { applyMembership, membershipEntry, newMembership } from "./membership.js";
import { isDeletion, Numbers, openMark, openMessage } from "./messages.js";
import { RequestError } from "./session.js";
import { Timeline } from "./timeline.js";

const rowKey = (room, row) => `row/${room}/${String(row).padStart(9, "0")}`;

export class Room {
  last = 0;
  read = 0;
  isMember = true;
  /** The newest message as the backend has it. */
  newestRow = null;
  /** A person whose keys have to be looked at before anything is sealed. */
  halted = null;
  membership;
  timeline = new Timeline();
  numbers = new Numbers();
  marks = new Map();
  /** By number: `{ epoch, deviceIds, keys }`, without keys if it was not sealed to this device. */
  epochs = new Map();
  lastEpoch = 0;
  #valid = null;
  /** Ids of messages that are in the room. */
  #taken = new Set();
  #expected = 0;
  #queue = Promise.resolve();
  #context;

  /** `context`: `{ me, people, store, now, onMessage }`. */
  constructor(id, context) {
    this.id = id;
    this.#context = context;
    this.membership = newMembership(id);
  }

  /** From this browser's storage: rows as they came. */
  load() {
    const { store } = this.#context;
    return this.#inOrder(async () => {
      const { last = 0, read = 0, isMember = true } = (await store.get(`room/${this.id}`)) ?? {};
      const rows = (await store.entries(`row/${this.id}/`)).map(([, row]) => row);
      for (const row of rows) await this.#take(row).catch((error) => this.#broken(error, row));
      // Another tab, which was behind, may have kept the older number.
      Object.assign(this, { last: Math.max(last, rows.at(-1)?.row ?? 0), read, isMember });
    });
  }

  /** The number of the row that follows everything that came, taken or on its way. */
  get next() {
    return Math.max(this.last, this.#expected) + 1;
  }

  /** A row of the line. False if it does not open: then the database's counts. */
  applyLive(row) {
    this.#expected = Math.max(this.#expected, row.row);
    return this.#inOrder(async () => {
      if (row.row <= this.last) return true;
      const isNext = row.row === this.last + 1;
      const item = isNext && (await this.#take(row).catch((error) => this.#broken(error, row)));
      if (item === false) {
        this.#expected = 0;
        return false;
      }
      this.last = row.row;
      await Promise.all([this.#context.store.put(rowKey(this.id, row.row), row), this.#keep()]);
      if (item) this.#context.onMessage(this, item, { isLive: true });
      return true;
    });
  }

  settled = () => this.#queue;

  /** Keeps rows that follow what is here; `last` is the newest row that the backend has shown. */
  apply(rows, { last, isMember = this.isMember }) {
    this.#expected = 0;
    return this.#inOrder(async () => {
      const { store, onMessage } = this.#context;
      const added = [];
      for (const row of rows) {
        if (row.row <= this.last) continue;
        const item = await this.#take(row).catch((error) => this.#broken(error, row));
        if (item) added.push(item);
        await store.put(rowKey(this.id, row.row), row);
        this.last = row.row;
      }
      this.last = Math.max(this.last, last);
      this.isMember = isMember;
      await this.#keep();
      for (const item of added) onMessage(this, item, { isLive: false });
      return added;
    });
  }

  #inOrder(work) {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  #keep() {
    const { last, read, isMember } = this;
    return this.#context.store.put(`room/${this.id}`, { last, read, isMember });
  }

  async setRead(row) {
    if (row <= this.read) return false;
    this.read = row;
    await this.#keep();
    return true;
  }

  async #take(row) {
    if (row.type === "entry") return this.#takeEntry(row);
    if (row.type === "epoch") return this.#takeEpoch(row);
    if (row.type === "message") {
      this.newestRow = row;
      return this.#takeMessage(row);
    }
    return row.type === "deletion" ? this.#takeDeletion(row) : null;
  }

  /** Shown, never dropped: a row that cannot be read must not stop those behind it. */
  #broken(error, row) {
    // The backend has not answered, which says nothing about the row.
    if (error instanceof RequestError) throw error;
    const sentence = error instanceof Broken ? error.message
      : error instanceof DoesNotOpen ? "A message did not open: it was altered, or sealed for another place." : "Something in this room cannot be read.";
    this.timeline.addBroken({ row: row.row, at: row.at, user: userOf(String(row.body?.device ?? row.body?.by ?? "")), sentence });
    return false;
  }

  async #takeEntry({ row, at, body: entry }) {
    const { me, people } = this.#context;
    if (this.#valid && !this.#valid.has(entry.by)) throw new Broken("signer", "A change of members was signed by a device that has no key of this room.");
    const { state, body, by } = await applyMembership(this.membership, entry, people.deviceOf);
    this.membership = state;
    // Keys from before somebody joined are not shown to them.
    if (body.op === "add" && body.user === me.user) this.#valid = null;
    this.timeline.addMember({ row, at, by, body });
    return null;
  }

  async #takeEpoch({ at, body: epoch }) {
    const { me, people, store } = this.#context;
    const last = this.#valid ? this.lastEpoch : epoch.n - 1;
    // Also one that is refused below: the backend has gone on to it, and takes nothing under an older one.
    if (Number.isSafeInteger(epoch.n) && epoch.n === last + 1) this.lastEpoch = Math.max(this.lastEpoch, epoch.n);
    const deviceIds = await checkEpoch({
      epoch, room: this.id, last, previous: this.#valid, membership: this.membership, deviceOf: people.deviceOf,
    });
    this.#valid = deviceIds;
    const name = `epoch/${this.id}/${epoch.n}`;
    let secret = await store.get(name);
    if (!secret) {
      secret = await openEpoch(epoch, me);
      if (secret) await store.put(name, secret);
    }
    const keys = secret ? await epochKeys(secret, this.id, epoch.n) : null;
    this.epochs.set(epoch.n, { epoch: { ...epoch, at }, deviceIds, keys });
    return null;
  }

  async #takeMessage({ row, at, id, body }) {
    const { epoch, device, number, sealed } = body;
    const user = userOf(device);
    const known = this.epochs.get(epoch);
    if (known && !known.keys) return void this.timeline.addLocked({ row, at });
    const head = { room: this.id, epoch, device, number, id };
    if (sealed === null) {
      this.#number(head, { row, at, user });
      this.#taken.add(id);
      return void this.timeline.addDeleted({ row, at, id, user });
    }
    // Under an older key, who was removed since could read it, or have written it.
    const isCurrent = epoch === this.lastEpoch && known?.epoch.head === this.membership.head.hash;
    if (!isCurrent) throw new Broken("order", "A message came under a key that had been replaced, and was refused.");
    if (!known.deviceIds.has(device)) throw new Broken("signer", "A message came from a device outside this room.");
    const { root } = this.membership.members.get(user) ?? {};
    const publicKey = await this.#keyOf(device);
    const opened = await openMessage(known.keys.message, publicKey, head, sealed);
    this.#number(head, { row, at, user });
    this.#taken.add(id);
    return this.timeline.add({ row, at, id, user, root, ...opened });
  }

  /** True once the message is in the room, also if the answer to its sender was lost. */
  has(id) {
    return this.#taken.has(id);
  }

  #number(head, { row, at, user }) {
    const count = this.numbers.take(head);
    if (count > 0) this.timeline.addMissing({ row, at, user, count });
  }

  async #keyOf(device) {
    const root = this.membership.members.get(userOf(device))?.root;
    const found = root && (await this.#context.people.deviceOf(device, root));
    if (!found) throw new Broken("signer", "This came from a device outside this room.");
    return found.signKey;
  }

  async #takeDeletion({ body }) {
    const { id, device } = body;
    const isGood = await isDeletion(await this.#keyOf(device), { room: this.id, ...body });
    if (!isGood) throw new Broken("signature", "A deletion was not signed by the device that it names.");
    const row = this.timeline.find(id)?.row;
    this.timeline.delete(id, userOf(device));
    const { store } = this.#context;
    const kept = row && (await store.get(rowKey(this.id, row)));
    if (kept && userOf(kept.body.device) === userOf(device)) await store.put(rowKey(this.id, row), { ...kept, body: { ...kept.body, sealed: null } });
    return null;
  }

  /** A receipt of somebody; one that does not open is left out. */
  async takeMark({ user, epoch, device, sealed }) {
    const known = this.epochs.get(epoch);
    if (userOf(device) !== user || !known?.keys || !known.deviceIds.has(device)) return false;
    try {
      const row = await openMark(known.keys.mark, await this.#keyOf(device), { room: this.id, epoch, device }, sealed);
      if (row <= (this.marks.get(user) ?? 0)) return false;
      this.marks.set(user, row);
      return true;
    } catch {
      return false;
    }
  }

  get current() {
    const known = this.epochs.get(this.lastEpoch);
    return known?.keys ? { n: this.lastEpoch, ...known } : null;
  }

  /** Why nothing can be written here: "removed", "key", "halted", or "". */
  get obstacle() {
    if (!this.isMember) return "removed";
    // The others have to accept new keys of this person; nothing can be done here.
    if (this.halted === this.#context.me.user) return "key";
    if (this.halted) return "halted";
    return this.#valid && !this.#valid.has(this.#context.me.id) ? "key" : "";
  }

  /** Resolves with the devices to seal to. Sets `halted`, and throws, if somebody's keys changed. */
  async devices(membership = this.membership) {
    const { devices, halted } = await this.#context.people.devicesFor(membership);
    this.halted = halted ?? null;
    if (halted) throw new Broken("halted", `The keys of ${halted} changed. Nothing is sent before you have looked at them.`);
    return devices;
  }

  async whyRenew() {
    const known = this.epochs.get(this.lastEpoch);
    const { membership } = this;
    return whyRenew({ epoch: known?.epoch, deviceIds: known?.deviceIds ?? new Set(), membership, devices: await this.devices(), now: this.#context.now() });
  }

  /** The request for the next key, and with `body` for a change of members. */
  async proposal(body) {
    const { me, people } = this.#context;
    const entry = body && (await membershipEntry(me, this.membership, body));
    const membership = entry ? (await applyMembership(this.membership, entry, people.deviceOf)).state : this.membership;
    // Who leaves must not know the next key.
    if (body?.op === "remove" && body.user === me.user) return { entry };
    const devices = await this.devices(membership);
    const { epoch } = await makeEpoch({ room: this.id, n: this.lastEpoch + 1, head: membership.head.hash, me, devices });
    return { entry, epoch };
  }

  nextNumber() {
    return this.numbers.last(this.lastEpoch, this.#context.me.id) + 1;
  }

  /** For the panel: how many devices the present key is sealed to. */
  get deviceCount() {
    const epoch = this.epochs.get(this.lastEpoch)?.epoch;
    return epoch ? Object.keys(boxesOf(epoch).boxes).length : 0;
  }

  displayTitle(nameOf) {
    if (this.membership.kind === "dm") {
      const other = [...this.membership.members.keys()].find((user) => user !== this.#context.me.user);
      return other ? nameOf(other) : "Nobody";
    }
    return this.timeline.title || "A room without a name yet";
  }

  /** The other one of a conversation of two. */
  get other() {
    if (this.membership.kind !== "dm") return null;
    return [...this.membership.members.keys()].find((user) => user !== this.#context.me.user) ?? null;
  }
}
