// The talk with one person: handshakes, the messages that wait, and what arrives. It knows no page.
//
// All steps run one after the other, so that no two of them see the keys half changed.

import { randomBytes, toBase64url } from "../../lib/crypto.js";
import { SeenIds } from "../../lib/publish.js";
import { answerOffer, checkConfirm, confirmAnswer, makeOffer, NotProved, UnknownKey } from "./handshake.js";
import { Items, sendable } from "./items.js";
import { FORMER_MS, MAX_AGE_MS, Refused, Session } from "./session.js";

const RETRY_MS = 4000;
const HURRY_MS = 400;
const MAX_ANSWERS = 4;
const NOTE_MS = 40;
const TYPING_EVERY_MS = 3000;
const TYPING_MS = 5000;
const MAX_ENDED = 200;
/** After a break of the line, people come back one after the other. */
const GRACE_MS = 5000;

export class Conversation {
  #own;
  #line;
  #clock;
  #steps = Promise.resolve();
  #pending = null; // a handshake under way
  #session = null;
  #former = null; // the session before, until the first message of the new one
  #lastConfirm = null;
  #hasTalked = false;
  #ended = new Set(); // ids of offers and sessions that may not come again
  #seen = new SeenIds(500);
  #opened = []; // numbers to acknowledge
  #timers = {};
  #typingSent = -Infinity;

  /**
   * `own`: `{ id, privateKey, publicText }`. `peer`: `{ id, name }`. `line.send(event, data)` sends
   * a client event. `clock`: `{ now, after(ms, run) }`, where `after` returns a function that cancels.
   * `pinnedKey()` is the known key of the peer.
   */
  constructor({ own, peer, line, clock, pinnedKey, onChange, onUnknownKey }) {
    Object.assign(this, { peer, items: new Items(), isHere: false, isLive: false, isStopped: false, isTyping: false, onChange, onUnknownKey, pinnedKey });
    this.#own = own;
    this.#line = line;
    this.#clock = clock;
  }

  /** For the three ticks. */
  get phase() {
    if (this.isStopped) return "stopped";
    if (this.#session && !this.#session.isSpent) return "sealed";
    if (!this.isLive) return "offline";
    if (!this.isHere) return "away";
    if (this.#pending) return this.#pending.role;
    return this.#session ? "spent" : "idle";
  }

  get used() {
    return this.#session?.used ?? 0;
  }

  get waiting() {
    return this.items.count("waiting");
  }

  /* ---- what happens outside ------------------------------------------------------------- */

  /** After every break both sides may have lost keys, so new ones are made. */
  setPresence({ isHere, isLive }) {
    if (isHere === this.isHere && isLive === this.isLive) return;
    const wasTogether = this.isHere && this.isLive;
    Object.assign(this, { isHere, isLive });
    const isTogether = isHere && isLive;
    this.#cancel("grace");
    if (isLive && !isHere) this.#timer("grace", GRACE_MS, () => this.#giveUpWaiting());
    this.onChange();
    this.#step(async () => {
      if (wasTogether) this.#part();
      if (this.waiting > 0) await this.#sendWaiting();
      // The other side may not have noticed the break, and go on with keys that are gone here.
      else if (this.#hasTalked) await this.#offer();
    });
  }

  #giveUpWaiting() {
    if (this.isLive && !this.isHere) this.items.mark(["waiting", "sent"], "undelivered");
    this.onChange();
  }

  stop() {
    if (this.isStopped) return;
    this.isStopped = true;
    this.onChange();
    this.#step(() => this.#part());
  }

  resume() {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.onChange();
    this.open();
  }

