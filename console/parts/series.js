// The server's figures, one row a second, as a window of the chosen range.

const MAX_MARKS = 64;

export class Series {
  /** In seconds. */
  range;
  error = undefined;
  marks = [];
  #names = [];
  #rows = [];
  #at = 0;
  #page;
  #watch;

  constructor(page, range) {
    this.#page = page;
    this.choose(range);
  }

  choose(range) {
    this.range = range;
    if (this.#watch) this.#page.release(this.#watch);
    this.#watch = this.#page.watch("series", { range }, {
      ok: (value) => this.#begin(value),
      message: (message) => this.#add(message),
      error: (error) => this.#changed({ error }),
    });
  }

  retry = () => {
    this.error = undefined;
    this.choose(this.range);
  };

  get isKnown() {
    return this.#rows.length > 0;
  }

  /** Seconds since 1970 of all rows. */
  times() {
    const first = this.#at - this.#rows.length + 1;
    return this.#rows.map((_, at) => first + at);
  }

  /** All values of one figure; `null` where unknown. */
  column(name) {
    const at = this.#names.indexOf(name);
    return this.#rows.map((row) => row[at] ?? null);
  }

  /** The newest value, or the one of some seconds ago. */
  last(name, secondsAgo = 0) {
    return this.#rows.at(-1 - secondsAgo)?.[this.#names.indexOf(name)] ?? undefined;
  }

  sum(name) {
    return this.column(name).reduce((sum, value) => sum + (value ?? 0), 0);
  }

  #begin({ names, at, rows, marks }) {
    this.#names = names;
    this.#rows = rows.slice(-this.range);
    this.#at = at;
    this.#changed({ marks: (marks ?? []).slice(-MAX_MARKS), error: undefined });
  }

  #add({ at, v, mark }) {
    if (mark) this.marks = [...this.marks, mark].slice(-MAX_MARKS);
    if (v) {
      const missed = Math.min(this.range, Math.max(0, at - this.#at - 1));
      for (let gap = 0; gap < missed; gap += 1) this.#rows.push([]);
      this.#rows.push(v);
      if (this.#rows.length > this.range) this.#rows.splice(0, this.#rows.length - this.range);
      this.#at = at;
    }
    this.#changed({});
  }

  #changed(values) {
    Object.assign(this, values);
    this.#page.redraw();
  }
}
