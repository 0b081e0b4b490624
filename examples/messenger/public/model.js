// Everything behind the page for one person: this device, rooms, people, the line, what waits.

import { addEntry, newDevice, publicPart, removeEntry, rootEntry } from "./devices.js";
import { openLive } from "./live.js";
import { localKey, openOutbox } from "./outbox.js";
import { People } from "./people.js";
import { Rooms } from "./rooms.js";
import { withLock } from "./session.js";
import { Signals } from "./signals.js";

const SYNC_RETRY_MS = 3000;
const PREFERENCES = { receipts: true, notify: false, notifyText: false };

export class Model {
  /** "starting", "pending" (this device waits for an older one), or "ready". */
  phase = "starting";
  line = { name: "loading", since: null };
  here = new Map();
  preferences = { ...PREFERENCES };
  #options;
  #syncTimer;
  #beginning = null;
  #tabs;

  /** `{ config, session, store, onChange(what), onMessage(room, item, isLive), onCaughtUp(), onRemoved() }`. */
  constructor(options) {
    this.#options = options;
    this.user = options.session.user;
    this.request = options.session.request;
    this.signals = new Signals(this);
    this.people = new People({ store: options.store, request: this.request, onChange: () => this.changed() });
  }

  changed(what = "all") {
    this.#options.onChange(what);
  }

  get now() {
    return this.#options.session.now();
  }

  async start(name) {
    const { store } = this.#options;
    Object.assign(this.preferences, await store.get("preferences"));
    this.me = await this.#device(store);
    await this.#enroll(name);
  }

