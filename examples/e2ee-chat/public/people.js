// Everybody this browser knows: who is here, how far their key is trusted, and the talk with each.

import { Conversation } from "./conversation.js";
import { trustOf } from "./pins.js";

/** An uncompressed point: what has another form has no words to compare. */
const KEY = /^B[A-P][\w-]{85}$/;

export class People {
  #own;
  #pins;
  #clock;
  #onChange;
  #onArrival;
  #conversations = new Map();
  #here = new Map();
  #isLive = false;
  /** Set while there is a connection. */
  line = null;

  constructor({ own, pins, clock, onChange, onArrival }) {
    this.#own = own;
    this.#pins = pins;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#onArrival = onArrival;
  }

  /** Those here first, then those known from before; both by name. */
  get list() {
    const known = this.#pins.all.map(({ id }) => this.get(id));
    return known.sort((a, b) => Number(b.isHere) - Number(a.isHere) || a.name.localeCompare(b.name));
  }

  get(id) {
    const pin = this.#pins.get(id);
    if (!pin) return undefined;
    const conversation = this.#conversationWith(pin);
    return { id, name: pin.name, pin, trust: trustOf(pin), isHere: this.#here.has(id), conversation };
  }

  get waiting() {
    return [...this.#conversations.values()].reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** Also those on their way: nobody has opened them. */
  get unsent() {
    return [...this.#conversations.values()].reduce((sum, { items }) => sum + ["waiting", "undelivered", "sent"].reduce((count, state) => count + items.count(state), 0), 0);
  }

  /** False if the directory shows another key for this browser than its own. */
  isOwnKeyShown = true;

  setLive(isLive) {
    this.#isLive = isLive;
    this.#apply();
  }

  async setMembers(members) {
    const own = members.find(({ id }) => id === this.#own.id);
    this.isOwnKeyShown = !own || own.key === this.#own.publicText;
    const others = members.filter(({ id, key }) => id !== this.#own.id && KEY.test(key));
    this.#here = new Map(others.map((member) => [member.id, member]));
    await Promise.all(others.map(({ id, name, key }) => this.#pins.see(id, name, key)));
    this.#apply();
  }

  receive(id, event, data) {
    this.get(id)?.conversation.receive(event, data);
  }

  async verify(id, key) {
    await this.#pins.verify(id, key);
    this.#apply();
  }

  async reject(id, key) {
    await this.#pins.reject(id, key);
    this.#apply();
  }

  /** Another tab compared the keys. */
  async reload() {
    await this.#pins.reload();
    this.#apply();
  }

  #apply() {
    for (const { id } of this.#pins.all) {
      const { conversation, trust, isHere } = this.get(id);
      conversation.setPresence({ isHere, isLive: this.#isLive });
      if (trust === "changed" || trust === "differs" || !this.isOwnKeyShown) conversation.stop();
      else conversation.resume();
    }
    this.#onChange();
  }

  #conversationWith({ id, name }) {
    const known = this.#conversations.get(id);
    if (known) {
      known.peer.name = name;
      return known;
    }
    const conversation = new Conversation({
      own: this.#own,
      peer: { id, name },
      line: { send: (event, data) => this.line?.send(id, event, data) },
      clock: this.#clock,
      pinnedKey: () => this.#pins.get(id)?.key,
      onChange: (what) => {
        if (what === "arrived") this.#onArrival(id);
        this.#onChange();
      },
      // Not by the directory, but in a handshake: it stops the chat all the same.
      onUnknownKey: async (key) => {
        const pin = this.#pins.get(id);
        conversation.items.note("otherKey");
        await this.#pins.see(id, pin.name, key);
        this.#apply();
      },
    });
    this.#conversations.set(id, conversation);
    return conversation;
  }
}

/** Later than both clocks say: a page may sleep, and people set clocks back. */
export function pageClock() {
  const start = Date.now() - performance.now();
  return {
    now: () => Math.max(performance.now(), Date.now() - start),
    after(ms, run) {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
}
