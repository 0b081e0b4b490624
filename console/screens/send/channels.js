// Which channels get the event, which of them seal, and how many subscribers they have.

import { Api, segment } from "../../api.js";
import { count, shortFingerprint } from "../../format.js";
import { channelName, tag } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { isEncrypted, targetOf } from "./checks.js";

const WAIT_MS = 350;
const FRESH_MS = 5_000;
/** More channels than this are sent to, and not looked up. */
const MAX_LOOKUPS = 12;

/** What the server says about channels, asked for while the reader types. */
export class ChannelLookup {
  #page;
  #app;
  #known = new Map();
  #timer;

  constructor(page, app) {
    this.#page = page;
    this.#app = app;
  }

  want(names) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => names.slice(0, MAX_LOOKUPS).map(targetOf).forEach((name) => this.#load(name)), WAIT_MS);
  }

  /** `{ data }`, `{ error }` or nothing yet. */
  of(name) {
    return this.#known.get(targetOf(name)) ?? {};
  }

  clear() {
    this.#known.clear();
  }

  async #load(name) {
    const known = this.#known.get(name);
    if (known && Date.now() - known.at < FRESH_MS) return;
    const app = this.#app();
    const entry = { at: Date.now(), data: known?.data };
    this.#known.set(name, entry);
    try {
      entry.data = await this.#page.api.get(Api.app(app, `/channels/${segment(name)}`), { limit: 1 });
    } catch (error) {
      entry.error = error;
    }
    this.#page.redraw();
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

export function channelRows(page, names, lookup, allowsMixed) {
  if (!names.length) return html`<p class="in dim">Name a channel. On <code>private-encrypted-…</code> the server seals the data.</p>`;
  const isMixed = names.some(isEncrypted) && !names.every(isEncrypted);
  return html`
    <ul class="reach">${names.map((name) => row(name, lookup.of(name)))}</ul>
    ${isMixed && !allowsMixed ? html`<p class="note">${icon("warn")}<span>Encrypted and other channels in one event: the others would get it in clear. The server refuses it, unless you allow it under More.</span></p>` : nothing}`;
}

function row(name, { data, error }) {
  const target = targetOf(name);
  return html`
    <li>
      ${channelName(target)}
      ${error ? html`<p class="bad">${error.message} <code>${error.code}</code></p>` : html`<p>${sealing(name, data)}${data ? html` · ${subscribers(data)}` : nothing}${target === name ? nothing : html` · through its alias`}</p>`}
    </li>`;
}

const subscribers = ({ subscription_count: number }) => (number ? html`<b>${count(number)}</b> ${number === 1 ? "subscriber" : "subscribers"}` : "no subscriber now");

function sealing(name, data) {
  if (!isEncrypted(name)) return tag("in clear");
  const { mode, key } = data?.encryption ?? {};
  if (mode === "blind") return html`${tag("blind", "info")} takes envelopes alone: your backend seals`;
  return html`${tag("sealed here", "wax")}${key ? html` with <span class="mono">${shortFingerprint(key)}</span>` : nothing}`;
}
