// A button that copies a text. Nothing that was revealed is ever given to it.

import { html } from "./html.js";
import { icon } from "./icons.js";

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** `text`: the text, or a function that makes it. `page` says in the state line that it was done. */
export function copyButton(page, text, label = "Copy", style = "quiet") {
  const run = async () => {
    const done = await copy(typeof text === "function" ? text() : text);
    page.store.say(done ? "Copied." : "The browser did not allow copying.");
  };
  return html`<button type="button" class="btn ${style}" @click=${run}>${icon("copy")}${label}</button>`;
}

/** A block of code with a button to copy it. */
export const codeBlock = (page, text) => html`
  <div class="code"><pre tabindex="0">${text}</pre>${copyButton(page, text)}</div>`;
