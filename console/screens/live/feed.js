// The entries of this page: a ring of all, a ring of those that match, and what stands still while
// the reader looks.

import { Ring } from "../../ring.js";
import { GAP } from "./entries.js";

const MAX_ENTRIES = 5_000;
const MAX_SECONDS = 120;

export class Feed {
  /** Counts of each second, the newest first. */
  counts = new Ring(MAX_SECONDS);
  /** Entries of the last second that matched and were not sent. */
  more = 0;
  error = undefined;
  hasBegun = false;
  #all = new Ring(MAX_ENTRIES);
  #matching = new Ring(MAX_ENTRIES);
  #filter;
  #seq = 0;
  #uncounted = 0;
  #still;
  #totalWhenStill = 0;

  constructor(filter) {
    this.#filter = filter;
  }

  take({ entries = [], more = 0, counts }) {
    this.#uncounted += more;
    // A batch may begin with refusals and keys.
    for (const entry of entries.toSorted((one, other) => (one.time < other.time ? -1 : 1))) this.#push(entry);
    if (!counts) return;
    this.counts.push(counts);
    this.more = this.#uncounted;
    this.#uncounted = 0;
  }

  gap(seconds) {
    this.#push({ type: GAP, seconds, time: new Date().toISOString() });
  }

  #push(entry) {
    entry.seq = ++this.#seq;
    this.#all.push(entry);
    if (entry.type === GAP || this.#filter.matches(entry)) this.#matching.push(entry);
  }

  /** After a change of the filter. */
  refilter() {
    this.#matching.clear();
    for (let at = this.#all.length - 1; at >= 0; at -= 1) {
      const entry = this.#all.at(at);
      if (entry.type === GAP || this.#filter.matches(entry)) this.#matching.push(entry);
    }
    if (this.#still) this.hold(true);
  }

  /** Keeps the list as it is; new entries are counted. */
  hold(anew = false) {
    if (this.#still && !anew) return;
    this.#still = this.#matching.slice();
    this.#totalWhenStill = this.#matching.total;
  }

  follow() {
    this.#still = undefined;
  }

  get isHeld() {
    return this.#still !== undefined;
  }

  /** New entries since the list stands still. */
  get fresh() {
    return this.#still ? this.#matching.total - this.#totalWhenStill : 0;
  }

  get length() {
    return this.#still ? this.#still.length : this.#matching.length;
  }

  at(index) {
    return this.#still ? this.#still[index] : this.#matching.at(index);
  }

  slice(from, to) {
    return this.#still ? this.#still.slice(from, to) : this.#matching.slice(from, to);
  }

  indexOf(seq) {
    for (let at = 0; at < this.length; at += 1) if (this.at(at).seq === seq) return at;
    return -1;
  }

  /** Entries in the last whole second, as the server counted them. */
  rate() {
    const last = this.counts.at(0);
    return last ? last.events + last.access + last.calls + last.refused : 0;
  }
}
