import { within } from './wait.mjs';

const anything = () => true;

/** Arrived items in order, and the readers waiting for them. Each item is read once. */
export class Inbox {
  #name;
  #unread = [];
  #readers = new Set();
  /** All items so far, read or not. */
  all = [];

  constructor(name) {
    this.#name = name;
  }

  put(item) {
    this.all.push(item);
    for (const reader of this.#readers) {
      if (reader.matches(item)) {
        this.#readers.delete(reader);
        reader.resolve(item);
        return;
      }
    }
    this.#unread.push(item);
  }

  /** The first unread item that matches, now or later. Items before it stay unread. */
  next(what, matches = anything) {
    const at = this.#unread.findIndex(matches);
    if (at >= 0) return Promise.resolve(this.#unread.splice(at, 1)[0]);
    const reader = { matches };
    this.#readers.add(reader);
    const found = new Promise((resolve) => (reader.resolve = resolve));
    const detail = () => `; it received ${JSON.stringify(this.all)}`;
    return within(found, `${what} at ${this.#name}`, { detail }).finally(() => this.#readers.delete(reader));
  }
}
