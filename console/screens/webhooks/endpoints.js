// One row for each endpoint.

import { bytes, count } from "../../format.js";
import { dot, name, tag } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";
import { table } from "../../parts/table.js";

export function endpointsTable(endpoints, view, actions) {
  const columns = [
    { title: "Endpoint", grow: true, cell: (it) => html`<span class="endpoint">${dot(it.failing ? "warn" : "")}${name(it.endpoint)}</span>${result(view.tests.get(it.endpoint))}` },
    { title: "State", cell: (it) => (it.failing ? tag(`failing: ${it.failing}`, "warn") : tag("delivering", "open")) },
    { title: "Waiting", num: true, cell: (it) => html`${count(it.queued)}${it.queued ? html` <span class="dim">${bytes(it.queued_bytes)}</span>` : nothing}` },
    { title: "Delivered", num: true, cell: (it) => count(it.delivered) },
    { title: "Failed requests", num: true, cell: (it) => count(it.failed_attempts) },
    { title: "Dead letters", num: true, cell: (it) => (it.dead_letters ? tag(count(it.dead_letters), "warn") : "0") },
    { title: "Lost", num: true, cell: (it) => (it.lost ? tag(count(it.lost), "bad") : "0") },
    { title: html`<span class="vh">Actions</span>`, cell: (it) => html`<button type="button" class="btn quiet" ?disabled=${view.busy.has(`test ${it.endpoint}`)} @click=${() => actions.test(it.endpoint)} aria-label="Test ${it.endpoint}">Test</button>` },
  ];
  return table({ label: "Endpoints", columns, rows: endpoints, key: (it) => it.endpoint });
}

const result = (it) =>
  it ? html`<span class="test ${it.error ? "bad" : "good"}">Test: ${it.error ?? "arrived"}, ${count(it.milliseconds)} ms</span>` : nothing;
