// The keys as rows on one time axis, the newest first.

import { age, count, fingerprint, moment, plural, unix } from "../../format.js";
import { tag } from "../../parts/badges.js";
import { html, nothing, svg } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";

const ORDER = ["pending", "active", "grace", "retired"];
const TONES = { pending: "info", active: "wax", grace: "warn", retired: "" };
/** Retired keys that are shown without being asked for. */
const FEW = 2;

const now = () => Date.now() / 1000;

export function timeline(keys, view, actions) {
  const sorted = [...keys].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || unix(b.since) - unix(a.since));
  const retired = sorted.filter((key) => key.state === "retired").length;
  const shown = view.showsRetired ? sorted : sorted.slice(0, sorted.length - retired + FEW);
  const scale = scaleOf(keys);
  const total = keys.reduce((sum, key) => sum + key.subscriptions, 0);
  return html`
    ${axis(scale)}
    <ol class="timeline">${shown.map((key) => row(key, scale, total, actions))}</ol>
    ${retired > FEW ? html`<p class="in"><button type="button" class="link" @click=${actions.toggleRetired}>${view.showsRetired ? "Show fewer" : `Show all ${count(retired)} retired keys`}</button></p>` : nothing}`;
}

/** The part of time around the active key; what began earlier is cut at its left edge. */
function scaleOf(keys) {
  const living = keys.filter((key) => key.state !== "retired");
  const active = living.find((key) => key.state === "active");
  const begin = active ? unix(active.since) : now();
  const ends = living.flatMap((key) => [key.until && unix(key.until), key.state === "pending" && unix(key.since) + 600]).filter(Boolean);
  const length = Math.max(60, now() - begin);
  const to = Math.max(now() + length * 0.12, ...ends);
  const from = begin - (to - begin) * 0.35;
  return { from, to, share: (time) => Math.min(1, Math.max(0, (time - from) / (to - from))) };
}

const at = (share) => `${(share * 100).toFixed(2)}%`;

const axis = (scale) => html`
  <p class="axis" aria-hidden="true"><span>
    <span>${age(now() - scale.from)} ago</span>
    <b .style=${`left: ${at(scale.share(now()))}`}>now</b>
    <span>${scale.to - now() > 30 && scale.share(now()) < 0.8 ? `in ${age(scale.to - now())}` : ""}</span>
  </span></p>`;

function row(key, scale, total, actions) {
  const { id, state, subscriptions } = key;
  return html`
    <li class="key ${state}">
      <div>
        <p class="row"><span class="fp">${fingerprint(id)}</span>${tag(state, TONES[state])}</p>
        <p class="dim">${when(key)}</p>
      </div>
      ${lane(key, scale)}
      <p class="subs">${state === "pending" || state === "retired" ? html`<span class="dim">–</span>` : html`<b>${count(subscriptions)}</b> <span class="dim">${subscriptions === 1 ? "subscription" : "subscriptions"}${total ? html`, ${Math.round((subscriptions / total) * 100)} %` : nothing}</span>`}</p>
      <p class="acts">${state === "retired" ? nothing : html`<button type="button" class="btn quiet" @click=${() => actions.revoke(key)} aria-label="${state === "pending" ? "Withdraw" : "Revoke"} ${fingerprint(id)}">${icon("no")}${state === "pending" ? "Withdraw…" : "Revoke…"}</button>`}</p>
    </li>`;
}

function when({ state, since, until }) {
  const left = (time) => age(unix(time) - now());
  if (state === "pending") return html`active at ${moment(since)}, in ${left(since)}`;
  if (state === "active") return html`since ${moment(since)}, ${age(now() - unix(since))}`;
  if (state === "grace") return until ? html`ends at ${moment(until)}, in ${left(until)}` : html`the previous key`;
  return html`${moment(since)}${until ? html` to ${moment(until)}` : nothing}`;
}

/** The time of one key, fainter where it is still to come; the text beside it says the same. */
function lane({ state, since, until }, scale) {
  const isOpen = state === "active" || state === "pending";
  const begin = scale.share(unix(since));
  const here = scale.share(now());
  const end = scale.share(until ? unix(until) : isOpen ? scale.to : now());
  const bar = (from, to, style) => (to > from ? svg`<rect class=${style} x=${at(from)} width=${at(Math.max(0.006, to - from))} y="50%" height="10" rx="5" transform="translate(0 -5)"></rect>` : nothing);
  return html`
    <svg class="lane ${state}" aria-hidden="true">
      ${svg`<line x1=${at(here)} x2=${at(here)} y1="0" y2="100%"></line>`}
      ${bar(begin, end, "later")}
      ${bar(begin, Math.min(end, here), "")}
    </svg>`;
}

/** "12,482 subscriptions" of the keys that seal. */
export const total = (keys) => plural(keys.reduce((sum, key) => sum + key.subscriptions, 0), "subscription");
