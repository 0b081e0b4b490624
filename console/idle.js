// Whether somebody uses the page. An unused one asks the server for nothing, so that its session can
// end.

const MAX_MS = 30 * 60_000;
const CHECK_MS = 5_000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "touchstart", "wheel"];

export class Idle {
  isIdle = false;
  #events;
  #last = Date.now();
  #pointer;

  /** `events`: `paused()` and `resumed()`. */
  constructor(events) {
    this.#events = events;
    for (const type of SIGNS) addEventListener(type, (event) => this.#seen(event), { capture: true, passive: type !== "keydown" });
    document.addEventListener("visibilitychange", () => document.hidden || this.touch());
    setInterval(() => this.#check(), CHECK_MS);
  }

  touch() {
    this.#last = Date.now();
    if (!this.isIdle) return;
    this.isIdle = false;
    this.#events.resumed();
  }

  #seen(event) {
    if (event.type === "pointermove" && !this.#hasMoved(event)) return;
    if (this.isIdle && isShortcut(event)) event.preventDefault();
    this.touch();
  }

  /** Browsers report a resting pointer as well, when the page moves below it. */
  #hasMoved({ screenX, screenY }) {
    const before = this.#pointer;
    this.#pointer = `${screenX} ${screenY}`;
    return before !== undefined && before !== this.#pointer;
  }

  #check() {
    if (this.isIdle || Date.now() - this.#last < MAX_MS) return;
    this.isIdle = true;
    this.#events.paused();
  }
}

/** The letter that wakes the page opens nothing; in a field it is typed. */
const isShortcut = ({ type, key, ctrlKey, metaKey, altKey, target }) =>
  type === "keydown" && key.length === 1 && !ctrlKey && !metaKey && !altKey && !target.closest?.("input, textarea, select");
