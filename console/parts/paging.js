// A list of the server, one page at a time: `next` of an answer is the `after` of the next page.

import { html, nothing } from "./html.js";
import { icon } from "./icons.js";

/** More pages back than this are forgotten. */
const MAX_DEPTH = 1_000;

export class Pages {
  #before = [];
  #after = undefined;
  #next = undefined;

  /** `load(after, signal)` returns an answer with `next`. */
  constructor(page, load, { every = 0 } = {}) {
    this.value = page.resource(async (signal) => {
      const answer = await load(this.#after, signal);
      this.#next = answer.next;
      return answer;
    }, { every });
  }

  /** Whether it is not the first page. */
  get isLater() {
    return this.#before.length > 0;
  }

  /** The first page of another list. */
  restart() {
    this.#before = [];
    this.#after = undefined;
    this.value.refresh({ clear: true });
  }

  /** Buttons for the pages, or nothing for a single one. */
  controls(label = "Pages") {
    if (this.#before.length === 0 && this.#next === undefined) return nothing;
    return html`
      <nav class="pages" aria-label=${label}>
        <button type="button" class="btn" ?disabled=${this.#before.length === 0} @click=${() => this.#back()}>${icon("back")}Previous</button>
        <span class="dim">Page ${this.#before.length + 1}</span>
        <button type="button" class="btn" ?disabled=${this.#next === undefined} @click=${() => this.#forth()}>Next${icon("next")}</button>
      </nav>`;
  }

  #forth() {
    this.#before.push(this.#after);
    if (this.#before.length > MAX_DEPTH) this.#before.shift();
    this.#after = this.#next;
    this.value.refresh({ clear: true });
  }

  #back() {
    this.#after = this.#before.pop();
    this.value.refresh({ clear: true });
  }
}
