// Audit log: the newest facts, and the hash of the last line.

import { clock, count, moment, plural, seconds, visible } from "../format.js";
import { choice, facts, name, tag } from "../parts/badges.js";
import { codeBlock, copyButton } from "../parts/copy.js";
import { detailPane, split } from "../parts/detail.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, skeletonRows, stateful } from "../parts/states.js";
import { table } from "../parts/table.js";
import { about } from "./audit/facts.js";
import { KINDS, escaped, kindOfFact, toneOfFact } from "./audit/kinds.js";

const EVERY_SECONDS = 5;
const LIMIT = 1_000;
const STEP = 100;

export function create(page) {
  const log = page.resource((signal) => page.api.get("/admin/audit", { limit: LIMIT }, signal), { every: EVERY_SECONDS });
  const view = { text: page.route.query.filter ?? "", kind: page.route.query.kind ?? "all", rows: STEP, chosen: undefined };
  const filter = (values) => {
    Object.assign(view, values, { rows: STEP });
    page.replaceQuery({ filter: view.text, kind: view.kind === "all" ? undefined : view.kind });
    page.redraw();
  };
  const choose = (fact) => {
    view.chosen = fact;
    page.redraw();
  };

  const list = () => html`
    <form class="bar-form" role="search" @submit=${(event) => event.preventDefault()}>
      <label class="find">${icon("search")}<span class="vh">Filter</span><input data-filter type="search" placeholder="Fact, app, channel, user, by…" autocomplete="off" spellcheck="false" .value=${live(view.text)} @input=${(event) => filter({ text: event.target.value })}><kbd class="no-phone">/</kbd></label>
      ${choice("Facts", KINDS, view.kind, (kind) => filter({ kind }))}
    </form>
    <div class="scroll facts-list">${stateful(log, { content, skeleton: () => skeletonRows(12), isEmpty: (data) => data.facts.length === 0, empty: () => noFacts() })}</div>
    ${log.data ? foot(page, log.data) : nothing}`;

  const content = (data) => {
    const wanted = view.text.trim().toLowerCase();
    const found = data.facts.filter((fact) => (view.kind === "all" || kindOfFact(fact) === view.kind) && (!wanted || textOf(fact).includes(wanted)));
    if (!found.length) return emptyState("No fact matches.", html`<button type="button" class="btn" @click=${() => filter({ text: "", kind: "all" })}>Show all</button>`, "log");
    return html`
      ${table({ label: "Facts, the newest first", columns: columnsFor(choose, page.store.apps.length > 1), rows: found.slice(0, view.rows), key: keyOf, selected: (fact) => view.chosen && keyOf(fact) === keyOf(view.chosen) })}
      ${found.length > view.rows ? html`<p class="pages"><button type="button" class="btn" @click=${() => { view.rows += STEP; page.redraw(); }}>Show ${count(Math.min(STEP, found.length - view.rows))} more of ${count(found.length)}</button></p>` : nothing}`;
  };

  return {
    layout: "fill",
    body: () => split(list(), view.chosen ? factPane(page, view.chosen, () => choose(undefined)) : undefined),
    state: () => [`Every ${EVERY_SECONDS} s`, ""],
  };
}

const keyOf = (fact) => fact.hash ?? `${fact.time} ${fact.event} ${JSON.stringify(fact)}`;

const texts = new WeakMap();
/** All values of a fact in lower case; made once. */
function textOf(fact) {
  if (!texts.has(fact)) texts.set(fact, Object.entries(fact).filter(([field]) => field !== "prev").map(([, value]) => (typeof value === "object" ? JSON.stringify(value) : value)).join(" ").toLowerCase());
  return texts.get(fact);
}

const columnsFor = (choose, showsApp) => [
  { title: "Fact", cell: (fact) => html`<button type="button" class="rowlink fact" @click=${() => choose(fact)}><b>${fact.event.replaceAll("_", " ")}</b></button> ${markOf(fact)}` },
  { title: "About", grow: true, cell: about },
  ...(showsApp ? [{ title: "App", hide: true, cell: (fact) => (fact.app ? name(fact.app) : nothing) }] : []),
  { title: "By", cell: (fact) => (fact.by ? visible(fact.by) : nothing) },
  { title: "Time, UTC", num: true, cell: (fact) => html`<span class="mono dim" title=${`${moment(fact.time)} UTC`}>${isToday(fact) ? clock(fact.time) : `${fact.time.slice(5, 10)} ${seconds(fact.time)}`}</span>` },
];

const markOf = (fact) => {
  const text = kindOfFact(fact) === "faults" ? "fault" : (fact.code ?? fact.reason);
  return toneOfFact(fact) && text ? tag(text, toneOfFact(fact)) : nothing;
};

const isToday = ({ time }) => time.slice(0, 10) === new Date().toISOString().slice(0, 10);

const CHAIN = new Set(["event", "time", "hash", "prev", "seq"]);

function factPane(page, fact, close) {
  const fields = Object.entries(fact).filter(([field]) => !CHAIN.has(field));
  return detailPane("Fact", close, html`
    <div><h2>${fact.event.replaceAll("_", " ")} ${fact.seq ? tag(`line ${count(fact.seq)}`) : nothing}</h2></div>
    ${facts([["Time", `${moment(fact.time)}.${fact.time.slice(20, 23)} UTC`], ...fields.map(([field, value]) => [field.replaceAll("_", " "), shown(value)])])}
    ${fact.hash ? html`<div><h3>Chain</h3>${facts([["Hash", html`<code>${fact.hash}</code>`], ["Line before", html`<code>${fact.prev}</code>`]])}</div>` : nothing}
    <div><h3>As in the log</h3>${codeBlock(page, escaped(JSON.stringify(fact, null, 1)))}</div>`);
}

const shown = (value) => (Array.isArray(value) ? value.map((it, at) => html`${at ? ", " : nothing}${name(it)}`) : name(value));

const foot = (page, { file, last_hash: hash, facts: all }) => html`
  <footer class="foot">
    <span>The newest ${count(all.length)} facts</span>
    ${file ? nothing : html`<span>kept in memory alone: set <code>audit_file</code> to keep them</span>`}
    <span class="space"></span>
    ${hash ? html`<span>Last hash <code title=${hash}>${hash.slice(0, 12)}…</code></span>${copyButton(page, hash, "Copy the hash")}` : nothing}
  </footer>`;

const noFacts = () => emptyState("Nothing was recorded since the start.", html`<p>Keep the log in a file: <code>audit_file = "audit.jsonl"</code></p>`, "log");
