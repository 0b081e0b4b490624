// One channel: subscribers, members, the key in use, the cached event, its history.

import { age, bytes, count, plural, visible } from "../../format.js";
import { segment } from "../../api.js";
import { channelName, facts, keyName, name as nameOf, tag } from "../../parts/badges.js";
import { detailPane } from "../../parts/detail.js";
import { askFirst } from "../../parts/dialog.js";
import { html, nothing } from "../../parts/html.js";
import { icon, seal } from "../../parts/icons.js";
import { Pages } from "../../parts/paging.js";
import { skeletonRows, stateful } from "../../parts/states.js";
import { table } from "../../parts/table.js";
import { rateOf } from "./rate.js";

const SECONDS = 3;

export class ChannelPane {
  #page;
  #top;
  #pages;

  constructor(page, name, top) {
    this.name = name;
    this.#page = page;
    this.#top = top;
    this.#pages = new Pages(page, (after, signal) => page.api.get(this.#path(""), { after }, signal), { every: SECONDS });
  }

  stop() {
    this.#page.release(this.#pages.value);
  }

  #path(rest) {
    return this.#page.path(`/channels/${segment(this.name)}${rest}`);
  }

  view(back) {
    const { name } = this;
    const page = this.#page;
    return detailPane(`Channel ${visible(name)}`, back, html`
      <h2>${channelName(name)}</h2>
      <div class="row">
        <a class="btn" href=${page.link("live", [], { channel: name })}>${icon("live")}Watch</a>
        <a class="btn" href=${page.link("connections", [], { channel: name })}>${icon("plug")}Connections</a>
        <a class="btn" href=${page.link("send", [], { channel: name })}>${icon("send")}Send</a>
      </div>
      ${stateful(this.#pages.value, { content: (data) => this.#content(data), skeleton: () => skeletonRows(6) })}`);
  }

  #content(data) {
    return html`
      ${data.encryption ? sealing(data.encryption, data.subscription_count) : nothing}
      ${facts([
        ["Kind", data.kind],
        ["Subscribers", count(data.subscription_count)],
        ["Members", data.user_count === undefined ? undefined : count(data.user_count)],
        ["Events/s", rateOf(this.#top.data, data.name)],
        ["Cached event", data.cache && html`${bytes(data.cache.bytes)}, ${age(data.cache.age_seconds)} old${data.cache.ttl ? html`, kept for ${age(data.cache.ttl)}` : nothing}`],
        ["History", data.history && html`${count(data.history.events)} of ${plural(data.history.max_events, "event")}, ${bytes(data.history.bytes)} of ${bytes(data.history.max_bytes)}`],
      ])}
      ${data.cache || data.kind === "encrypted" || data.kind === "presence" ? html`<div class="row">
        ${data.cache ? html`<button type="button" class="btn" @click=${() => this.#clear()}>Clear the cached event…</button>` : nothing}
        ${data.kind === "encrypted" || data.kind === "presence" ? html`<button type="button" class="btn" @click=${() => this.#revoke("")}>Revoke a user…</button>` : nothing}
      </div>` : nothing}
      ${data.members ? this.#members(data.members) : nothing}`;
  }

  #members(members) {
    const page = this.#page;
    const columns = [
      { title: "Member", grow: true, cell: (it) => nameOf(it.id) },
      { title: "Connections", num: true, cell: (it) => (it.connections === undefined ? "–" : count(it.connections)) },
      { title: html`<span class="vh">Actions</span>`, num: true, cell: (it) => html`<button type="button" class="link over" aria-label="Revoke ${visible(it.id)}" @click=${() => this.#revoke(it.id)}>Revoke…</button>` },
    ];
    return html`<section class="card inner"><header><h3>Members</h3></header>
      ${members.length ? table({ label: "Members", columns, rows: members, key: (it) => it.id, link: (it) => page.link("connections", [], { user: it.id }) }) : html`<p class="dim in">None on this page.</p>`}
      ${this.#pages.controls("Pages of members")}</section>`;
  }

  #clear() {
    const page = this.#page;
    askFirst(page, {
      title: "Clear the cached event?",
      text: html`<p>New subscribers of ${nameOf(this.name)} get no event until the next one is published.</p>`,
      action: "Clear",
      danger: true,
      run: async () => {
        const { cleared } = await page.api.post(this.#path("/clear"));
        page.store.say(cleared ? "The cached event is gone." : "There was no cached event.");
        this.#pages.value.refresh();
      },
    });
  }

  /** `user`: a member of the list, or empty to type one. */
  #revoke(user) {
    const page = this.#page;
    const form = { user };
    askFirst(page, {
      title: "Revoke a user's access?",
      text: html`<p>The server closes the subscriptions of ${user ? nameOf(user) : "this user"} to ${nameOf(this.name)}. On a sealed channel the others get a new secret. The user can return with a token issued later.</p>`,
      action: "Revoke",
      danger: true,
      fields: () => (user ? nothing : html`<label class="field"><span>User id</span><input class="mono" required autocomplete="off" spellcheck="false" @input=${(event) => { form.user = event.target.value; }}></label>`),
      run: async () => {
        await page.api.post(this.#path("/revoke"), { user_id: form.user.trim() });
        page.store.say("Access is revoked.");
        this.#pages.value.refresh();
      },
    });
  }
}

function sealing({ mode, key, epoch, behind }, subscribers) {
  if (mode === "blind") return html`<div class="box info">${icon("lock")}<div><b>Blind</b><p>The server has no key. The backend seals.</p></div></div>`;
  return html`<div class="box wax">${seal()}<div><b>Sealed here</b>
    <p>Key ${keyName(key)}${epoch ? html`, epoch ${epoch}` : nothing}. ${behind ? html`${plural(behind, "subscription")} of ${count(subscribers)} still at an earlier one ${tag("rotating", "wax")}` : "All subscriptions have it."}</p></div></div>`;
}
