// Channels with subscribers: found by prefix and kind; one of them beside the list.

import { count } from "../format.js";
import { channelName, choice } from "../parts/badges.js";
import { split } from "../parts/detail.js";
import { Finder } from "../parts/finder.js";
import { html } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { Pages } from "../parts/paging.js";
import { emptyState, skeletonRows, stateful } from "../parts/states.js";
import { table } from "../parts/table.js";
import { ChannelPane } from "./channels/pane.js";
import { rateOf } from "./channels/rate.js";

const KINDS = [["", "All"], ["public", "Public"], ["private", "Private"], ["encrypted", "Encrypted"], ["presence", "Presence"]];
const SECONDS = 5;

export function create(page) {
  if (!page.app) return { body: () => emptyState("This server has no app.") };
  let { prefix = "", kind = "" } = page.route.query;
  let pane;

  const pages = new Pages(page, (after, signal) => page.api.get(page.path("/channels"), { prefix, kind, after }, signal), { every: SECONDS });
  const top = page.resource((signal) => page.api.get(page.path("/top"), {}, signal), { every: 3 });
  const query = () => ({ prefix, kind });
  const finder = page.own(new Finder(prefix, (text) => text !== prefix && ask(text, kind)));

  function ask(newPrefix, newKind) {
    [prefix, kind] = [newPrefix, newKind];
    finder.set(prefix);
    page.replaceQuery(query());
    pages.restart();
    page.redraw();
  }

  function open(name) {
    if (pane?.name === name) return;
    pane?.stop();
    pane = name === undefined ? undefined : new ChannelPane(page, name, top);
  }

  const columns = [
    { title: "Channel", grow: true, cell: (it) => channelName(it.name) },
    { title: "Kind", hide: true, cell: (it) => html`<span class="dim">${it.kind}</span>` },
    { title: "Members", num: true, cell: (it) => (it.user_count === undefined ? html`<span class="dim">–</span>` : count(it.user_count)) },
    { title: "Subscribers", num: true, cell: (it) => count(it.subscription_count) },
    { title: "Events/s", num: true, cell: (it) => rateOf(top.data, it.name) },
  ];
  const rows = (data) => table({
    label: "Channels", columns, rows: data.channels, key: (it) => it.name,
    link: (it) => page.link("channels", [it.name], query()), selected: (it) => it.name === pane?.name,
  });
  const empty = () => (prefix || kind
    ? emptyState("No channel with a subscriber begins like this.", html`<button type="button" class="btn" @click=${() => ask("", "")}>Show all channels</button>`, "search")
    : emptyState("No channel has a subscriber.", html`<p>Subscribe with a client; the Overview has a block to paste.</p><p><a class="btn" href=${page.link("overview")}>${icon("overview")}Overview</a></p>`));

  open(page.route.path[0]);
  return {
    layout: "fill",
    body: () => split(html`
      <div class="bar-form">
        ${finder.view("Find channels by the beginning of their name", "Begins with…")}
        ${choice("Kind", KINDS, kind, (value) => ask(prefix, value))}
      </div>
      <div class="scroll">${stateful(pages.value, { content: rows, skeleton: () => skeletonRows(12), isEmpty: (data) => data.channels.length === 0, empty })}</div>
      ${pages.controls()}`, pane?.view(page.link("channels", [], query()))),
    state: () => ["Live, every 5 s", ""],
    actions: () => html`<a class="btn no-phone" href=${page.link("live", [], prefix ? { channel: `${prefix}*` } : {})}>${icon("live")}Watch${prefix ? " these" : " all"}</a>`,
    route: ({ path, query: { prefix: newPrefix = "", kind: newKind = "" } }) => {
      open(path[0]);
      if (newPrefix !== prefix || newKind !== kind) ask(newPrefix, newKind);
    },
    stop: () => pane?.stop(),
  };
}
