// All rooms of this person: fetches what is behind, makes rooms, changes members and keys.

import { randomId } from "../../lib/crypto.js";
import { Broken } from "./chain.js";
import { Room } from "./room.js";

const TRIES = 6;

export class Rooms {
  all = new Map();
  #context;
  #pulls = new Map();

  /** `context`: that of a room, and `{ request, renew, enqueue, onChange, onRoom, onLeft }`. */
  constructor(context) {
    this.#context = context;
  }

  get(id) {
    return this.all.get(id) ?? null;
  }

  /** As kept in this browser: works offline, too. */
  async load() {
    const kept = await this.#context.store.entries("room/");
    for (const [name] of kept) await this.#add(name.slice("room/".length));
    this.#context.onChange();
  }

  /** One object for a room, whoever hears of it first. */
  async #add(id) {
    const known = this.get(id);
    if (known) return known;
    const room = new Room(id, this.#context);
    this.all.set(id, room);
    await room.load();
    return room;
  }

  /** Resolves with the count of messages that came from the database. */
  async sync() {
    const { rooms } = await this.#context.request("GET", "/rooms");
    let count = 0;
    let failure = null;
    for (const { id, last, until } of rooms) {
      try {
        const room = this.get(id) ?? (await this.#add(id));
        if (until === null) this.#context.onRoom(room);
        else this.#context.onLeft(room);
        const isBehind = room.last < (until ?? last) || room.isMember !== (until === null);
        if (isBehind) count += await this.pull(room);
      } catch (error) {
        // One room must not keep the others from this person.
        failure ??= error;
      }
    }
    this.#context.onChange();
    if (failure) throw failure;
    return count;
  }

  /** All rows behind the last one known here. Calls at the same time share one request. */
  pull(room) {
    const running = this.#pulls.get(room.id);
    if (running) {
      running.isAgain = true;
      return running.done;
    }
    const pull = { isAgain: false };
    this.#pulls.set(room.id, pull);
    pull.done = this.#pullAll(room, pull).finally(() => this.#pulls.delete(room.id));
    return pull.done;
  }

  async #pullAll(room, pull) {
    let count = 0;
    await room.settled();
    for (let more = true; more || pull.isAgain; ) {
      pull.isAgain = false;
      const page = await this.#context.request("GET", `/rooms/${room.id}/rows?after=${room.last}`);
      const added = await room.apply(page.rows, { last: page.last, isMember: page.isMember });
      count += added.length;
      for (const mark of page.marks) await room.takeMark(mark);
      more = page.more;
    }
    await this.#look(room);
    this.#context.onChange(room);
    return count;
  }

  /** Notices changed keys at once, not only at the next message. */
  async #look(room) {
    await room.devices().catch(() => {});
  }

  /** A row that came live: taken if it is the next one, and opens. */
  async live(room, row) {
    if (row.row < room.next) return room.settled();
    const isTaken = row.row === room.next && (await room.applyLive(row));
    if (!isTaken) await this.pull(room);
    this.#context.onChange(room);
  }

  /** `users` without this person. Resolves with the room, an older one for two people. */
  async create(kind, users, title) {
    const { me, people, request } = this.#context;
    const members = [];
    for (const user of [me.user, ...users]) {
      const person = await people.refresh(user);
      if (!person) throw new Error(`There is nobody named ${user} here.`);
      if (!person.chain) throw new Error(`${user} has no device yet. Try again once they have logged in.`);
      if (person.alert) throw new Error(`The keys of ${user} changed. Look at them first.`);
      members.push({ user, root: person.chain.root });
    }
    const draft = new Room(randomId(), this.#context);
    const { entry, epoch } = await draft.proposal({ op: "create", kind, members });
    try {
      await request("POST", "/rooms", { room: draft.id, entry, epoch });
    } catch (error) {
      if (error.code !== "exists") throw error;
      await this.sync();
      return this.get(error.details.room);
    }
    const room = await this.#add(draft.id);
    await this.pull(room);
    // The channels are part of the token.
    await this.#context.renew();
    this.#context.onRoom(room);
    if (title) await this.#context.enqueue(room.id, "title", { title });
    return room;
  }

  /** A change of members; after a lost race it is made anew, if it is still one. */
  async change(room, body, isDone = () => false) {
    for (let attempt = 1; !isDone(); attempt++) {
      try {
        await this.#context.request("POST", `/rooms/${room.id}/changes`, await room.proposal(body));
        await this.pull(room);
        return;
      } catch (error) {
        if (error.status !== 409 || attempt >= TRIES) throw error;
        await this.pull(room);
      }
    }
  }

  async add(room, user) {
    const person = await this.#context.people.refresh(user);
    if (!person?.chain) throw new Error(`There is nobody named ${user} here, or they have no device yet.`);
    await this.change(room, { op: "add", user, root: person.chain.root }, () => room.membership.members.has(user));
    await this.#nameAgain(room);
  }

  /** The name was written under a key that new devices do not get. */
  async #nameAgain(room) {
    if (room.timeline.title) await this.#context.enqueue(room.id, "title", { title: room.timeline.title });
  }

  remove(room, user) {
    return this.change(room, { op: "remove", user }, () => !room.membership.members.has(user));
  }

  async rekey(room, user, root) {
    await this.change(room, { op: "rekey", user, root }, () => room.membership.members.get(user)?.root === root);
    await this.#nameAgain(room);
  }

  /** The next key, if the present one is not for exactly these devices, or is a day old. */
  async ensureEpoch(room) {
    for (let attempt = 1; ; attempt++) {
      const why = await room.whyRenew();
      if (!why) return;
      if (attempt > TRIES) throw new Broken("key", "This room finds no next key. It is tried again later.");
      try {
        await this.#context.request("POST", `/rooms/${room.id}/changes`, await room.proposal());
      } catch (error) {
        if (error.status !== 409) throw error;
      }
      await this.pull(room);
      if (why === "devices") await this.#nameAgain(room);
    }
  }

  unread(me) {
    return [...this.all.values()].reduce((sum, room) => sum + room.timeline.unread(room.read, me), 0);
  }
}
