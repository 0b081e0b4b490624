// Busiest channels, refusals and webhooks.

import { age, count, hostOf, plural, seconds, short } from "../../format.js";
import { channelName, dot, more, name, tag } from "../../parts/badges.js";
import { causeOf } from "../../parts/causes.js";
import { html, nothing } from "../../parts/html.js";
import { spark } from "../../parts/spark.js";
import { errorState, skeletonRows, stateful } from "../../parts/states.js";
import { table } from "../../parts/table.js";

const ROWS = 6;
const CODES = 4;

const card = (id, title, link, content) => html`
  <section class="card" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}</h2><span class="space"></span>${link}</header>
    ${content}
  </section>`;

/** `history(name)`: the channel's rates of the last minutes. */
export function busiestCard(page, top, history, channels) {
  const columns = [
    { title: "Channel", grow: true, cell: (it) => channelName(it.name) },
    { title: "Deliveries/s", num: true, cell: (it) => rate(it.deliveries_per_second) },
    { title: "Events/s", num: true, cell: (it) => rate(it.events_per_second) },
    { title: html`<span class="vh">Last minutes</span>`, hide: true, cell: (it) => spark(history(it.name), { width: 56, height: 18, tone: it.name.startsWith("private-encrypted-") ? "wax" : "" }) },
  ];
  return card("h-busy", "Busiest channels", more(page.link("channels"), channels ? `All ${count(channels)}` : "All"), stateful(top, {
    content: (data) => table({ label: "Busiest channels", columns, rows: data.channels.slice(0, ROWS), key: (it) => it.name, link: (it) => page.link("channels", [it.name]) }),
    isEmpty: (data) => data.channels.length === 0,
    empty: () => html`<p class="in dim">No event in the last seconds.</p>`,
  }));
}

const rate = (value) => short(value).join(" ").trim();

/** `tally`: `{ since, codes: Map }` of what came while this page watched. */
export function refusedCard(page, series, tally) {
  const total = series.isKnown ? series.sum("refused") : 0;
  const codes = [...tally.codes].sort(([, one], [, other]) => other - one).slice(0, CODES);
  return card("h-refused", `Refused, last ${age(series.range)}`, more(page.link("live", [], { type: "refused,auth_denied,connection_refused" }), "Show"), html`
    <ul class="rows">
      <li><span class="row"><b class="sum">${count(total)}</b><span class="dim">${total === 1 ? "request" : "requests"}. By code since ${seconds(tally.since / 1000)}:</span></span></li>
      ${codes.map(([code, number]) => html`<li><a class="rowlink" href=${page.link("live", [], { code })}><code>${code}</code></a>${tag(count(number), number > 9 ? "warn" : "")}<p title=${causeOf(code)}>${causeOf(code)}</p></li>`)}
      ${codes.length ? nothing : html`<li><p class="dim">None since this page was opened.</p></li>`}
    </ul>`);
}

export function webhooksCard(page, webhooks) {
  return card("h-hooks", "Webhooks", more(page.link("webhooks"), "Log"), hooksContent(webhooks));
}

function hooksContent(webhooks) {
  if (webhooks.error?.code === "no_webhooks") return html`<p class="in dim">This app has no webhook.</p>`;
  if (!webhooks.data && webhooks.error) return errorState(webhooks.error, () => webhooks.refresh());
  if (!webhooks.data) return webhooks.isSlow ? skeletonRows(4) : nothing;
  return html`<ul class="rows">${webhooks.data.endpoints.map(endpoint)}</ul>`;
}

const endpoint = (it) => html`
  <li>
    <span class="row">${dot(it.failing ? "warn" : "")}<span class="cut">${name(hostOf(it.endpoint))}</span></span>${it.failing ? tag("failing", "warn") : tag("delivering", "open")}
    <p>${[it.queued ? `${count(it.queued)} wait` : "nothing waits", it.failing, it.dead_letters ? plural(it.dead_letters, "dead letter") : `${count(it.delivered)} delivered`].filter(Boolean).join(" · ")}</p>
  </li>`;

/** What is wrong now, as `[tone, text, link]`; empty most of the time. */
export function warnings(page, { webhooks, config, stats }) {
  const found = [];
  for (const it of webhooks.data?.endpoints ?? []) {
    if (it.failing) found.push(["", html`<b>${hostOf(it.endpoint)}</b> is failing: ${it.failing}. ${plural(it.queued, "event")} ${it.queued === 1 ? "waits" : "wait"}; ${it.lost ? `${count(it.lost)} lost` : "none is lost"}.`, page.link("webhooks"), "Open its log"]);
  }
  if (stats?.tripwire) found.push(["bad", html`<b>The tripwire</b> stopped ${plural(stats.tripwire, "event")} in clear on encrypted channels. This is a fault of the server: report it.`, page.link("audit"), "Open the audit log"]);
  if (stats?.audit?.lost) found.push(["bad", html`<b>The audit log</b> has lost ${plural(stats.audit.lost, "fact")}.`, page.link("audit"), "Open it"]);
  if (stats?.cluster && stats.cluster.link !== "up") found.push(["bad", html`<b>Redis</b> is ${stats.cluster.link}. This node serves its own clients alone.`, page.link("nodes"), "Open nodes"]);
  const reload = config.data?.last_reload;
  if (reload?.error) found.push(["", html`<b>The configuration</b> was not taken over: ${reload.error}`, page.link("configuration"), "Open it"]);
  return found;
}
