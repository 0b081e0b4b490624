// Events a second of a channel, which the server counts for the busiest ones.

import { short } from "../../format.js";
import { html } from "../../parts/html.js";

export function rateOf(top, name) {
  const rate = top?.channels.find((it) => it.name === name)?.events_per_second;
  return rate === undefined ? html`<span class="dim">–</span>` : short(rate).join(" ").trim();
}
