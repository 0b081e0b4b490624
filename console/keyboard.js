// Keys for everything. A screen's own keys come first.

import { screensFor } from "./router.js";

const CHORD_MS = 1_500;

/** For the list behind "?". */
export const HELP = [
  ["Ctrl K", "Jump to a channel, socket, key, setting or screen"],
  ["G, then a letter", "Open a screen"],
  ["/", "Filter"],
  ["J, K", "Next, previous row"],
  ["Enter", "Open the row"],
  ["Esc", "Back"],
  ["Space", "Pause, go on"],
  [".", "Newest"],
  ["D", "Light, dark"],
  ["?", "This list"],
];

const isTyping = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
const isControl = (target) => target instanceof HTMLElement && target.closest("button, a, summary") !== null;

export class Keyboard {
  #host;
  #chord = 0;

  /** `host`: session(), keys() of the screen, go(name), jump(), help(), switchTheme(). */
  constructor(host) {
    this.#host = host;
    addEventListener("keydown", (event) => this.#pressed(event));
  }

  #pressed(event) {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") return this.#take(event, () => this.#host.jump());
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    // A row is a link: Space, which does nothing there, belongs to the screen.
    const isRow = event.target instanceof HTMLElement && event.target.matches(".rowlink");
    if (isControl(event.target) && (event.key === "Enter" || (event.key === " " && !isRow))) return;
    const action = this.#actionFor(event.key);
    if (action) this.#take(event, action);
  }

  #take(event, action) {
    event.preventDefault();
    action();
  }

  #actionFor(key) {
    if (Date.now() < this.#chord) {
      this.#chord = 0;
      const screen = screensFor(this.#host.session()).find((it) => it.letter === key.toLowerCase());
      if (screen) return () => this.#host.go(screen.name);
    }
    const own = this.#host.keys()?.[key.length === 1 ? key.toLowerCase() : key];
    return own ?? this.#common(key);
  }

  #common(key) {
    switch (key) {
      case "g": case "G": return () => { this.#chord = Date.now() + CHORD_MS; };
      case "d": case "D": return () => this.#host.switchTheme();
      case "?": return () => this.#host.help();
      case "/": return focusing("[data-filter]");
      case "j": case "J": return () => moveRow(1);
      case "k": case "K": return () => moveRow(-1);
      case "Escape": return clicking("[data-back]");
      default: return undefined;
    }
  }
}

const focusing = (selector) => {
  const found = document.querySelector(`main ${selector}`);
  return found && (() => { found.focus(); found.select?.(); });
};

const clicking = (selector) => {
  const found = document.querySelector(`main ${selector}`);
  return found && (() => found.click());
};

/** The rows of a screen are its links with the class "rowlink". */
function moveRow(step) {
  const rows = [...document.querySelectorAll("main .rowlink")];
  const now = rows.indexOf(document.activeElement);
  const next = rows[now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, now + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
