// The five figures, each with its last minutes as a curve.

import { age, bytes, count, duration, short } from "../../format.js";
import { html } from "../../parts/html.js";
import { skeletonBlock } from "../../parts/states.js";
import { spark, thinned } from "../../parts/spark.js";

export function figures(series) {
  const now = (name) => series.last(name);
  const curve = (name, tone) => spark(thinned(series.column(name).slice(-300)), { tone });
  const range = age(series.range);
  const growth = now("connections") - series.last("connections", 60);
  const waiting = bytes(now("waiting_bytes")).split(" ");
  const time = duration(now("trigger_p95_us")).split(" ");
  const dropped = series.sum("dropped");
  const most = Math.max(0, ...series.column("waiting_bytes"));
  return html`
    <dl class="card strip">
      ${figure("Connections", [count(now("connections"))], Number.isFinite(growth) ? `${growth < 0 ? "−" : "+"}${count(Math.abs(growth))} / min` : "since the start", curve("connections"))}
      ${figure("Deliveries", rate(now("deliveries")), `${short((now("published") ?? 0) + (now("client_events") ?? 0)).join(" ").trim()} events/s`, curve("deliveries", "open"))}
      ${figure("Trigger, p95", time, now("trigger_p50_us") === undefined ? "no call this second" : `p50 ${duration(now("trigger_p50_us"))}`, curve("trigger_p95_us"))}
      ${figure("Waiting", waiting, most ? `at most ${bytes(most)}` : "nothing waits", curve("waiting_bytes"))}
      ${figure("Dropped", [count(dropped)], dropped ? `in ${range}: slow readers, full queues` : "no slow reader, no full queue", dropped ? curve("dropped") : "", dropped ? "bad" : "")}
    </dl>`;
}

const rate = (value) => {
  const [number, unit] = short(value);
  return [number, `${unit}/s`];
};

const figure = (title, [value, unit = ""], sub, curve, tone = "") => html`
  <div class="figure ${tone}"><dt>${title}</dt><dd><span class="big">${value}</span><span class="unit">${unit}</span></dd><dd class="sub">${sub}${curve}</dd></div>`;

/** The layout before the first values. */
export const figuresSkeleton = () => html`
  <div class="card strip" aria-hidden="true">${Array.from({ length: 5 }, () => html`<div class="figure">${skeletonBlock("small")}</div>`)}</div>`;
