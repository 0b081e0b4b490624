// The newest values, up to a fixed number.

export class Ring {
  #values;
  #next = 0;
  length = 0;
  /** All that were ever pushed. */
  total = 0;

  constructor(capacity) {
    this.#values = new Array(capacity);
  }

  push(value) {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % this.#values.length;
    this.length = Math.min(this.length + 1, this.#values.length);
    this.total += 1;
  }

  /** 0 is the newest. */
  at(index) {
    if (index < 0 || index >= this.length) return undefined;
    return this.#values[(this.#next - 1 - index + 2 * this.#values.length) % this.#values.length];
  }

  /** The newest first. */
  slice(from = 0, to = this.length) {
    const end = Math.min(to, this.length);
    return Array.from({ length: Math.max(0, end - from) }, (_, at) => this.at(from + at));
  }

  clear() {
    this.#values.fill(undefined);
    this.#next = this.length = 0;
  }
}
