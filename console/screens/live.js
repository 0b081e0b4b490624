// Live events: what happens, one line each; filter, pause, detail.

import { count } from "../format.js";
import { html, live, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { emptyState, errorLine, skeletonRows } from "../parts/states.js";
import { readPref, writePref } from "../prefs.js";
import { entryPane } from "./live/detail.js";
import { Feed } from "./live/feed.js";
import { Filter } from "./live/filter.js";
import { List, footer } from "./live/list.js";
import { pulse } from "./live/pulse.js";
import { Reveal } from "./live/reveal.js";

const SKELETON_MS = 150;

export function create(page) {
  const filtersIn = ({ app: _, ...query }) => query;
  const given = filtersIn(page.route.query);
  const filter = new Filter(Object.keys(given).length ? given : readPref("filters"));
  const feed = new Feed(filter);
  const reveal = new Reveal(page);
  let entry;
  const opened = Date.now();
  let isPaused = false;
  let isOpen = false;
  let watch;
  let watched;

  const begin = () => {
    const asked = filter.toServer(page.app);
    if (asked === watched) return;
    watched = asked;
    if (watch) page.release(watch);
    watch = page.watch("feed", { filter: asked }, {
      ok: () => Object.assign(feed, { hasBegun: true, error: undefined }) && page.redraw(),
      message: (message) => {
        feed.take(message);
        page.redraw();
      },
      gap: (seconds) => feed.gap(seconds),
      error: (error) => Object.assign(feed, { error: Object.assign(error, { message: error.error }) }) && page.redraw(),
    });
  };
  const changed = () => {
    feed.refilter();
    begin();
    page.replaceQuery(filter.toQuery());
    page.redraw();
  };
  const newest = () => {
    isPaused = false;
    feed.follow();
    list.toTop();
    page.redraw();
  };
  const pause = () => {
    if (isPaused) return newest();
    isPaused = true;
    feed.hold();
    page.redraw();
  };
  const select = (it) => {
    entry = it;
    isOpen = true;
    feed.hold();
    page.redraw();
  };
  const close = () => {
    const seq = entry?.seq;
    isOpen = false;
    page.redraw();
    const index = feed.indexOf(seq);
    if (index >= 0) list.show(index, seq);
  };
  const move = (step) => {
    feed.hold();
    let index = feed.indexOf(entry?.seq);
    index = index < 0 ? 0 : index + step;
    while (feed.at(index)?.type === "gap") index += step;
    if (!feed.at(index)) return;
    entry = feed.at(index);
    list.show(index, entry.seq);
  };
  const only = (name, value) => {
    filter.add(name, value);
    isOpen = false;
    changed();
  };
  const list = page.own(new List({ feed, redraw: page.redraw, selected: () => entry?.seq, select, newest }));
  if (page.app) begin();

  const isSaved = () => JSON.stringify(readPref("filters") ?? {}) === JSON.stringify(filter.toQuery());
  const save = () => {
    const query = filter.toQuery();
    writePref("filters", Object.keys(query).length ? query : undefined);
    page.store.say("The filter is kept in this browser.");
  };

  const entries = () => {
    if (feed.length) return list.view();
    if (feed.hasBegun || feed.error) return nothingYet(page, filter, changed);
    return html`<div class="entries">${Date.now() - opened > SKELETON_MS ? skeletonRows(14) : nothing}</div>`;
  };
  const main = () => html`
    ${filterBar(filter, changed, { isSaved, save })}
    ${errorLine(feed.error)}
    ${pulse(feed.counts)}
    ${entries()}
    ${footer(feed)}`;

  return {
    layout: "fill",
    body: () => (page.app ? html`
      ${reveal.frame()}
      <div class="split ${isOpen ? "open" : ""}">
        <section class="main" aria-label="Entries">${main()}</section>
        ${isOpen && entry ? entryPane(entry, { page, reveal, only, close }) : nothing}
      </div>` : emptyState("This server has no app.")),
    state: () => (isPaused ? ["Paused", "warn"] : [`Live, ${count(feed.rate())} entries/s`, ""]),
    actions: () => html`<button type="button" class="btn" aria-pressed=${isPaused} @click=${pause}>${icon(isPaused ? "play" : "pause")}${isPaused ? "Go on" : "Pause"}<kbd class="no-phone">Space</kbd></button>`,
    keys: {
      " ": pause,
      ".": newest,
      j: () => move(1),
      k: () => move(-1),
      Enter: () => entry && select(entry),
      Escape: () => (isOpen ? close() : newest()),
    },
    route: ({ query }) => {
      filter.replace(filtersIn(query));
      changed();
    },
  };
}

function filterBar(filter, changed, { isSaved, save }) {
  const remove = (name) => {
    filter.remove(name);
    changed();
  };
  const typed = (event) => {
    filter.type(event.target.value);
    changed();
  };
  const key = (event) => {
    if (event.key === "Enter") filter.commit();
    else if (event.key === "Backspace" && filter.draft === "" && filter.chips.length) filter.remove(filter.chips.at(-1).name);
    else return;
    event.preventDefault();
    changed();
  };
  const chip = (name, label, value) => html`<span class="token"><b>${label}</b><code>${value}</code><button type="button" aria-label="Remove the filter ${label} ${value}" @click=${() => remove(name)}>${icon("x")}</button></span>`;
  return html`
    <div class="filter">
      <div class="tokens">${icon("search")}
        ${filter.chips.map(({ name, value }) => chip(name, name, value))}
        ${filter.hidesCalls ? chip("hide", "hide", "calls that succeed") : nothing}
        <input data-filter aria-label="Add a filter: channel, type, user, socket, code or text" placeholder="channel, type, user, socket, code…" autocomplete="off" spellcheck="false" .value=${live(filter.draft)} @input=${typed} @keydown=${key}>
        <kbd class="no-phone">/</kbd></div>
      <button type="button" class="btn quiet no-phone" ?disabled=${isSaved()} @click=${save}>${isSaved() ? "View saved" : "Save view"}</button>
    </div>`;
}

function nothingYet(page, filter, changed) {
  const clear = () => {
    filter.clear();
    changed();
  };
  const isFiltered = filter.chips.length > 0 || filter.draft;
  return html`<div class="entries">${isFiltered
    ? emptyState("No entry matches yet.", html`<button type="button" class="btn" @click=${clear}>Clear the filter</button>`, "search")
    : emptyState("Nothing has happened yet.", html`<a class="btn" href=${page.link("send")}>${icon("send")}Send an event</a>`, "live")}</div>`;
}
