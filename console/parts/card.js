// A box with a heading, and what a screen says on a server without an app.

import { html, nothing } from "./html.js";
import { emptyState } from "./states.js";

/** `id` names the heading; `aside` stands at the right of it; `style` is a class. */
export const card = (id, title, content, aside = nothing, style = "") => html`
  <section class="card ${style}" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}</h2><span class="space"></span>${aside}</header>
    ${content}
  </section>`;

export const noApp = () =>
  emptyState("This server has no app.", html`<p>Add <code>[apps.NAME]</code> with a <code>key</code> and a <code>secret</code> to the configuration.</p>`, "gear");
