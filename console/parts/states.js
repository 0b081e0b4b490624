// The states of everything that is loaded: skeleton, empty, error, old, and the value itself.

import { age } from "../format.js";
import { html, nothing } from "./html.js";
import { icon } from "./icons.js";

/**
 * `value` is a Resource. `content(data)` shows it. `isEmpty(data)` and `empty()` show the one thing
 * to do; `skeleton()` has the layout of the content.
 */
export function stateful(value, { content, skeleton = () => skeletonRows(), isEmpty = () => false, empty = () => nothing }) {
  if (value.data === undefined) {
    if (value.error) return errorState(value.error, () => value.refresh());
    return value.isSlow ? skeleton() : nothing;
  }
  return html`${value.error && value.error.code !== "console_signed_out" ? oldState(value) : nothing}${isEmpty(value.data) ? empty() : content(value.data)}`;
}

/** Why there is nothing, and the one thing to do: a template. */
export const emptyState = (title, action = nothing, name = "channels") => html`
  <div class="state">${icon(name)}<h2>${title}</h2><div>${action}</div></div>`;

/** An error of the API with its code, fix and id. */
export const errorState = (error, retry) => html`
  <div class="state bad">
    ${icon("warn")}
    <h2>${error.message}</h2>
    ${error.fix ? html`<p>${error.fix}</p>` : nothing}
    <p class="codes"><code>${error.code ?? "error"}</code>${error.id ? html` · id <code>${error.id}</code>` : nothing}</p>
    ${retry ? html`<button type="button" class="btn" @click=${retry}>${icon("retry")}Retry</button>` : nothing}
  </div>`;

/** The same in one line, above content or within a form. */
export const errorLine = (error, retry) =>
  error
    ? html`<p class="note bad">${icon("warn")}<span>${error.message} ${error.fix ?? ""} <code>${error.code ?? ""}</code>${error.id ? html` id <code>${error.id}</code>` : nothing}</span>
        ${retry ? html`<button type="button" class="link" @click=${retry}>Retry</button>` : nothing}</p>`
    : nothing;

const oldState = (value) => html`
  <p class="note">${icon("clock")}<span>${age((Date.now() - value.at) / 1000)} old. ${value.error.message}</span>
    <button type="button" class="link" @click=${() => value.refresh()}>Retry</button></p>`;

export const skeletonRows = (rows = 6) => html`
  <div class="skeleton" aria-hidden="true">${Array.from({ length: rows }, () => html`<span></span>`)}</div>`;

/** A grey box in place of a card's content. */
export const skeletonBlock = (size = "") => html`<div class="skeleton block ${size}" aria-hidden="true"><span></span></div>`;
