// Entries of each second as bars of four classes.

import { count } from "../../format.js";
import { html, svg } from "../../parts/html.js";

const SECONDS = 120;
const STEP = 6;
const HEIGHT = 38;
/** From the foot of a bar to its top. */
const CLASSES = [["calls", "calls"], ["events", "events"], ["access", "access"], ["refused", "refused"]];

export function pulse(counts) {
  const seconds = counts.slice(0, SECONDS);
  const total = (it) => CLASSES.reduce((sum, [name]) => sum + (it[name] ?? 0), 0);
  const most = Math.max(1, ...seconds.map(total));
  const paths = CLASSES.map(() => "");
  seconds.forEach((it, at) => {
    let foot = HEIGHT;
    CLASSES.forEach(([name], index) => {
      const height = ((it[name] ?? 0) / most) * (HEIGHT - 2);
      if (height === 0) return;
      foot -= height;
      paths[index] += `M${(SECONDS - 1 - at) * STEP},${foot.toFixed(1)}h4.500v${height.toFixed(1)}h-4.500z`;
    });
  });
  const refused = seconds.reduce((sum, it) => sum + (it.refused ?? 0), 0);
  const mean = seconds.length ? seconds.reduce((sum, it) => sum + total(it), 0) / seconds.length : 0;
  return html`
    <div class="pulse">
      <svg viewBox="0 0 ${SECONDS * STEP} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="Entries a second over the last two minutes: about ${count(mean)}, at most ${count(seconds.length ? most : 0)}; ${count(refused)} refused in all">
        ${CLASSES.map(([name], index) => svg`<path class=${name} d=${paths[index]}></path>`)}
      </svg>
      <p class="legend no-phone" aria-hidden="true">${["events", "access", "calls", "refused"].map((name) => html`<span><i class=${name}></i>${name}</span>`)}</p>
    </div>`;
}
