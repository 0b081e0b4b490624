// A rotation as it goes: how many have moved, how fast, and how long it will take.

import { age, count, percent, plural, shortFingerprint } from "../../format.js";
import { html, nothing } from "../../parts/html.js";
import { icon } from "../../parts/icons.js";
import { spark } from "../../parts/spark.js";
import { graceOf } from "./progress.js";

export function rotationCard({ keys, rotation }, progress, actions) {
  const active = keys.find((key) => key.state === "active");
  const grace = graceOf(keys);
  return html`
    <section class="card" aria-labelledby="h-rotation">
      <header><h2 id="h-rotation">Rotation</h2><span class="space"></span>
        ${rotation.in_progress ? html`<button type="button" class="btn quiet" @click=${actions.force}>Close those behind…</button>` : nothing}</header>
      <div class="in">
        ${rotation.in_progress ? running(active, grace, rotation, progress) : finished(active)}
        ${totals(rotation)}
      </div>
    </section>`;
}

function running(active, grace, { remaining }, progress) {
  const moved = active?.subscriptions ?? 0;
  const all = moved + remaining;
  const share = all ? moved / all : 1;
  const pace = progress.pace();
  const left = pace ? `about ${age(Math.max(1, remaining / pace))} left` : progress.isStuck() ? "nothing moves" : "measuring the pace";
  return html`
    <div class="going">
      <p class="sum">${percent(share)}</p>
      <div>
        <p class="sub-h"><b>${count(moved)} of ${plural(all, "subscription")} moved</b><span>${pace ? `${count(pace)} a second, ` : ""}${left}</span></p>
        <progress max="1" value=${share} aria-label="Subscriptions moved to the new key">${percent(share)}</progress>
        <p class="sub-h"><span><span class="mono">${shortFingerprint(active?.id)}</span> active</span>${grace ? html`<span><span class="mono">${shortFingerprint(grace.id)}</span> grace, ${count(grace.subscriptions)} behind</span>` : nothing}</p>
      </div>
      ${spark(progress.curve(), { width: 120, height: 40, tone: "wax" })}
    </div>
    ${progress.isStuck() ? html`<p class="note">${icon("warn")}<span>${plural(remaining, "subscription")} ${remaining === 1 ? "does" : "do"} not move. They keep the previous key until its grace period ends, or until you close them.</span></p>` : nothing}`;
}

function finished(active) {
  const number = active?.subscriptions ?? 0;
  const text = number > 1 ? `All ${count(number)} subscriptions to encrypted channels have the active key.` : number ? "The one subscription to an encrypted channel has the active key." : "No client is on an encrypted channel.";
  return html`<p class="calm">${icon("check")}<span>No rotation runs. ${active ? text : nothing}</span></p>`;
}

const totals = (rotation) => html`
  <dl class="counts" aria-label="Since the start of the server">
    ${[["Nudges", rotation.nudges, "empty events on quiet channels"], ["Authorized again", rotation.reauthorized, "asked for the new secret"], ["Turned back", rotation.reverted, "did not ask in time, get another turn"], ["Closed", rotation.closed, "had to connect again"]]
      .map(([title, number, text]) => html`<div><dt>${title}</dt><dd><b>${count(number ?? 0)}</b><span>${text}</span></dd></div>`)}
  </dl>`;
