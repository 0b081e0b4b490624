// The latest requests, the newest first.

import { clock, count, hostOf, plural } from "../../format.js";
import { choice, name, tag } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";
import { table } from "../../parts/table.js";

const MAX_ROWS = 100;

export const attemptsHead = (endpoints, view, actions) => html`
  <select class="small cut" aria-label="Endpoint" @change=${(event) => actions.filter(event.target.value)}>
    <option value="" ?selected=${view.endpoint === ""}>All endpoints</option>
    ${endpoints.map(({ endpoint }) => html`<option value=${endpoint} ?selected=${endpoint === view.endpoint}>${endpoint}</option>`)}
  </select>
  ${choice("Attempts", [[false, "All"], [true, "Failed"]], view.failedOnly, actions.onlyFailed)}`;

export function attemptsTable(deliveries, view) {
  const rows = deliveries.filter((it) => !view.failedOnly || it.error).slice(-MAX_ROWS).reverse();
  if (!rows.length) return html`<p class="in dim">None of the latest ${count(deliveries.length)} requests failed.</p>`;
  return table({ label: "Attempts, the newest first", columns: COLUMNS, rows, key: (it) => `${it.time} ${it.endpoint} ${it.attempt}` });
}

const COLUMNS = [
  { title: "Time, UTC", cell: (it) => html`<span class="mono dim">${clock(it.time)}</span>` },
  { title: "Result", cell: (it) => (it.error ? tag(it.error, "bad") : tag("delivered", "open")) },
  { title: "Events", grow: true, cell: (it) => html`<span title=${it.named.join("\n")}>${it.named.slice(0, 2).map((text, at) => html`${at ? ", " : nothing}${name(text)}`)}${it.events > 2 ? html` <span class="dim">of ${plural(it.events, "event")}</span>` : nothing}</span>` },
  { title: "Endpoint", hide: true, cell: (it) => name(hostOf(it.endpoint)) },
  { title: "Attempt", num: true, cell: (it) => it.attempt },
  { title: "Took", num: true, cell: (it) => `${count(it.milliseconds)} ms` },
];
