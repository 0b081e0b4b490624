// Try it (--dev): pusher-js as a page of yours, beside a backend that sends. The first event that
// arrives was sealed by the server and opened in this page.

import { clock } from "../format.js";
import { name, tag } from "../parts/badges.js";
import { card, noApp } from "../parts/card.js";
import { codeBlock } from "../parts/copy.js";
import { html, live, nothing } from "../parts/html.js";
import { icon, seal } from "../parts/icons.js";
import { emptyState, errorLine, skeletonBlock, stateful } from "../parts/states.js";
import { bytesOf, checkData, settingOf } from "./send/checks.js";
import { Subscriber } from "./try/subscriber.js";
import { CHANNEL, placeOf, snippet } from "./try/place.js";

export function create(page) {
  if (!page.store.session.dev) return { body: () => emptyState("This screen is there with --dev alone.", html`<p>Start a server beside this one: <code>sealcast serve --dev</code></p>`, "spark") };
  if (!page.app) return { body: noApp };
  const form = { name: "hello", data: '{"text": "from the console"}', busy: false, error: undefined };
  let subscriber;
  const config = page.resource(async (signal) => {
    const { settings } = await page.api.get("/admin/config", {}, signal);
    const key = settingOf(settings, page.app, "key");
    const place = placeOf(page, key, settings.find((it) => it.setting === "path_prefix")?.value);
    if (!subscriber) connect(place);
    return { place, key };
  });
  const connect = (place) => {
    if (subscriber) page.release(subscriber);
    subscriber = page.own(new Subscriber(place, page.redraw));
    subscriber.start();
  };

  const set = (field) => (event) => {
    form[field] = event.target.value;
    page.redraw();
  };
  const send = async (event) => {
    event.preventDefault();
    if (form.busy || checkData(form.data, false).error) return;
    Object.assign(form, { busy: true, error: undefined });
    page.redraw();
    try {
      await page.api.post(page.path("/events"), { name: form.name, channels: [CHANNEL], data: form.data });
      page.store.say("Sent.");
    } catch (error) {
      form.error = error;
    }
    form.busy = false;
    page.redraw();
  };

  const content = ({ place }) => html`
    <div class="halves">
      ${card("h-page", "A page", html`
        <div class="in">
          <ol class="steps">${subscriber.steps().map(step)}</ol>
          ${subscriber.problem ? html`<p class="note bad">${icon("warn")}<span>${subscriber.problem.text} ${subscriber.problem.fix}</span><button type="button" class="link" @click=${() => connect(place)}>Retry</button></p>` : nothing}
        </div>`, tag("pusher-js"))}
      ${card("h-backend", "A backend", html`
        <form class="in" autocomplete="off" @submit=${send}>
          <label class="field"><span>Name</span><input class="mono" required spellcheck="false" .value=${live(form.name)} @input=${set("name")}></label>
          <label class="field"><span>Data</span><textarea rows="4" spellcheck="false" .value=${live(form.data)} @input=${set("data")}></textarea></label>
          ${check(form)}
          ${errorLine(form.error)}
          <div class="actions"><span class="dim">to <code>${CHANNEL}</code></span><button class="btn primary" ?disabled=${form.busy}>${icon("send")}Send</button></div>
        </form>`, tag("admin API"))}
    </div>
    ${card("h-arrived", "What arrived", arrived(subscriber))}
    ${card("h-own", "The same in a page of yours", html`<div class="in">${codeBlock(page, snippet(place))}</div>`)}`;

  return {
    body: () => stateful(config, { content, skeleton: () => html`<div class="halves"><div class="card">${skeletonBlock()}</div><div class="card">${skeletonBlock()}</div></div>` }),
    state: () => (subscriber?.isReady ? ["Subscribed", ""] : ["Connecting", "warn"]),
  };
}

function check({ data }) {
  const { error } = checkData(data, false);
  return html`<p class="hint ${error ? "bad" : ""}"><span>${error ?? "JSON"}</span><span class="space"></span>${bytesOf(data)} bytes</p>`;
}

const STEP_ICONS = { done: "check", now: "clock", wait: "more", bad: "no" };

const step = ({ state, title, text }) => html`
  <li class=${state}>${icon(STEP_ICONS[state])}<div><p><b>${title}</b></p>${text ? html`<p class="dim">${text}</p>` : nothing}</div></li>`;

function arrived({ events }) {
  if (!events.length) return html`<p class="in dim">Nothing yet. Send the event: it leaves the server as ciphertext, and this page opens it.</p>`;
  return html`<ol class="arrived">${events.map((it, at) => html`
    <li>
      <p class="row">${at === events.length - 1 && events.length === 1 ? seal() : nothing}<b>${name(it.event)}</b><span class="dim">${clock(it.at)}</span>${tag("opened", "open")}</p>
      <div class="halves">
        <div><h3 class="sub-title">On the wire</h3>${it.envelope
          ? html`<pre class="envelope" tabindex="0">{"nonce":"<span class="nonce">${it.envelope.nonce}</span>","ciphertext":"<span class="cipher">${it.envelope.ciphertext}</span>"}</pre>`
          : html`<p class="dim">in clear</p>`}</div>
        <div><h3 class="sub-title">In the page</h3><pre class="envelope" tabindex="0">${it.text}</pre></div>
      </div>
    </li>`)}</ol>`;
}
