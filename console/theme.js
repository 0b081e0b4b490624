// Light and dark: as the system, unless the reader has chosen the other one.

import { readPref, writePref } from "./prefs.js";

const system = matchMedia("(prefers-color-scheme: dark)");

export class Theme {
  #changed;

  constructor(changed) {
    this.#changed = changed;
    system.addEventListener("change", this.#changed);
    this.#apply();
  }

  get isDark() {
    const chosen = readPref("theme");
    return chosen ? chosen === "dark" : system.matches;
  }

  /** Choosing the system's own theme follows the system again. */
  switch() {
    const dark = !this.isDark;
    writePref("theme", dark === system.matches ? undefined : dark ? "dark" : "light");
    this.#apply();
  }

  /** Without a choice the style sheet follows the system. */
  #apply() {
    const chosen = readPref("theme");
    if (chosen) document.documentElement.dataset.theme = chosen === "dark" ? "dark" : "light";
    else delete document.documentElement.dataset.theme;
    this.#changed();
  }
}

/** The computed color of an expression such as "var(--open)", for canvases. */
export function cssColor(expression) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.color = expression;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
