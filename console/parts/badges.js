// Small marks: tags, dots, and the names of channels, sockets and keys.

import { fingerprint, visible } from "../format.js";
import { iconOf, kindOf } from "../kinds.js";
import { html, nothing } from "./html.js";
import { icon } from "./icons.js";

/** `tone`: "", "open", "warn", "bad", "info" or "wax". */
export const tag = (text, tone = "") => html`<span class="tag ${tone}">${text}</span>`;

export { kindOf };

export const dot = (tone = "") => html`<span class="dot ${tone}"></span>`;

/** A channel's name with the icon of its kind. */
export function channelName(channel) {
  const kind = kindOf(channel);
  return html`<span class="chan ${kind}">${icon(iconOf(channel))}<span class="vh">${kind} channel </span><bdi>${visible(channel)}</bdi></span>`;
}

/** Any other name from outside, in the monospaced face. */
export const name = (text) => html`<bdi class="mono">${visible(text)}</bdi>`;

/** A key's fingerprint in groups of four. */
export const keyName = (id) => (id ? html`<span class="mono">${fingerprint(id)}</span>` : nothing);

/** A link to more, at the right of a card's head. */
export const more = (href, text) => html`<a class="more" href=${href}>${text}</a>`;

/** A row of buttons of which one is pressed. `options`: `[value, text]`. */
export const choice = (label, options, chosen, choose) => html`
  <div class="seg" role="group" aria-label=${label}>
    ${options.map(([value, text]) => html`<button type="button" aria-pressed=${value === chosen} @click=${() => choose(value)}>${text}</button>`)}
  </div>`;

/** Names and values of one thing. `pairs`: `[name, value]`; those without a value are left out. */
export const facts = (pairs) => html`
  <dl class="facts">
    ${pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}
  </dl>`;
