// Small signs beside the messages: who types, and how far somebody has read. Sealed like messages.

import { openTyping, sealMark, sealTyping } from "./messages.js";

const TYPING_EVERY_MS = 3000;
const TYPING_ENDS_MS = 5000;
const MARK_EVERY_MS = 1000;

export class Signals {
  /** By room: person to the timer of the end. */
  typing = new Map();
  #model;
  #typedAt = 0;
  #marked = new Map();
  #markedAt = 0;
  #markTimer;

  constructor(model) {
    this.#model = model;
  }

  get #isLive() {
    return this.#model.line.name === "live";
  }

  /* ---- typing ------------------------------------------------------------------------------- */

  async type(room) {
    if (Date.now() - this.#typedAt < TYPING_EVERY_MS || !room.current || !this.#isLive) return;
    this.#typedAt = Date.now();
    const { user, live } = this.#model;
    const { n, keys } = room.current;
    live.type(room.id, await sealTyping(keys.typing, room.id, n, user, Date.now()));
  }

  /** What was typed is sent: the next letter is news again. */
  typed() {
    this.#typedAt = 0;
  }

  async typingOf(id, user, sealed) {
    const current = this.#model.rooms?.get(id)?.current;
    if (!current || user === this.#model.user) return;
    const opened = await openTyping(current.keys.typing, id, current.n, user, sealed).catch(() => null);
    if (!opened) return;
    const people = this.typing.get(id) ?? new Map();
    this.typing.set(id, people);
    clearTimeout(people.get(user));
    people.set(user, setTimeout(() => this.stopTyping(id, user), TYPING_ENDS_MS));
    this.#model.changed("typing");
  }

  stopTyping(id, user) {
    const people = this.typing.get(id);
    clearTimeout(people?.get(user));
    if (people?.delete(user)) this.#model.changed("typing");
  }

  /* ---- receipts ----------------------------------------------------------------------------- */

  /** Tells how far this person has read, if they show it. */
  async mark(room) {
    const { preferences, user, me, request } = this.#model;
    if (!preferences.receipts || !this.#isLive || !room.current) return;
    const newest = room.timeline.items.findLast((item) => item.type === "text" && item.user !== user)?.row ?? 0;
    if (newest <= (this.#marked.get(room.id) ?? 0) || this.#isSoon()) return;
    this.#marked.set(room.id, newest);
    const { n: epoch, keys } = room.current;
    const sealed = await sealMark(keys.mark, me.sign.privateKey, { room: room.id, epoch, device: me.id }, newest);
    await request("POST", `/rooms/${room.id}/marks`, { epoch, device: me.id, sealed }).catch(() => this.#marked.delete(room.id));
  }

  /** One receipt a second is enough; the next drawing comes back to it. */
  #isSoon() {
    if (Date.now() - this.#markedAt >= MARK_EVERY_MS) {
      this.#markedAt = Date.now();
      return false;
    }
    this.#markTimer ??= setTimeout(() => {
      this.#markTimer = undefined;
      this.#model.changed();
    }, MARK_EVERY_MS);
    return true;
  }

  stop() {
    clearTimeout(this.#markTimer);
    for (const people of this.typing.values()) people.forEach(clearTimeout);
  }
}
