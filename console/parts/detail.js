// The pane of one thing beside its list; on a phone a full page. Esc closes it.

import { html } from "./html.js";
import { icon } from "./icons.js";

/** `back`: the address without the thing, or a function. */
export const detailPane = (label, back, content) => html`
  <aside class="detail" aria-label=${label}>
    ${typeof back === "string"
      ? html`<a class="btn quiet back" data-back href=${back} aria-label="Close">${icon("x")}<span class="only-phone">Close</span></a>`
      : html`<button type="button" class="btn quiet back" data-back @click=${back} aria-label="Close">${icon("x")}<span class="only-phone">Close</span></button>`}
    ${content}
  </aside>`;

/** A list with the pane of one thing, if there is one, at its right. */
export const split = (list, pane) => html`<div class="split ${pane ? "open" : ""}"><div class="main">${list}</div>${pane ?? ""}</div>`;
