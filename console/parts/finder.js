// The field above a list that finds by name. "/" leads to it.

import { html, live } from "./html.js";
import { icon } from "./icons.js";

const WAIT_MS = 250;

/** `change(text, isDone)` is called when typing has paused, and on Enter (`isDone`). */
export class Finder {
  text;
  #change;
  #timer;

  constructor(text, change) {
    this.text = text;
    this.#change = change;
  }

  set(text) {
    clearTimeout(this.#timer);
    this.text = text;
  }

  view(label, placeholder) {
    const run = (isDone) => {
      clearTimeout(this.#timer);
      this.#change(this.text.trim(), isDone);
    };
    const typed = (event) => {
      this.text = event.target.value;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(run, WAIT_MS, false);
    };
    return html`<label class="find">${icon("search")}<input type="search" data-filter aria-label=${label} placeholder=${placeholder} autocomplete="off" spellcheck="false"
      .value=${live(this.text)} @input=${typed} @keydown=${(event) => event.key === "Enter" && run(true)}><kbd class="no-phone">/</kbd></label>`;
  }

  stop() {
    clearTimeout(this.#timer);
  }
}
