// Connections of this node: by socket, user or channel; one of them beside the list.

import { age, bytes, visible } from "../format.js";
import { choice, name } from "../parts/badges.js";
import { split } from "../parts/detail.js";
import { Finder } from "../parts/finder.js";
import { html, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { Pages } from "../parts/paging.js";
import { emptyState, skeletonRows, stateful } from "../parts/states.js";
import { table } from "../parts/table.js";
import { ConnectionPane, clientOf } from "./connections/pane.js";

const WAYS = [["socket", "Socket"], ["user", "User"], ["channel", "Channel"]];
const PLACEHOLDERS = { socket: "Socket id, such as 123.456", user: "User id", channel: "Channel" };
const SECONDS = 5;
/** Bytes that a client has not taken yet and that deserve a look. */
const MANY_BYTES = 16_384;

export function create(page) {
  if (!page.app) return { body: () => emptyState("This server has no app.") };
  let asked = filterOf(page.route.query);
  let way = asked.channel ? "channel" : asked.user ? "user" : "socket";
  let pane;

  const pages = new Pages(page, (after, signal) => page.api.get(page.path("/connections"), { ...asked, after }, signal), { every: SECONDS });
  const finder = page.own(new Finder(asked[way] ?? "", find));

  /** A socket is opened when its whole id is typed; the others filter the list. */
  function find(text, isDone) {
    if (way === "socket") return text && isDone ? page.go("connections", [text], asked) : undefined;
    const { [way]: now = "" } = asked;
    if (text !== now) ask(text ? { [way]: text } : {});
  }

  function ask(filter) {
    asked = filter;
    page.replaceQuery(asked);
    pages.restart();
    page.redraw();
  }

  function choose(value) {
    way = value;
    finder.set(asked[way] ?? "");
    page.redraw();
  }

  function open(socket) {
    if (pane?.socket === socket) return;
    pane?.stop();
    pane = socket === undefined ? undefined : new ConnectionPane(page, socket);
  }

  const columns = [
    { title: "Socket", cell: (it) => name(it.socket_id) },
    { title: "Client", grow: true, cell: (it) => visible(clientOf(it)) },
    { title: "User", cell: (it) => (it.user_id ? name(it.user_id) : html`<span class="dim">–</span>`) },
    { title: "Since", num: true, cell: (it) => age(pages.value.at / 1000 - it.since) },
    { title: "Waiting", num: true, cell: (it) => (it.waiting_bytes > MANY_BYTES ? html`<span class="tag warn">${bytes(it.waiting_bytes)}</span>` : bytes(it.waiting_bytes)) },
    { title: "Heard", num: true, cell: (it) => `${age(it.silent_seconds)} ago` },
  ];
  const rows = (data) => (data.connections.length ? table({
    label: "Connections", columns, rows: data.connections, key: (it) => it.socket_id,
    link: (it) => page.link("connections", [it.socket_id], asked), selected: (it) => it.socket_id === pane?.socket,
  }) : emptyState("None on this page.", "The next page may have some.", "plug"));
  const isFiltered = () => Object.keys(asked).length > 0;
  const clear = () => {
    finder.set("");
    ask({});
  };
  const empty = () => (isFiltered()
    ? emptyState("No connection of this node matches.", html`<button type="button" class="btn" @click=${clear}>Show all connections</button>`, "search")
    : emptyState("No client is connected to this node.", html`<p>The Overview has a block to paste into a page.</p><p><a class="btn" href=${page.link("overview")}>${icon("overview")}Overview</a></p>`, "plug"));

  open(page.route.path[0]);
  return {
    layout: "fill",
    body: () => split(html`
      <div class="bar-form">
        ${finder.view(`Find connections by ${way}`, PLACEHOLDERS[way])}
        ${choice("Find by", WAYS, way, choose)}
        ${isFiltered() ? html`<button type="button" class="btn quiet" @click=${clear}>${icon("x")}${Object.entries(asked).map(([what, value]) => html`${what} <bdi class="mono">${visible(value)}</bdi>`)}</button>` : nothing}
      </div>
      <div class="scroll">${stateful(pages.value, { content: rows, skeleton: () => skeletonRows(12), isEmpty: (data) => data.connections.length === 0 && data.next === undefined && !pages.isLater, empty })}</div>
      ${pages.controls()}`, pane?.view(page.link("connections", [], asked))),
    state: () => ["Live, every 5 s", ""],
    route: ({ path, query }) => {
      open(path[0]);
      const filter = filterOf(query);
      if (JSON.stringify(filter) === JSON.stringify(asked)) return;
      way = filter.channel ? "channel" : filter.user ? "user" : way;
      finder.set(filter[way] ?? "");
      ask(filter);
    },
    stop: () => pane?.stop(),
  };
}

const filterOf = ({ user, channel }) => (channel ? { channel } : user ? { user } : {});
