// Native dialogs. One is open at a time; focus returns to where it was.

import { html, nothing, ref } from "./html.js";
import { errorLine } from "./states.js";

/** Opens the element once it is part of the page. */
export const openModal = (element) => {
  if (element) queueMicrotask(() => element.isConnected && !element.open && element.showModal());
};

export class Dialogs {
  #content;
  #redraw;

  constructor(redraw) {
    this.#redraw = redraw;
  }

  /** `content(close)` returns the template; it is called at each drawing. */
  show(content) {
    this.#content = content;
    this.#redraw();
  }

  close = () => {
    if (!this.#content) return;
    this.#content = undefined;
    // Closed before it is removed, so that the browser returns the focus.
    document.querySelector("dialog.dialog[open]:not(.signin)")?.close();
    this.#redraw();
  };

  view() {
    if (!this.#content) return nothing;
    return html`<dialog class="dialog" aria-labelledby="dialog-title" ${ref(openModal)} @close=${this.close}>${this.#content(this.close)}</dialog>`;
  }
}

/**
 * A question before an action. `typed`: a text the reader must type first, blanks aside, such as a
 * fingerprint. `fields(values)`: more inputs, optional. `run()` does it; its error is shown.
 */
export function askFirst(page, { title, text, action, danger = false, typed, typedLabel, fields = () => nothing, run }) {
  const form = { entered: "", busy: false, error: undefined };
  const without = (value) => value.replace(/\s/g, "");
  const isRight = () => !typed || without(form.entered) === without(typed);
  page.show((close) => {
    const submit = async (event) => {
      event.preventDefault();
      if (form.busy || !isRight()) return;
      Object.assign(form, { busy: true, error: undefined });
      page.redraw();
      try {
        await run();
        close();
      } catch (error) {
        Object.assign(form, { busy: false, error });
        page.redraw();
      }
    };
    const enter = (event) => {
      form.entered = event.target.value;
      page.redraw();
    };
    return html`
      <form @submit=${submit}>
        <h2 id="dialog-title">${title}</h2>
        <div class="text">${text}</div>
        ${fields()}
        ${typed ? html`<label class="field"><span>${typedLabel ?? html`Type <code>${typed}</code> to go on`}</span><input autocomplete="off" spellcheck="false" class="mono" @input=${enter}></label>` : nothing}
        ${errorLine(form.error)}
        <div class="actions">
          <button type="button" class="btn quiet" @click=${close}>Cancel</button>
          <button class="btn ${danger ? "danger" : "primary"}" ?disabled=${form.busy || !isRight()}>${action}</button>
        </div>
      </form>`;
  });
}
