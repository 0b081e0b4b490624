// Is everything sealed that should be: the key, a rotation, the shares, and three zeros.

import { age, count, fingerprint, minutes, percent, plural, short, shortFingerprint, unix } from "../../format.js";
import { more } from "../../parts/badges.js";
import { html, nothing } from "../../parts/html.js";
import { icon, seal } from "../../parts/icons.js";
import { errorState, skeletonRows } from "../../parts/states.js";
import { graceOf } from "../keys/progress.js";

export const sealingCard = (page, keys, series) => html`
  <section class="card" aria-labelledby="h-sealing">
    <header><h2 id="h-sealing">Sealing</h2><span class="space"></span>${more(page.link("keys"), "Keys")}</header>
    <div class="in sealing">
      ${keyPart(keys)}
      ${shares(series)}
      ${zeros(page.stats()?.data)}
    </div>
  </section>`;

function keyPart(keys) {
  if (keys.data) return keyOf(keys.data);
  if (keys.error?.code === "no_keys") return html`<p class="dim">This server has no key for the app. Its backend seals, and the server relays envelopes.</p>`;
  if (keys.error) return errorState(keys.error, () => keys.refresh());
  return keys.isSlow ? skeletonRows(3) : nothing;
}

function keyOf({ keys = [], rotation }) {
  const active = keys.find((key) => key.state === "active");
  const grace = graceOf(keys);
  if (!active) return html`<p class="dim">No master key. Nothing is sealed here. Run <code>sealcast keys generate</code>.</p>`;
  return html`
    <div class="keyline">${seal("stamp")}<div><p>Active master key</p><p class="fp">${fingerprint(active.id)}</p></div></div>
    ${rotation?.in_progress ? rotationOf(active, grace, rotation) : html`<p class="sub-h"><span>${plural(active.subscriptions, "subscription")}</span>${grace ? html`<span><span class="mono">${shortFingerprint(grace.id)}</span> grace, ends ${minutes(grace.until)}</span>` : html`<span>no rotation</span>`}</p>`}`;
}

function rotationOf(active, grace, rotation) {
  const all = active.subscriptions + rotation.remaining;
  const moved = all ? active.subscriptions / all : 1;
  const elapsed = Date.now() / 1000 - unix(active.since);
  const left = moved > 0.02 && moved < 1 ? html` · about ${age(Math.max(1, (elapsed * (1 - moved)) / moved))}` : nothing;
  return html`
    <div>
      <p class="sub-h"><b>Rotating</b><span>${count(active.subscriptions)} of ${plural(all, "subscription")}${left}</span></p>
      <progress max="1" value=${moved} aria-label="Subscriptions moved to the new key">${percent(moved)}</progress>
      <p class="sub-h"><span><span class="mono">${shortFingerprint(active.id)}</span> active</span>${grace ? html`<span><span class="mono">${shortFingerprint(grace.id)}</span> grace, ends ${minutes(grace.until)}</span>` : nothing}</p>
    </div>`;
}

function shares(series) {
  if (!series.isKnown) return nothing;
  const sealed = series.sum("sealed");
  const relayed = series.sum("relayed");
  const all = Math.max(series.sum("published"), sealed + relayed);
  const length = series.times().length;
  const line = (tone, title, events) => html`<li><i class=${tone}></i>${title}<b>${percent(events / all)}</b><span class="num">${short(events / length).join(" ").trim()}/s</span></li>`;
  return html`
    <div>
      <p class="sub-h"><b>What the last ${age(length)} carried</b></p>
      ${all ? html`<ul class="shares">
        ${line("k-wax", "Sealed here", sealed)}
        ${line("k-info", "Sealed by the backend", relayed)}
        ${line("k-clear", "In clear, on other channels", all - sealed - relayed)}
      </ul>` : html`<p class="dim">No event.</p>`}
    </div>`;
}

/** Counts since the start that should be zero. */
function zeros(stats) {
  if (!stats) return nothing;
  const zero = (number, text) => html`<span class=${number ? "bad" : ""}>${icon(number ? "warn" : "check")}${count(number)} ${text}</span>`;
  return html`<p class="oks">
    ${zero(stats.refused?.plaintext ?? 0, "in clear refused")}
    ${zero(stats.refused?.envelopes ?? 0, "that do not open")}
    ${zero(stats.tripwire ?? 0, "stopped by the tripwire")}
  </p>`;
}
