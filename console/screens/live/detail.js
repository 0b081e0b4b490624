// The pane of one entry: how it was sealed, what was on the wire, and what to do next.

import { bytes, clock, count, duration, visible } from "../../format.js";
import { channelName, facts, name, tag } from "../../parts/badges.js";
import { causeOf } from "../../parts/causes.js";
import { copyButton } from "../../parts/copy.js";
import { detailPane } from "../../parts/detail.js";
import { html, nothing } from "../../parts/html.js";
import { icon, seal } from "../../parts/icons.js";
import { curlOf } from "./command.js";
import { channelOf, fieldsOf, keyOf, lineOf, wayOf } from "./entries.js";

/** `host`: page, reveal, only(name, value), close(). */
export function entryPane(entry, host) {
  const { page, reveal } = host;
  const line = lineOf(entry);
  const channel = channelOf(entry);
  const isEvent = entry.type === "event" || entry.type === "client_event";
  return detailPane("The selected entry", host.close, html`
    <div><h2><bdi>${line.title}</bdi>${tag(entry.type, line.tone === "bad" ? "bad" : "")}</h2>${channel ? html`<a href=${page.link("channels", [channel])}>${channelName(channel)}</a>` : nothing}</div>
    ${entry.code && line.tone === "bad" ? cause(entry) : nothing}
    ${entry.type === "event" ? way(entry) : nothing}
    ${entry.envelope ? envelope(entry.envelope) : nothing}
    ${isEvent ? reveal.box(entry) : nothing}
    ${facts([
      ["Time", `${clock(entry.time)} UTC`],
      ["Socket", entry.socket_id && html`<a href=${page.link("connections", [entry.socket_id])}>${name(entry.socket_id)}</a>`],
      ["User", entry.user && html`<a href=${page.link("connections", [], { user: entry.user })}>${name(entry.user)}</a>`],
      ["Subscribers", entry.subscribers !== undefined && channel && html`<a href=${page.link("connections", [], { channel })}>${count(entry.subscribers)}</a>`],
      ["Size", entry.bytes === undefined ? undefined : bytes(entry.bytes)],
      ["Took", entry.microseconds === undefined ? undefined : duration(entry.microseconds)],
      ["Channels", entry.channels?.length > 1 ? entry.channels.map((it) => html`${channelName(it)} `) : undefined],
      ...fieldsOf(entry),
    ].filter(([, value]) => value !== false))}
    ${narrower(entry, host)}
    ${isEvent ? html`<div class="row"><a class="btn" href=${page.link("send", [], { channel, name: entry.name })}>${icon("send")}Send again</a>${copyButton(page, () => curlOf(page.app, entry), "Copy as curl")}</div>` : nothing}
    <div class="row">${copyButton(page, () => JSON.stringify({ ...entry, seq: undefined }, null, 2), "Copy the entry")}</div>`);
}

const cause = (entry) => html`
  <div class="box bad">${icon("no")}<div><b>${entry.code}</b><p>${causeOf(entry.code)}.</p>
    ${entry.id ? html`<p>The server's log has the whole cause: search it for <code>${entry.id}</code>.</p>` : nothing}</div></div>`;

function way(entry) {
  switch (wayOf(entry)) {
    case "sealed": return html`<div class="box wax">${seal()}<div><b>Sealed here</b><p>With key <span class="mono">${keyOf(entry)}</span>. During a rotation, others got it with the earlier key.</p></div></div>`;
    case "relayed": return html`<div class="box info">${icon("lock")}<div><b>Sealed by the backend</b><p>The server passed on the envelope.</p></div></div>`;
    default: return html`<div class="box">${icon("globe")}<div><b>In clear</b><p>Every subscriber can read it. The feed shows its name and size alone.</p></div></div>`;
  }
}

const envelope = ({ nonce, ciphertext }) => html`
  <div><h3>On the wire ${tag("as subscribers got it")}</h3>
    <pre class="envelope" tabindex="0"><span class="k">{"nonce":</span><span class="n">"${nonce}"</span><span class="k">,
"ciphertext":</span><span class="c">"${ciphertext}"</span><span class="k">}</span></pre></div>`;

/** Buttons that filter by a value of the entry. */
function narrower(entry, { only }) {
  const values = [["channel", channelOf(entry)], ["socket", entry.socket_id], ["user", entry.user], ["code", entry.code], ["type", entry.type]].filter(([, value]) => value !== undefined && value !== "");
  return html`<div><h3>Only this</h3><div class="row">${values.map(([what, value]) => html`<button type="button" class="btn" title=${visible(value)} @click=${() => only(what, String(value))}>${what}</button>`)}</div></div>`;
}