  /** A handshake ahead of the first message, once somebody looks at this conversation. */
  open() {
    if (!this.#session || this.waiting > 0) this.#step(() => (this.waiting > 0 ? this.#sendWaiting() : this.#offer()));
  }

  say(typed) {
    const text = sendable(typed);
    if (text === "") return;
    // What is typed next is news again.
    this.#typingSent = -Infinity;
    this.items.add({ kind: "text", isMine: true, id: toBase64url(randomBytes(9)), text, state: this.#isGone ? "undelivered" : "waiting" });
    this.onChange();
    this.#step(() => this.#sendWaiting());
  }

  sendAgain() {
    if (!this.#isGone) this.items.mark(["undelivered"], "waiting");
    this.onChange();
    this.#step(() => this.#sendWaiting());
  }

  typing() {
    if (this.phase !== "sealed" || !this.isHere || !this.isLive) return;
    if (this.#clock.now() - this.#typingSent < TYPING_EVERY_MS) return;
    this.#typingSent = this.#clock.now();
    this.#step(async () => {
      if (this.#session) this.#line.send("client-typing", await this.#session.note("typing"));
    });
  }

  receive(event, data) {
    return this.#step(() => this.#receive(event, data ?? {}));
  }

  close() {
    return this.#step(() => this.#part());
  }

  /* ---- handshake ------------------------------------------------------------------------ */

  get #peerWithKey() {
    return { id: this.peer.id, key: this.pinnedKey() };
  }

  get #isGone() {
    return this.isLive && !this.isHere && !this.#timers.grace;
  }

  get #canTalk() {
    return this.isHere && this.isLive && !this.isStopped;
  }

  async #offer() {
    if (!this.#canTalk || this.#pending) return;
    if (this.#session && !this.#session.isSpent) return;
    const { message, ephemeral } = await makeOffer(this.#own, this.#peerWithKey);
    this.#begin({ role: "offering", sid: message.sid, offer: message, ephemeral, event: "client-offer", message });
  }

  #begin(pending) {
    if (!this.#canTalk) return;
    this.#pending = pending;
    let tries = 0;
    pending.repeat = () => {
      if (this.#pending !== pending) return;
      // An old offer that was played again never gets its confirmation.
      if (pending.role === "answering" && tries++ === MAX_ANSWERS) return this.#giveUp();
      this.#line.send(pending.event, pending.message);
      this.#timer("retry", RETRY_MS, pending.repeat);
    };
    pending.repeat();
    this.onChange();
  }

  #giveUp() {
    this.#pending = null;
    this.onChange();
    this.#step(() => this.#sendWaiting());
  }

  async #takeOffer(offer) {
    const pending = this.#pending;
    if (pending?.role === "answering" && pending.sid === offer.sid) return this.#line.send(pending.event, pending.message);
    if (this.#ended.has(offer.sid)) return this.items.note("replayed");
    // Of two offers, that of the smaller id stands. The other side may have come too late to hear it.
    if (pending?.role === "offering" && this.#own.id < this.peer.id) return this.#timer("retry", HURRY_MS, pending.repeat);
    const { message, keys } = await answerOffer(offer, this.#own, this.#peerWithKey);
    this.#end(offer.sid);
    this.#begin({ role: "answering", sid: offer.sid, keys, event: "client-answer", message });
  }

  async #takeAnswer(answer) {
    const pending = this.#pending;
    if (this.#lastConfirm?.sid === answer.sid && this.#lastConfirm.answerMac === answer.mac) {
      // Our confirmation was lost, and with it what we sent behind it.
      this.#line.send("client-confirm", this.#lastConfirm.message);
      this.#queueAgain((item) => item.sid === answer.sid);
      return this.#sendWaiting();
    }
    if (pending?.role !== "offering" || pending.sid !== answer.sid) return;
    const { message, keys } = await confirmAnswer(answer, pending, this.#own, this.#peerWithKey);
    this.#end(answer.sid);
    this.#lastConfirm = { sid: answer.sid, answerMac: answer.mac, message };
    this.#line.send("client-confirm", message);
    await this.#establish(answer.sid, keys);
  }

  async #takeConfirm(confirm) {
    const pending = this.#pending;
    if (pending?.role !== "answering" || pending.sid !== confirm.sid) return;
    await checkConfirm(confirm, pending.keys);
    await this.#establish(pending.sid, pending.keys);
  }

  /** The ephemeral keys were held by the pending handshake alone. */
  async #establish(sid, keys) {
    this.#pending = null;
    this.#cancel("retry");
    const session = new Session({ sid, own: this.#own.id, peer: this.peer.id, keys, now: this.#clock.now });
    if (this.#session) {
      this.#former = this.#session;
      this.#timer("former", FORMER_MS, () => this.#step(() => this.#dropFormer()));
    }
    this.#session = session;
    this.#hasTalked = true;
    this.#timer("age", MAX_AGE_MS, () => this.onChange());
    // Late messages of the other side still open for a minute.
    this.#timer("over", MAX_AGE_MS + FORMER_MS, () => this.#step(() => {
      if (this.#session !== session) return;
      this.#end(session.sid);
      this.#session = null;
      this.onChange();
    }));
    this.onChange("sealed");
    // A spent session still acknowledges its own. If it was not spent, the other side has lost its keys.
    const former = this.#former?.isSpent ? this.#former.sid : undefined;
    this.#queueAgain((item) => item.sid !== former);
    await this.#sendWaiting();
  }

  async #dropFormer() {
    const former = this.#former;
    if (!former) return;
    this.#former = null;
    this.#cancel("former");
    this.#end(former.sid);
    this.#queueAgain((item) => item.sid === former.sid);
    await this.#sendWaiting();
  }

  /** Sent, and not acknowledged. The other side drops what comes twice by its id. */
  #queueAgain(fits) {
    for (const item of this.items.inState("sent")) if (fits(item)) this.items.change(item, { state: "waiting" });
  }

  async #sendWaiting() {
    for (const item of this.items.inState("waiting")) {
      if (!this.#canTalk || item.state !== "waiting") return;
      if (!this.#session || this.#session.isSpent) return this.#offer();
      const { id, text } = item;
      const envelope = await this.#session.seal({ id, text });
      this.items.change(item, { state: "sent", sid: envelope.sid, n: envelope.n });
      this.#line.send("client-message", envelope);
    }
    this.onChange();
  }

  /** One of the two is away. What was not acknowledged waits again. */
  #part() {
    this.#pending = null;
    this.#former = null;
    this.#lastConfirm = null;
    if (this.#session) this.#end(this.#session.sid);
    this.#session = null;
    this.#opened = [];
    this.isTyping = false;
    for (const name of Object.keys(this.#timers)) if (name !== "grace") this.#cancel(name);
    this.items.mark(["sent"], "waiting");
  }

  /* ---- what arrives --------------------------------------------------------------------- */

  async #receive(event, data) {
    if (this.isStopped) return;
    const take = {
      "client-offer": () => this.#takeOffer(data),
      "client-answer": () => this.#takeAnswer(data),
      "client-confirm": () => this.#takeConfirm(data),
      "client-message": () => this.#takeMessage(data),
      "client-opened": () => this.#takeOpened(data),
      "client-typing": () => this.#takeTyping(data),
    }[event];
    if (!take) return;
    try {
      await take();
    } catch (error) {
      if (error instanceof UnknownKey) return this.onUnknownKey(error.key);
      if (error instanceof NotProved) this.items.note("unproved");
      else if (error instanceof Refused) this.items.note(error.reason, { number: error.number });
      else throw error;
    }
    this.onChange();
  }

  #sessionOf(sid) {
    return [this.#session, this.#former].find((session) => session?.sid === sid && !session.isOver);
  }

  async #takeMessage(envelope) {
    const session = this.#sessionOf(envelope.sid);
    if (!session) return this.#takeStranger(envelope);
    const { body, n, skipped } = await session.open(envelope);
    if (session === this.#session) await this.#dropFormer();
    if (skipped > 0) this.items.note("missing", { count: skipped, sid: session.sid });
    if (skipped < 0) this.items.found(session.sid);
    const { id, text } = body ?? {};
    if (typeof text === "string" && this.#seen.add(String(id))) {
      this.items.add({ kind: "text", isMine: false, id, text, sid: session.sid, n });
      this.isTyping = false;
      this.onChange("arrived");
    }
    this.#acknowledge(session, n);
  }

  /** A capture from an earlier session, or a peer that does not know that this page was loaded anew. */
  async #takeStranger({ sid }) {
    if (this.#pending?.sid === sid) return;
    this.items.note("shut");
    await this.#offer();
  }

  #acknowledge(session, n) {
    this.#opened.push({ session, n });
    if (this.#timers.opened) return;
    this.#timer("opened", NOTE_MS, () => this.#step(async () => {
      const all = this.#opened.splice(0);
      for (const owner of new Set(all.map((entry) => entry.session))) {
        const numbers = all.filter((entry) => entry.session === owner).map((entry) => entry.n);
        for (; numbers.length > 0;) this.#line.send("client-opened", await owner.note("opened", numbers.splice(0, 64)));
      }
    }));
  }

  async #takeOpened(note) {
    const session = this.#sessionOf(note.sid);
    if (!session) return;
    const numbers = new Set(await session.readNote("opened", note));
    for (const item of this.items.inState("sent")) {
      if (item.sid === session.sid && numbers.has(item.n)) this.items.change(item, { state: "opened" });
    }
  }

  async #takeTyping(note) {
    if (!this.#session || note.sid !== this.#session.sid) return;
    await this.#session.readNote("typing", note);
    this.isTyping = true;
    this.#timer("typing", TYPING_MS, () => {
      this.isTyping = false;
      this.onChange();
    });
  }

  /* ---- one step after the other --------------------------------------------------------- */

  #step(run) {
    this.#steps = this.#steps.then(run).catch((error) => console.error(error));
    return this.#steps;
  }

  #end(sid) {
    this.#ended.add(sid);
    if (this.#ended.size > MAX_ENDED) this.#ended.delete(this.#ended.values().next().value);
  }

  #timer(name, ms, run) {
    this.#cancel(name);
    this.#timers[name] = this.#clock.after(ms, () => {
      delete this.#timers[name];
      run();
    });
  }

  #cancel(name) {
    this.#timers[name]?.();
    delete this.#timers[name];
  }
}
