// Overview: is the server well, and is it sealing?

import { age, count, duration, short } from "../format.js";
import { choice } from "../parts/badges.js";
import { TimeChart } from "../parts/chart.js";
import { codeBlock } from "../parts/copy.js";
import { html, nothing, ref } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { Series } from "../parts/series.js";
import { emptyState, errorState, skeletonBlock } from "../parts/states.js";
import { busiestCard, refusedCard, warnings, webhooksCard } from "./overview/cards.js";
import { figures, figuresSkeleton } from "./overview/figures.js";
import { firstPage } from "./overview/first-page.js";
import { sealingCard } from "./overview/sealing.js";
import { settingOf } from "./send/checks.js";

const RANGES = [[300, "5 min"], [900, "15 min"], [3600, "1 h"]];
const SKELETON_MS = 150;
const MAX_CODES = 64;
const MAX_HISTORY = 60;

export function create(page) {
  const opened = Date.now();
  const series = new Series(page, 900);
  const chart = page.own(new TimeChart());
  const tally = { since: opened, codes: new Map() };
  const rates = new Map();
  if (!page.app) return { body: noApp };

  const keys = page.resource((signal) => page.api.get(page.path("/keys"), {}, signal), { every: 3 });
  const webhooks = page.resource((signal) => page.api.get(page.path("/webhooks"), { limit: 1 }, signal), { every: 5 });
  const config = page.resource((signal) => page.api.get("/admin/config", {}, signal), { every: 30 });
  const top = page.resource(async (signal) => remember(rates, await page.api.get(page.path("/top"), {}, signal)), { every: 2 });
  page.watch("feed", { filter: new URLSearchParams({ app: page.app, type: "refused,connection_refused" }).toString() }, {
    message: ({ entries = [] }) => entries.forEach((entry) => note(tally.codes, String(entry.code ?? "no code"))),
  });

  const body = () => {
    if (!series.isKnown) {
      if (series.error) return errorState(Object.assign(series.error, { message: series.error.error }), series.retry);
      return Date.now() - opened > SKELETON_MS ? skeleton() : nothing;
    }
    chart.update(["deliveries", "published", "trigger_p50_us", "trigger_p95_us", "delay_p95_us"].reduce((all, it) => [...all, series.column(it)], [series.times()]), series.range, marksOf(page, series), page.theme.isDark);
    return html`
      ${notes(warnings(page, { webhooks, config, stats: page.stats()?.data }))}
      ${isUnused(series, page.stats()?.data) ? firstSteps(page, config.data?.settings) : nothing}
      ${figures(series)}
      <div class="two">${chartCard(series, chart)}${sealingCard(page, keys, series)}</div>
      <div class="three">${busiestCard(page, top, (name) => rates.get(name) ?? [], series.last("channels"))}${refusedCard(page, series, tally)}${webhooksCard(page, webhooks)}</div>`;
  };
  return {
    body,
    state: () => ["Live, each second", ""],
    actions: () => html`<a class="btn primary" href=${page.link("send")}>${icon("send")}<span class="no-phone">Send an event</span><span class="only-phone">Send</span></a>`,
  };
}

/** Adds the rates of this answer to each channel's history; forgets channels that left the table. */
function remember(rates, answer) {
  const now = new Map(answer.channels.map((it) => [it.name, it.events_per_second]));
  for (const name of rates.keys()) if (!now.has(name)) rates.delete(name);
  for (const [name, rate] of now) rates.set(name, [...(rates.get(name) ?? []), rate].slice(-MAX_HISTORY));
  return answer;
}

function note(codes, code) {
  if (codes.size < MAX_CODES || codes.has(code)) codes.set(code, (codes.get(code) ?? 0) + 1);
}

const marksOf = (page, series) => series.marks.filter((mark) => !mark.app || mark.app === page.app);

const isUnused = (series, stats) => stats && stats.sockets === 0 && series.sum("published") === 0 && series.sum("connections") === 0;

const notes = (found) => (found.length ? html`<div class="notes">${found.map(warning)}</div>` : nothing);

const warning = ([tone, text, href, action]) => html`<p class="note ${tone}">${icon("warn")}<span>${text}</span><a href=${href}>${action}</a></p>`;

const chartCard = (series, chart) => html`
  <section class="card" aria-labelledby="h-deliveries">
    <header><h2 id="h-deliveries">Deliveries</h2><span class="dim wide">frames a second, to all subscribers</span><span class="space"></span>
      ${choice("Range", RANGES, series.range, (range) => series.choose(range))}</header>
    <div class="chart" role="img" aria-label=${summary(series)} ${ref(chart.attach)}></div>
  </section>`;

/** The chart in words. */
function summary(series) {
  const known = (name) => series.column(name).filter(Number.isFinite);
  const text = (value) => short(value).join(" ").trim();
  const deliveries = known("deliveries");
  const p95 = known("trigger_p95_us");
  const times = p95.length ? ` Time of a trigger: half within ${duration(series.last("trigger_p50_us"))}, 95 percent within ${duration(series.last("trigger_p95_us"))}, at most ${duration(Math.max(...p95))}.` : " No trigger was timed.";
  return `Last ${age(series.times().length)}. Deliveries a second: between ${text(Math.min(...deliveries))} and ${text(Math.max(...deliveries))}, now ${text(series.last("deliveries"))}.${times} ${count(series.marks.length)} marks.`;
}

const skeleton = () => html`
  ${figuresSkeleton()}
  <div class="two"><div class="card">${skeletonBlock("tall")}</div><div class="card">${skeletonBlock("tall")}</div></div>
  <div class="three">${[1, 2, 3].map(() => html`<div class="card">${skeletonBlock()}</div>`)}</div>`;

const noApp = () => emptyState("This server has no app.", html`<p>Add <code>[apps.NAME]</code> with a <code>key</code> and a <code>secret</code> to the configuration.</p>`, "gear");

function firstSteps(page, settings) {
  const text = firstPage(page.store.session.public_url, settingOf(settings, page.app, "key") ?? "YOUR KEY");
  return html`<section class="card" aria-labelledby="h-first">
    <header><h2 id="h-first">No subscriber yet. Paste this into a page:</h2><span class="space"></span>${page.store.session.dev ? html`<a class="more" href=${page.link("try")}>or try it here</a>` : nothing}</header>
    <div class="in">${codeBlock(page, text)}</div></section>`;
}