  /** Made once for a browser, and kept: two tabs are one device. */
  #device(store) {
    return withLock(`messenger-device:${this.user}`, async () => {
      const known = await store.get("device");
      if (known) return known;
      const made = await newDevice(this.user, deviceName());
      await store.put("device", made);
      return made;
    });
  }

  async #enroll(name) {
    let own = await this.people.refresh(this.user);
    if (!own?.chain && !own?.alert) {
      await this.request("POST", "/devices/log", { entry: await rootEntry(this.me, name || this.user) });
      own = await this.people.refresh(this.user);
    }
    if (await this.#isListed(own)) return;
    this.phase = "pending";
    await this.request("POST", "/devices", { device: await publicPart(this.me) });
    this.#connect();
    this.changed();
  }

  /** True once this device may read. */
  async #isListed(own) {
    const listed = (own.chain ?? own.offered).devices.get(this.me.id);
    if (listed && !listed.isActive) await this.#renewDevice();
    else if (listed && !own.alert) await this.#begin();
    else return false;
    return true;
  }

  async #waitOn() {
    await this.#isListed(await this.people.refresh(this.user));
    this.changed();
  }

  /** This device was taken off the list: its keys are of no use any more. */
  async #renewDevice() {
    const { store } = this.#options;
    await store.delete("device");
    this.me = await this.#device(store);
    return this.#enroll();
  }

  /** Another device has begun this person's list anew, and has let this one in. */
  async acceptOwn() {
    await this.people.accept(this.user);
    await this.#waitOn();
  }

  /** All older devices are lost: the list of devices begins anew, and others are warned. */
  async startOver() {
    const name = this.people.nameOf(this.user);
    await this.request("POST", "/devices/log", { entry: await rootEntry(this.me, name), isRestart: true });
    await this.people.refresh(this.user);
    if (this.people.get(this.user).alert) await this.people.accept(this.user);
    await this.#begin();
  }

  #begin() {
    this.#beginning ??= this.#makeReady().catch((error) => {
      this.#beginning = null;
      throw error;
    });
    return this.#beginning;
  }

  async #makeReady() {
    const { store, session } = this.#options;
    this.rooms = new Rooms({
      me: this.me, people: this.people, store, request: this.request, now: () => session.now(),
      onChange: () => this.changed(), onRoom: (room) => this.live?.join(room.id), onLeft: (room) => this.live?.leave(room.id),
      onMessage: (room, item, { isLive }) => this.#options.onMessage(room, item, isLive),
      renew: () => session.another(), enqueue: (...what) => this.outbox.enqueue(...what),
    });
    await this.rooms.load();
    const key = await localKey(store);
    this.outbox = await openOutbox({
      store, key, me: this.me, rooms: this.rooms, request: this.request, isLive: () => this.line.name === "live",
      onChange: () => this.changed("outbox"),
    });
    this.phase = "ready";
    this.#listenToTabs();
    this.changed();
    if (!this.live) this.#connect();
    else await this.#sync();
  }

  /* ---- the line ------------------------------------------------------------------------------- */

  #connect() {
    this.live ??= openLive({
      config: this.#options.config, session: this.#options.session, user: this.user,
      on: {
        state: (name, details) => this.#lineState(name, details),
        row: (id, row) => this.#row(id, row),
        mark: async (id, mark) => {
          if (await this.rooms?.get(id)?.takeMark(mark)) this.changed();
        },
        nudge: (what) => this.#nudged(what).catch(() => this.#syncLater()),
        gap: (id) => this.#gap(id),
        here: (id, users) => {
          this.here.set(id, new Set(users));
          this.changed("here");
        },
        typing: (id, user, sealed) => this.signals.typingOf(id, user, sealed),
        // Rows from between the last look at the database and now; and receipts.
        joined: (id) => this.#gap(id),
        refused: (id) => setTimeout(() => this.#refused(id).catch(() => this.#syncLater()), SYNC_RETRY_MS),
      },
    });
  }

  #lineState(name, { retryAt, sentence }) {
    const wasLive = this.line.name === "live";
    if (name !== "live" && wasLive) this.#away();
    const since = name === "live" ? null : (this.line.since ?? Date.now());
    this.line = { name, since, retryAt, sentence };
    if (name === "live") this.#sync();
    else this.here.clear();
    this.changed("line");
  }

  #away() {
    for (const room of this.rooms?.all.values() ?? []) room.awayFrom = room.last;
  }

  async #sync() {
    if (this.phase === "pending") return this.#waitOn().catch(() => this.#syncLater());
    if (!this.rooms) return;
    clearTimeout(this.#syncTimer);
    // One room or person that fails must not keep what waits for the others.
    const isGood = await this.rooms.sync().then(() => this.#refreshPeople()).then(() => true, () => false);
    if (isGood) this.#options.onCaughtUp();
    else this.#syncLater();
    this.changed();
    await this.outbox?.flush();
  }

  #syncLater() {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = setTimeout(() => this.#sync(), SYNC_RETRY_MS);
  }

  async #refreshPeople() {
    const users = new Set([this.user]);
    for (const room of this.rooms.all.values()) if (room.isMember) for (const user of room.membership.members.keys()) users.add(user);
    for (const user of users) await this.people.refresh(user);
  }

  #row(id, row) {
    const room = this.rooms?.get(id);
    if (room) this.rooms.live(room, row).catch(() => this.#syncLater());
  }

  async #nudged({ room: id, rooms, devices }) {
    if (this.phase === "pending") return devices === this.user ? this.#waitOn() : undefined;
    if (devices) {
      const person = await this.people.refresh(devices);
      if (devices === this.user && person?.chain?.devices.get(this.me.id)?.isActive === false) return this.#options.onRemoved();
      for (const room of this.rooms.all.values()) if (room.membership.members.has(devices)) await room.devices().catch(() => {});
    }
    if (rooms) {
      await this.#options.session.another();
      await this.rooms.sync();
    }
    const room = id && this.rooms.get(id);
    if (room) await this.rooms.pull(room);
    this.changed();
    this.outbox.flush();
  }

  /** The token is older than the membership, or the membership has ended. */
  async #refused(id) {
    if (!id || !this.rooms) return;
    await this.#options.session.another();
    await this.rooms.sync();
    if (!this.rooms.get(id)?.isMember) return;
    this.live.leave(id);
    this.live.join(id);
  }

  /** The log of the line has lost events; the database has them. */
  #gap(id) {
    const room = id && this.rooms?.get(id);
    if (!room) return;
    this.rooms.pull(room).catch(() => this.#syncLater());
  }

  tokenChanged() {
    if (this.live?.isLive) this.live.extend();
  }

  /* ---- what this person does -------------------------------------------------------------------- */

  async approve(device) {
    const own = this.people.get(this.user);
    await this.request("POST", "/devices/log", { entry: await addEntry(this.me, own.chain, device) });
    await this.#devicesChanged();
  }

  refuse = (id) => this.request("POST", "/devices/refuse", { id });

  async removeDevice(id) {
    const own = this.people.get(this.user);
    await this.request("POST", "/devices/log", { entry: await removeEntry(this.me, own.chain, id) });
    await this.#devicesChanged();
  }

  /** Every room gets a key for exactly the devices of now. */
  async #devicesChanged() {
    await this.people.refresh(this.user);
    for (const room of this.rooms.all.values()) if (room.isMember) await this.rooms.ensureEpoch(room).catch(() => {});
    this.changed();
  }

  /** The keys that were shown, and no later ones. */
  async acceptKeys(user, root) {
    if (this.people.get(user).alert) await this.people.accept(user, root);
    for (const room of this.rooms.all.values()) {
      const member = room.membership.members.get(user);
      if (room.isMember && member && member.root !== root) await this.rooms.rekey(room, user, root);
      await room.devices().catch(() => {});
    }
    this.changed();
    this.outbox.flush();
  }

  async markRead(room) {
    const row = room.timeline.items.findLast(({ user }) => user !== this.user)?.row ?? 0;
    if (await room.setRead(row)) {
      this.#tabs?.postMessage({ read: room.id, row });
      this.changed();
    }
    await this.signals.mark(room);
  }

  async prefer(change) {
    Object.assign(this.preferences, change);
    await this.#options.store.put("preferences", { ...this.preferences });
    this.#tabs?.postMessage({ preferences: this.preferences });
    this.changed();
  }

  get pending() {
    return (this.people.get(this.user)?.pending ?? []).filter(({ id }) => id !== this.me.id);
  }

  /* ---- other tabs of this browser ----------------------------------------------------------------- */

  #listenToTabs() {
    this.#tabs = new BroadcastChannel(`messenger:${this.user}`);
    this.#tabs.addEventListener("message", async ({ data }) => {
      if (data.logout) return this.#options.session.ended();
      if (data.preferences) Object.assign(this.preferences, data.preferences);
      const room = data.read && this.rooms.get(data.read);
      if (room) room.read = Math.max(room.read, data.row);
      this.changed();
    });
  }

  /** `isForgetting`: keys and messages of this browser are erased, too. */
  async logOut({ isForgetting, isEverywhere, sentence }) {
    // The page stops this model at the logout.
    const tabs = this.#tabs;
    this.#tabs = null;
    await this.#options.session.logOut({ isEverywhere, sentence });
    tabs?.postMessage({ logout: true });
    tabs?.close();
    if (isForgetting) await this.#options.store.clear();
  }

  stop() {
    clearTimeout(this.#syncTimer);
    this.signals.stop();
    this.live?.close();
    this.outbox?.stop();
    this.#tabs?.close();
  }
}

function deviceName() {
  const { userAgentData, userAgent } = navigator;
  const isMobile = userAgentData?.mobile ?? /Mobi/.test(userAgent);
  return `${isMobile ? "Phone" : "Browser"} of ${new Date().toLocaleDateString("en-GB", { day: "numeric", month: "long" })}`;
}
