// Send an event: to channels of an app, with checks before and the answer after it.

import { count } from "../format.js";
import { choice } from "../parts/badges.js";
import { card, noApp } from "../parts/card.js";
import { codeBlock } from "../parts/copy.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { Api } from "../api.js";
import { errorLine } from "../parts/states.js";
import { Answers, answersCard } from "./send/answers.js";
import { ChannelLookup, channelRows } from "./send/channels.js";
import { LANGUAGES, example } from "./send/code.js";
import { bytesOf, checkData, limitsOf, splitChannels } from "./send/checks.js";

export function create(page) {
  if (!page.app) return { body: noApp };
  const { query } = page.route;
  const form = { app: page.app, channels: query.channel ?? "", name: query.name ?? "", data: "", isText: false, mixed: false, socket: "", busy: false, error: undefined };
  const view = { language: "curl" };
  const config = page.resource((signal) => page.api.get("/admin/config", {}, signal));
  const lookup = page.own(new ChannelLookup(page, () => form.app));
  const answers = new Answers();
  lookup.want(splitChannels(form.channels));

  const set = (name) => (event) => {
    form[name] = event.target.type === "checkbox" ? event.target.checked : event.target.value;
    if (name === "app") lookup.clear();
    if (name === "app" || name === "channels") lookup.want(splitChannels(form.channels));
    page.redraw();
  };
  const checked = () => {
    const limits = limitsOf(config.data?.settings, form.app);
    return { limits, channels: splitChannels(form.channels), data: checkData(form.data, form.isText), size: bytesOf(form.data) };
  };
  const body = ({ channels }) => ({ name: form.name, channels, data: form.data, ...(form.mixed ? { allow_mixed: true } : {}), ...(form.socket.trim() ? { socket_id: form.socket.trim() } : {}) });

  const send = async (event) => {
    event?.preventDefault();
    const now = checked();
    if (form.busy || now.data.error || !now.channels.length || !form.name) return;
    Object.assign(form, { busy: true, error: undefined });
    page.redraw();
    const began = performance.now();
    try {
      const answer = await page.api.post(Api.app(form.app, "/events"), body(now));
      answers.add({ ...now, name: form.name, answer, milliseconds: performance.now() - began });
      page.store.say("The server has accepted the event.");
    } catch (error) {
      form.error = error;
    }
    form.busy = false;
    page.redraw();
  };
  const enter = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.currentTarget.requestSubmit();
  };
  const tidy = () => {
    form.data = JSON.stringify(JSON.parse(form.data), null, 2);
    page.redraw();
  };

  function content() {
    const now = checked();
    return html`
      ${config.data ? nothing : errorLine(config.error, () => config.refresh())}
      <div class="two">
        ${card("h-event", "Event", html`
          <form class="in" autocomplete="off" @submit=${send} @keydown=${enter}>
            ${page.store.apps.length > 1 ? html`<label class="field"><span>App</span><select @change=${set("app")}>${page.store.apps.map((app) => html`<option ?selected=${app === form.app}>${app}</option>`)}</select></label>` : nothing}
            <label class="field"><span>Channels, separated by blanks</span><input class="mono" required spellcheck="false" autocapitalize="off" placeholder="private-encrypted-orders news" .value=${live(form.channels)} @input=${set("channels")}></label>
            ${now.channels.length > now.limits.channels ? html`<p class="hint bad">At most ${count(now.limits.channels)} channels.</p>` : nothing}
            <label class="field"><span>Name</span><input class="mono" required spellcheck="false" autocapitalize="off" maxlength="1000" placeholder="shipped" .value=${live(form.name)} @input=${set("name")}></label>
            ${dataField(form, now, { set, tidy, pick: (isText) => { form.isText = isText; page.redraw(); } })}
            <details class="options"><summary>More</summary>
              <label class="field"><span>Leave out this socket id</span><input class="mono" spellcheck="false" placeholder="12.4409" @input=${set("socket")}></label>
              <label class="check"><input type="checkbox" .checked=${form.mixed} @change=${set("mixed")}>Allow encrypted and other channels together: the others get it in clear</label>
            </details>
            ${errorLine(form.error)}
            <div class="actions"><span class="dim no-phone"><kbd>Ctrl</kbd> <kbd>Enter</kbd></span><button class="btn primary" ?disabled=${form.busy}>${icon("send")}Send</button></div>
          </form>`)}
        <div class="stack">
          ${card("h-channels", "Who gets it", channelRows(page, now.channels, lookup, form.mixed || limitsOf(config.data?.settings, form.app).mixed))}
          ${answersCard(page, answers)}
        </div>
      </div>
      ${card("h-code", "The same from a backend", html`<div class="in">${codeBlock(page, example(view.language, { ...form, ...now, body: body(now), page, lookup, settings: config.data?.settings }))}</div>`,
        choice("Language", LANGUAGES, view.language, (language) => { view.language = language; page.redraw(); }))}`;
  }

  return {
    body: content,
    state: () => ["Connected", ""],
    stop: () => Object.assign(form, { data: "", channels: "" }),
  };
}

/** The payload with its check and its size. */
function dataField(form, { data, size, limits }, { set, tidy, pick }) {
  const share = size / limits.bytes;
  const tone = data.error || share > 1 ? "bad" : "";
  const text = data.error ?? (form.isText ? "Text, sent as it is" : form.data.trim() ? `JSON: ${data.kind}` : "Empty");
  return html`
    <div class="field">
      <span class="row"><label for="send-data">Data</label><span class="space"></span>${choice("Kind of data", [[false, "JSON"], [true, "Text"]], form.isText, pick)}</span>
      <textarea id="send-data" rows="8" spellcheck="false" aria-describedby="send-check" aria-invalid=${data.error ? "true" : "false"} placeholder='{"id": 1}' .value=${live(form.data)} @input=${set("data")}></textarea>
      <span class="hint ${tone}" id="send-check"><span>${text}</span>
        ${!form.isText && !data.error && form.data.trim() ? html`<button type="button" class="link" @click=${tidy}>Format</button>` : nothing}
        <span class="space"></span><span>${count(size)} of ${count(limits.bytes)} bytes</span></span>
      <meter class="size" min="0" max=${limits.bytes} value=${Math.min(size, limits.bytes)} ?data-over=${share > 1} aria-label="Size against the limit">${Math.round(share * 100)} %</meter>
      ${share > 1 ? html`<small>On encrypted channels the size in clear counts. The setting is <code>apps.${form.app}.limits.event_bytes</code>.</small>` : nothing}
    </div>`;
}
