// Nodes: of the cluster, or the one server. A node can be drained.

import { segment } from "../api.js";
import { age, count, moment, plural } from "../format.js";
import { dot, name, tag } from "../parts/badges.js";
import { card } from "../parts/card.js";
import { askFirst } from "../parts/dialog.js";
import { html, nothing } from "../parts/html.js";
import { icon } from "../parts/icons.js";
import { skeletonRows, stateful } from "../parts/states.js";
import { table } from "../parts/table.js";

const EVERY_SECONDS = 2;

export function create(page) {
  const nodes = page.resource((signal) => page.api.get("/admin/nodes", {}, signal), { every: EVERY_SECONDS });
  const drain = (node) => askDrain(page, node, nodes.data, () => nodes.refresh());
  return {
    body: () => stateful(nodes, {
      content: (data) => html`${warnings(data)}${card("h-nodes", titleOf(data), table({ label: "Nodes", columns: columnsFor(drain, nodes.at / 1000), rows: data.nodes, key: (it) => it.node }), nothing, "foldable")}${sums(data)}`,
      skeleton: () => html`<div class="card">${skeletonRows(5)}</div>`,
    }),
    state: () => [`Every ${EVERY_SECONDS} s`, ""],
  };
}

const titleOf = ({ cluster, nodes }) => (cluster ? plural(nodes.length, "node") : "This server, without a cluster");

function sums({ cluster, nodes }) {
  if (!cluster) return html`<p class="dim">To run several nodes, name a Redis server under <code>[cluster]</code> of each configuration.</p>`;
  const all = nodes.reduce((sum, node) => sum + node.connections, 0);
  return html`<p class="dim">${plural(all, "connection")} on ${plural(nodes.filter((node) => node.ready).length, "ready node")}.</p>`;
}

function warnings({ nodes }) {
  const others = nodes.filter((node) => node.keys_agree === false);
  const versions = new Set(nodes.map((node) => node.version).filter(Boolean));
  return html`
    ${others.length ? html`<p class="note bad">${icon("warn")}<span>${others.length === 1 ? "Node" : "Nodes"} ${others.map((node) => node.node).join(", ")} ${others.length === 1 ? "has" : "have"} other keys than this one. Subscribers there cannot open events that are sealed here: compare <code>sealcast keys list</code> of both.</span></p>` : nothing}
    ${versions.size > 1 ? html`<p class="note">${icon("warn")}<span>The nodes have different versions: ${[...versions].join(", ")}.</span></p>` : nothing}`;
}

/** `now`: when the answer came, in seconds; nodes may have ended since. */
const columnsFor = (drain, now) => [
  { title: "Node", cell: (it) => html`<span class="row">${dot(toneOf(it))}<b>${name(it.node)}</b>${it.this ? tag("this one") : nothing}${it.draining ? tag("draining", "warn") : it.ready ? tag("ready", "open") : tag("not ready", "bad")}</span>${it.why ? html`<span class="test bad">${it.why}</span>` : nothing}` },
  { title: "Connections", num: true, cell: (it) => count(it.connections) },
  { title: "Keys", cell: (it) => keysOf(it) },
  { title: "Version", cell: (it) => (it.version ? html`<span class="mono">${it.version}</span>` : html`<span class="dim">–</span>`) },
  { title: "Up", num: true, cell: (it) => (it.since ? html`<span title=${`since ${moment(it.since)} UTC`}>${age(now - it.since)}</span>` : html`<span class="dim">–</span>`) },
  { title: "Heard", num: true, cell: (it) => (it.this || it.seen_seconds < 2 ? "now" : `${age(it.seen_seconds)} ago`) },
  { title: html`<span class="vh">Actions</span>`, num: true, cell: (it) => html`<button type="button" class="btn quiet" ?disabled=${it.draining} @click=${() => drain(it)} aria-label="Drain node ${it.node}">Drain…</button>` },
];

const toneOf = ({ ready, draining }) => (draining ? "warn" : ready ? "" : "bad");

function keysOf({ this: isThis, keys_agree: agree }) {
  if (agree === null || agree === undefined) return html`<span class="dim">not known</span>`;
  return agree ? html`<span class="plainly">${isThis ? "its own" : "agree"}</span>` : tag("others", "bad");
}

function askDrain(page, node, { cluster, nodes }, done) {
  const isLast = nodes.filter((it) => it.ready && !it.draining).length <= 1;
  askFirst(page, {
    title: cluster ? `Drain node ${node.node}?` : "Drain this server?",
    text: html`
      <p>It sends its ${plural(node.connections, "connection")} elsewhere, a few at a time, and then ends, as on SIGTERM. Its supervisor may start it again.</p>
      ${isLast ? html`<p class="note bad">${icon("warn")}<span>No other node is ready: its clients find no server until one starts.</span></p>` : nothing}
      ${node.this ? html`<p>This page is served by it, and ends with it.</p>` : nothing}`,
    action: "Drain",
    danger: true,
    run: async () => {
      await page.api.post(`/admin/nodes/${segment(node.node)}/drain`);
      page.store.say(`Node ${node.node} is draining.`);
      done();
    },
  });
}
