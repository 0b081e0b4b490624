// The keys of other people as this browser knows them: pinned at first sight, verified by a press.

/** A failed read is no empty one: without its pins, this browser would trust on first sight again. */
export class PinsUnread extends Error {
  constructor() {
    super("This browser cannot read the keys it knows. Nothing is sent until it can.");
    this.name = "PinsUnread";
  }
}

/** A pin: `{ id, name, key, since, verified, differs, offered }`; `offered` is another key that came. */
export class Pins {
  #store;
  #prefix;
  #pins = new Map();
  #changes = 0;
  #mayBeginAnew = false;

  /** `mayBeginAnew`: a person has made a new key here, so nothing that was known before is needed. */
  static async open(store, me, { mayBeginAnew = false } = {}) {
    const pins = new Pins();
    pins.#store = store;
    pins.#mayBeginAnew = mayBeginAnew;
    pins.#prefix = `pin/${me}/`;
    await pins.reload();
    return pins;
  }

  /** No pin is ever forgotten. Throws `PinsUnread`. */
  async reload() {
    const changes = this.#changes;
    const entries = await this.#store.entries(this.#prefix);
    // The store gives an empty list for a failed read, and says so in its state alone.
    if (this.#store.state === "forbidden" && !this.#mayBeginAnew) throw new PinsUnread();
    if (changes !== this.#changes) return this.reload();
    for (const [, pin] of entries) this.#pins.set(pin.id, pin);
  }

  get all() {
    return [...this.#pins.values()];
  }

  get(id) {
    return this.#pins.get(id);
  }

  /**
   * `"new"`, `"same"`, or `"changed"`: another key than the pinned one never takes its place by itself.
   * The name is pinned, too: people verify a name and a key.
   */
  async see(id, name, key) {
    const pin = this.get(id);
    if (!pin) {
      await this.#put({ id, name, key, since: Date.now(), verified: null, differs: false, offered: null });
      return "new";
    }
    const offered = pin.key === key ? null : key;
    if (pin.offered !== offered) await this.#put({ ...pin, offered });
    return offered ? "changed" : "same";
  }

  async verify(id, key) {
    const pin = this.get(id);
    const since = pin.key === key ? pin.since : Date.now();
    await this.#put({ ...pin, key, since, verified: Date.now(), differs: false, offered: null });
  }

  /** The words were compared, and are not the same. */
  async reject(id, key) {
    // Another key that came was never trusted: it changes nothing about the pinned one.
    if (this.get(id).key === key) await this.#put({ ...this.get(id), verified: null, differs: true });
  }

  async #put(pin) {
    this.#changes++;
    this.#pins.set(pin.id, pin);
    await this.#store.put(this.#prefix + pin.id, pin);
  }
}

/** `"verified"`, `"unverified"`, `"changed"` or `"differs"`. In the last two nothing may be sent. */
export function trustOf(pin) {
  if (pin.differs) return "differs";
  if (pin.offered) return "changed";
  return pin.verified ? "verified" : "unverified";
}
