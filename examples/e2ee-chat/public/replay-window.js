// Which numbers of a session have been opened. A number opens once, and only if it is recent.

export const WINDOW = 64;

export class ReplayWindow {
  #highest = 0;
  #opened = new Set();

  /** `"new"`, `"replayed"` or `"old"`: behind the window, where nothing is remembered. */
  check(number) {
    if (number <= this.#highest - WINDOW) return "old";
    return this.#opened.has(number) ? "replayed" : "new";
  }

  /** Only for what was opened. Returns how many numbers were skipped to get here; -1 for one that was skipped before. */
  mark(number) {
    this.#opened.add(number);
    if (number < this.#highest) return -1;
    const skipped = number - this.#highest - 1;
    this.#highest = number;
    for (const old of this.#opened) if (old <= number - WINDOW) this.#opened.delete(old);
    return skipped;
  }
}
