// Test, send again, discard.

import { plural } from "../../format.js";
import { askFirst } from "../../parts/dialog.js";
import { html, nothing } from "../../parts/html.js";
import { name } from "../../parts/badges.js";

/** Sends a signed test event; the results stand in the rows of the endpoints. */
export async function test(page, view, endpoint) {
  const { results } = await page.api.post(page.path("/webhooks/test"), endpoint ? { endpoint } : {});
  for (const it of results) view.tests.set(it.endpoint, it);
  const failed = results.filter((it) => it.error).length;
  page.store.say(failed ? `${plural(failed, "endpoint")} of ${results.length} failed the test.` : "The test has arrived.");
}

/** `which`: `{ id }`, `{ endpoint }` or all. */
export async function replay(page, which) {
  const { queued, left, without_endpoint: gone, outdated } = await page.api.post(page.path("/webhooks/replay"), which);
  const kept = [outdated && `${outdated} no longer true`, left && `${left} without room`, gone && `${gone} without an endpoint`].filter(Boolean);
  page.store.say(`${plural(queued, "letter")} on the way again.${kept.length ? ` Kept: ${kept.join(", ")}.` : ""}`);
}

/** `which`: `{ id }`, `{ endpoint }` or `{ all: true }`. */
export function askDiscard(page, which, number, done) {
  const isOne = which.id !== undefined;
  askFirst(page, {
    title: isOne ? `Discard letter ${which.id}?` : `Discard ${plural(number, "letter")}?`,
    text: html`<p>${which.endpoint ? html`All letters to ${name(which.endpoint)}. ` : nothing}Your backend will never get ${isOne || number === 1 ? "this event" : "these events"}. Letters on their way again stay.</p>`,
    action: "Discard",
    danger: true,
    run: async () => {
      const { discarded, under_way: underWay } = await page.api.post(page.path("/webhooks/discard"), which);
      page.store.say(`${plural(discarded, "letter")} discarded.${underWay ? ` ${underWay} on their way stay.` : ""}`);
      done();
    },
  });
}
