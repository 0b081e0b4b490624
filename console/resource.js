// A value of the server for a screen: loaded, kept when a later attempt fails, and loaded again.

const SKELETON_MS = 150;

export class Resource {
  data = undefined;
  error = undefined;
  /** When `data` came, in milliseconds since 1970. */
  at = 0;
  /** Loading for so long that a skeleton is shown. */
  isSlow = false;
  isLoading = false;
  #load;
  #changed;
  #every;
  #isPaused;
  #isDue = false;
  #abort;
  #timer;
  #slowTimer;
  #stopped = false;

  /**
   * `load(signal)` returns the value. `every`: seconds between the end of one and the next; while
   * `isPaused()` the next waits for `resume()`.
   */
  constructor(load, { changed, every = 0, isPaused = () => false }) {
    this.#load = load;
    this.#changed = changed;
    this.#every = every;
    this.#isPaused = isPaused;
    this.refresh();
  }

  /** Loads anew; with `clear` as for another subject: without the old value meanwhile. */
  async refresh({ clear = false } = {}) {
    if (this.#stopped) return;
    this.#isDue = false;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    if (clear) Object.assign(this, { data: undefined, error: undefined });
    this.isLoading = true;
    clearTimeout(this.#slowTimer);
    this.#slowTimer = setTimeout(() => this.#set({ isSlow: true }), SKELETON_MS);
    try {
      const data = await this.#load(abort.signal);
      if (this.#abort === abort) this.#set({ data, error: undefined, at: Date.now() });
    } catch (error) {
      if (this.#abort === abort && !abort.signal.aborted) this.#set({ error });
    }
    if (this.#abort === abort) this.#settle();
  }

  #settle() {
    clearTimeout(this.#slowTimer);
    this.#set({ isLoading: false, isSlow: false });
    if (this.#every > 0 && !this.#stopped) this.#timer = setTimeout(() => this.#again(), this.#every * 1000);
  }

  /** A hidden page asks for nothing. */
  #again() {
    if (this.#isPaused()) this.#isDue = true;
    else if (!document.hidden) this.refresh();
    else document.addEventListener("visibilitychange", () => this.#again(), { once: true });
  }

  /** Loads what a pause has put off. */
  resume() {
    if (this.#isDue) this.refresh();
  }

  #set(values) {
    Object.assign(this, values);
    if (!this.#stopped) this.#changed();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#slowTimer);
    this.#abort?.abort();
  }
}
