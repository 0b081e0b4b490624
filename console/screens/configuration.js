// Configuration: every value with its origin, what waits for a restart, and the last reload.

import { age, count, moment, plural } from "../format.js";
import { choice, name, tag } from "../parts/badges.js";
import { card } from "../parts/card.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, errorLine, skeletonBlock, stateful } from "../parts/states.js";
import { table } from "../parts/table.js";

const EVERY_SECONDS = 10;
const KINDS = [["set", "Set"], ["all", "All"], ["waits", "Waiting"]];

export function create(page) {
  const config = page.resource((signal) => page.api.get("/admin/config", {}, signal), { every: EVERY_SECONDS });
  const { query } = page.route;
  const view = { text: query.name ?? "", kind: query.name ? "all" : "set", busy: false, error: undefined };
  const set = (name) => (value) => {
    view[name] = value;
    page.redraw();
  };
  const reload = async () => {
    if (view.busy) return;
    Object.assign(view, { busy: true, error: undefined });
    page.redraw();
    try {
      page.store.say(said(await page.api.post("/admin/reload")));
    } catch (error) {
      view.error = error;
    }
    view.busy = false;
    page.redraw();
    config.refresh();
  };

  return {
    body: () => stateful(config, { content: (data) => content(data, view, set), skeleton }),
    actions: () => html`<button type="button" class="btn" ?disabled=${view.busy} @click=${reload}>${icon("retry")}<span class="wide-text">Reload</span><kbd class="no-phone">R</kbd></button>`,
    state: () => [`Every ${EVERY_SECONDS} s`, ""],
    keys: { r: reload },
    route: (route) => route.query.name && Object.assign(view, { text: route.query.name, kind: "all" }),
  };
}

const skeleton = () => html`<div class="card">${skeletonBlock()}</div><div class="card">${skeletonBlock("tall")}</div>`;

function said({ applied = [], waits_for_restart: later = [], waits_for_rotation: behind = [] }) {
  const parts = [applied.length ? `Applied: ${applied.join(", ")}.` : "Nothing has changed.", later.length && `After a restart: ${later.join(", ")}.`, behind.length && `After the rotation: ${behind.join(", ")}.`];
  return parts.filter(Boolean).join(" ");
}

const isDefault = ({ source }) => /^default/i.test(source);

function content({ settings, waits_for_restart: waiting = [], last_reload: last }, view, set) {
  const wanted = view.text.trim().toLowerCase();
  const found = settings.filter((it) => (view.kind === "all" || (view.kind === "waits" ? waiting.includes(it.setting) : !isDefault(it))) && `${it.setting} ${it.source} ${it.secret ? "" : JSON.stringify(it.value)}`.toLowerCase().includes(wanted));
  return html`
    ${errorLine(view.error)}
    ${reloadCard(last, waiting)}
    <div class="filters" role="search">
      <label class="find">${icon("search")}<span class="vh">Filter</span><input data-filter type="search" placeholder="Name, value or origin" autocomplete="off" spellcheck="false" .value=${live(view.text)} @input=${(event) => set("text")(event.target.value)}><kbd class="no-phone">/</kbd></label>
      ${choice("Settings", KINDS, view.kind, set("kind"))}
      <span class="dim" role="status">${plural(found.length, "setting")} of ${count(settings.length)}</span>
    </div>
    ${found.length ? groups(found).map(([title, rows], at) => card(`h-group-${at}`, title, table({ label: `Settings of ${title}`, columns: columnsFor(waiting), rows, key: (it) => it.setting }), nothing, "config foldable"))
      : emptyState(view.kind === "waits" && !wanted ? "No setting waits for a restart." : "No setting matches.", wanted ? html`<button type="button" class="btn" @click=${() => set("text")("")}>Clear the filter</button>` : nothing, "gear")}`;
}

function reloadCard(last, names) {
  return html`
    ${last?.error ? html`<p class="note bad">${icon("warn")}<span><b>The configuration was not taken over</b> ${age(Date.now() / 1000 - last.at)} ago. The settings below stay in force. <code>${last.error}</code></span></p>` : nothing}
    <section class="card" aria-label="Reloads"><div class="in summary reloads">
      <span class=${last?.error ? "bad" : ""}>${icon(last?.error ? "warn" : "check")}${last ? html`Last reload ${age(Date.now() / 1000 - last.at)} ago <span class="dim">${moment(last.at)} UTC</span>` : html`Not reloaded since the start`}</span>
      ${names.length ? html`<span>${icon("clock")}${plural(names.length, "setting")} ${names.length === 1 ? "waits" : "wait"} for a restart: ${names.map((it) => name(it))}</span>` : html`<span class="dim">Nothing waits for a restart.</span>`}
    </div></section>`;
}

/** `[["Server", rows], ["apps.shop", rows], …]` in the order of the reference. */
function groups(settings) {
  const found = new Map();
  for (const it of settings) {
    const parts = it.setting.split(".");
    const title = parts.length === 1 ? "Server" : parts[0] === "apps" ? parts.slice(0, 2).join(".") : parts[0];
    found.set(title, [...(found.get(title) ?? []), it]);
  }
  return [...found].map(([title, rows]) => [title, rows]);
}

const columnsFor = (waiting) => [
  { title: "Setting", cell: (it) => html`${name(it.setting)}${waiting.includes(it.setting) ? html` ${tag("waits for a restart", "warn")}` : nothing}` },
  { title: "Value", cell: valueOf },
  { title: "Origin", cell: (it) => html`<span class=${isDefault(it) ? "dim" : ""}>${it.source}</span>` },
  { title: "Takes effect", hide: true, cell: (it) => html`<span class="dim">${it.takes_effect}</span>` },
];

function valueOf({ value, secret, source, default: usual }) {
  if (secret) return isDefault({ source }) ? html`<span class="value unset">not set</span>` : html`<span class="value masked" aria-label="masked">••••••••</span>`;
  if (value === null || value === undefined) return html`<span class="value unset">not set</span>`;
  const isChanged = usual !== undefined && usual !== null && !isDefault({ source }) && JSON.stringify(usual) !== JSON.stringify(value);
  return html`<span class="value">${JSON.stringify(value)}</span>${isChanged ? html` <span class="dim">default ${JSON.stringify(usual)}</span>` : nothing}`;
}
