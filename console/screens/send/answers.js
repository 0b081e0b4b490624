// The answers of this visit, the newest first. They have no payload.

import { clock, count, plural } from "../../format.js";
import { name as outside } from "../../parts/badges.js";
import { card } from "../../parts/card.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";

const MAX_ANSWERS = 5;

export class Answers {
  list = [];

  add({ channels, name, size, answer, milliseconds }) {
    this.list = [{ at: Date.now() / 1000, channels, name, size, answer, milliseconds }, ...this.list].slice(0, MAX_ANSWERS);
  }
}

export const answersCard = (page, { list }) =>
  card("h-answers", "Answer", list.length
    ? html`<ul class="reach">${list.map((it) => row(page, it))}</ul>`
    : html`<p class="in dim">Nothing was sent yet. The audit log names the channels, never the data.</p>`);

const row = (page, { at, channels, name, size, answer, milliseconds }) => html`
  <li>
    <span class="row">${icon("check")}<b>Accepted</b><span class="dim">${clock(at)} · ${milliseconds.toFixed(0)} ms</span><span class="space"></span>
      <a class="more" href=${page.link("live", [], channels.length === 1 ? { channel: channels[0] } : {})}>See it live</a></span>
    <p>${outside(name)}, ${count(size)} bytes, to ${channels.length === 1 ? outside(channels[0]) : plural(channels.length, "channel")}</p>
    ${Object.keys(answer ?? {}).length ? html`<pre class="small-code" tabindex="0">${JSON.stringify(answer)}</pre>` : nothing}
  </li>`;
