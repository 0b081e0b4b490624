// Events that no attempt delivered. Their payloads are not shown.

import { age, hostOf, moment, plural } from "../../format.js";
import { channelName, name } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";
import { table } from "../../parts/table.js";

const seconds = (time) => (Date.now() - Date.parse(time)) / 1000;

export function lettersTable(letters, actions, view) {
  const columns = [
    { title: "Letter", cell: (it) => html`${it.id} <b>${name(it.event?.name ?? "?")}</b>` },
    { title: "Channel", cell: (it) => (it.event?.channel ? channelName(it.event.channel) : nothing) },
    { title: "Endpoint", cell: (it) => html`<span title=${it.endpoint}>${name(hostOf(it.endpoint))}</span>` },
    { title: "Reason", cell: (it) => html`<span class="sentence">${it.reason} <span class="dim">${plural(it.attempts, "attempt")}</span></span>` },
    { title: "Given up", num: true, cell: (it) => html`<span title=${`${moment(it.time)} UTC`}>${age(seconds(it.time))} ago</span>` },
    { title: html`<span class="vh">Actions</span>`, cell: (it) => html`<span class="pair">
        <button type="button" class="btn quiet" ?disabled=${view.busy.has(`replay ${it.id}`)} @click=${() => actions.replay({ id: it.id })} aria-label="Send again: letter ${it.id}">Send again</button>
        <button type="button" class="btn quiet" @click=${() => actions.discard({ id: it.id }, 1)} aria-label="Discard letter ${it.id}">Discard…</button></span>` },
  ];
  return table({ label: "Dead letters, the oldest first", columns, rows: letters, key: (it) => it.id });
}
