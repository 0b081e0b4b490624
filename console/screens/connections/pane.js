// One connection: its client, its channels with their keys, and how to end it.

import { segment } from "../../api.js";
import { age, bytes, count, fingerprint, moment, plural, visible } from "../../format.js";
import { channelName, facts, name, tag } from "../../parts/badges.js";
import { detailPane } from "../../parts/detail.js";
import { askFirst } from "../../parts/dialog.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { skeletonRows, stateful } from "../../parts/states.js";
import { table } from "../../parts/table.js";

const SECONDS = 3;
const WAYS = [
  [4200, "It may return at once (4200)", "The client connects again and subscribes anew."],
  [4009, "It must not return (4009)", "The client gives up until its page is loaded again."],
];

export const clientOf = ({ client, version }) => [client, version].filter(Boolean).join(" ") || "unknown";

export class ConnectionPane {
  #page;
  #value;

  constructor(page, socket) {
    this.socket = socket;
    this.#page = page;
    this.#value = page.resource((signal) => page.api.get(this.#path(""), {}, signal), { every: SECONDS });
  }

  stop() {
    this.#page.release(this.#value);
  }

  #path(rest) {
    return this.#page.path(`/connections/${segment(this.socket)}${rest}`);
  }

  view(back) {
    const page = this.#page;
    return detailPane(`Connection ${visible(this.socket)}`, back, html`
      <h2>${name(this.socket)}${this.#value.data?.transport === "event_stream" ? tag("event stream", "info") : nothing}</h2>
      <div class="row">
        <a class="btn" href=${page.link("live", [], { socket: this.socket })}>${icon("live")}Follow live</a>
        <button type="button" class="btn" @click=${() => this.#disconnect()}>Disconnect…</button>
      </div>
      ${stateful(this.#value, { content: (data) => this.#content(data), skeleton: () => skeletonRows(7) })}`);
  }

  #content(data) {
    const page = this.#page;
    return html`
      ${facts([
        ["Client", visible(clientOf(data))],
        ["Protocol", data.protocol],
        ["Transport", data.transport?.replace("_", " ")],
        ["User", data.user_id && html`<a href=${page.link("connections", [], { user: data.user_id })}>${name(data.user_id)}</a>`],
        ["Address", data.address && name(data.address)],
        ["Since", html`${moment(data.since)} UTC, ${age(this.#value.at / 1000 - data.since)}`],
        ["Waiting", bytes(data.waiting_bytes)],
        ["Last heard", `${age(data.silent_seconds)} ago`],
      ])}
      ${this.#channels(data)}`;
  }

  #channels({ channels = [], channel_count: all = channels.length }) {
    const page = this.#page;
    const columns = [
      { title: "Channel", grow: true, cell: (it) => channelName(it.name) },
      { title: "Key or user", num: true, cell: (it) => (it.opening ? tag("opening", "warn") : it.key ? html`<span class="mono">${fingerprint(it.key)}</span>${it.epoch ? html` <span class="dim">epoch ${it.epoch}</span>` : nothing}` : it.user_id ? name(it.user_id) : html`<span class="dim">–</span>`) },
    ];
    return html`<section class="card inner"><header><h3>${plural(all, "channel")}</h3></header>
      ${channels.length ? table({ label: "Channels", columns, rows: channels, key: (it) => it.name, link: (it) => page.link("channels", [it.name]) }) : html`<p class="dim in">It is on no channel.</p>`}
      ${all > channels.length ? html`<p class="dim in">${count(all - channels.length)} more are not listed.</p>` : nothing}</section>`;
  }

  #disconnect() {
    const page = this.#page;
    const form = { code: WAYS[0][0] };
    askFirst(page, {
      title: "Disconnect this client?",
      text: html`<p>The server closes connection ${name(this.socket)}.</p>`,
      action: "Disconnect",
      danger: true,
      fields: () => html`<fieldset class="radios"><legend class="vh">Afterwards</legend>
        ${WAYS.map(([code, title, note]) => html`<label><input type="radio" name="code" .checked=${form.code === code} @change=${() => { form.code = code; }}><span>${title}<small>${note}</small></span></label>`)}</fieldset>`,
      run: async () => {
        await page.api.post(this.#path("/disconnect"), { code: form.code });
        page.store.say(`Closed with ${form.code}.`);
        this.#value.refresh();
      },
    });
  }
}
