// A small curve without axes. The figure beside it says the same in text.

import { html } from "./html.js";

const MARGIN = 2;

/** Gaps (`null`) interrupt the curve. `tone`: "", "open" or "wax". */
export function spark(values, { width = 72, height = 26, tone = "" } = {}) {
  return html`<svg class="spark ${tone}" viewBox="0 0 ${width} ${height}" aria-hidden="true"><path d=${curve(values, width, height)}></path></svg>`;
}

function curve(values, width, height) {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const step = width / (values.length - 1);
  let pen = "M";
  let path = "";
  values.forEach((value, at) => {
    if (!Number.isFinite(value)) {
      pen = "M";
      return;
    }
    const y = height - MARGIN - ((value - low) / span) * (height - 2 * MARGIN);
    path += `${pen}${(at * step).toFixed(1)},${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/** At most `length` values, each the mean of its part. */
export function thinned(values, length = 60) {
  if (values.length <= length) return values;
  const size = values.length / length;
  return Array.from({ length }, (_, at) => {
    const part = values.slice(Math.floor(at * size), Math.floor((at + 1) * size)).filter(Number.isFinite);
    return part.length ? part.reduce((sum, value) => sum + value, 0) / part.length : null;
  });
}
