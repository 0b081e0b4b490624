// Two charts on one time axis: deliveries above, the time of a trigger below, with marks for what
// happened to the server. uPlot draws on canvases; colors come from the tokens.

/* global uPlot */

import { duration, minutes, seconds, short } from "../format.js";
import { cssColor } from "../theme.js";

const AXIS = 50;
const UPPER = 192;
const LOWER = 116;
const MARKS = {
  rotation_started: ["Rotation begins", "--wax"],
  rotation_finished: ["Rotation complete", "--wax"],
  key_revoked: ["Key revoked", "--bad"],
  config_reloaded: ["Reload", "--ink-2"],
  server_draining: ["Drain", "--warn"],
  server_started: ["Start", "--ink-2"],
};

const unit = (number) => short(number).join(" ").trim();
const utc = (time) => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC");

export class TimeChart {
  #plots = [];
  #element;
  #observer = new ResizeObserver(() => this.#resize());
  #colors = new Map();
  #values = [[], [], [], [], [], []];
  #marks = [];
  #tip;
  #drawn = "";
  #window = [0, 1];

  /** For lit-html's `ref`. */
  attach = (element) => {
    if (element === this.#element) return;
    this.stop();
    this.#element = element;
    if (element) queueMicrotask(() => element.isConnected && this.#build());
  };

  /** `values`: times, deliveries, events, p50, p95, delay, in columns of one length; `range` in seconds. */
  update(values, range, marks, isDark) {
    const state = `${values[0].at(-1)} ${range} ${marks.length} ${isDark}`;
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.#colors.clear();
    this.#values = values;
    this.#marks = marks;
    this.#window = [(values[0].at(-1) ?? 1) - range, values[0].at(-1) ?? 1];
    this.#show();
  }

  stop() {
    this.#observer.disconnect();
    for (const plot of this.#plots) plot.destroy();
    this.#plots = [];
    this.#element = undefined;
    this.#drawn = "";
  }

  #show() {
    const [upper, lower] = this.#plots;
    if (!upper) return;
    const [times, deliveries, events, p50, p95] = this.#values;
    upper.setData([times, deliveries, events]);
    lower.setData([times, p95, p50]);
  }

  #color(expression) {
    if (!this.#colors.has(expression)) this.#colors.set(expression, cssColor(expression));
    return this.#colors.get(expression);
  }

  #build() {
    const element = this.#element;
    this.#tip = document.createElement("div");
    this.#tip.className = "tip";
    this.#tip.hidden = true;
    const upper = this.#options(UPPER, false, (value) => unit(value), [
      { stroke: () => this.#color("var(--open-fill)"), width: 1.8, fill: (plot) => this.#fade(plot), points: { show: false } },
      { show: false },
    ]);
    const lower = this.#options(LOWER, true, (value) => (value ? duration(value).replace(".0", "") : "0"), [
      { stroke: () => this.#color("var(--info)"), width: 1.4, fill: () => this.#color("var(--info-soft)"), points: { show: false } },
      { stroke: () => this.#color("color-mix(in srgb, var(--info) 55%, var(--surface))"), width: 1.4, points: { show: false } },
    ]);
    const caption = document.createElement("p");
    caption.className = "caption";
    caption.textContent = "Time of a trigger: half of them, and 95 %";
    this.#plots = [new uPlot(upper, [[], [], []], element)];
    element.append(caption);
    this.#plots.push(new uPlot(lower, [[], [], []], element));
    element.append(this.#tip);
    this.#observer.observe(element);
    this.#show();
  }

  #options(height, hasTimes, text, series) {
    const line = () => this.#color("var(--line)");
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: () => this.#color("var(--ink-3)"), font, ticks: { show: false } };
    return {
      width: this.#element.clientWidth || 600,
      height,
      padding: [12, 18, hasTimes ? 0 : 4, 0],
      legend: { show: false },
      tzDate: utc,
      cursor: { sync: { key: "overview" }, drag: { x: false, y: false }, y: false, points: { size: 8 } },
      scales: { x: { range: () => this.#window }, y: { range: (_, low, high) => [0, Math.max(high * 1.15 || 0, hasTimes ? 1000 : 10)] } },
      series: [{}, ...series],
      axes: [
        { ...axis, show: hasTimes, size: 24, gap: 4, space: 84, grid: { show: false }, values: (_, times) => times.map(minutes) },
        { ...axis, size: AXIS, gap: 6, space: hasTimes ? 26 : 38, grid: { stroke: line, width: 1 }, values: (_, values) => values.map(text) },
      ],
      hooks: { draw: [(plot) => this.#drawMarks(plot, !hasTimes)], setCursor: [(plot) => !hasTimes && this.#point(plot)] },
    };
  }

  #fade({ ctx, bbox }) {
    const fade = ctx.createLinearGradient(0, bbox.top, 0, bbox.top + bbox.height);
    fade.addColorStop(0, this.#color("rgb(from var(--open-fill) r g b / 20%)"));
    fade.addColorStop(1, this.#color("rgb(from var(--open-fill) r g b / 0%)"));
    return fade;
  }

  #drawMarks(plot, hasText) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    let right = 0;
    let line = 0;
    ctx.save();
    ctx.textAlign = "left";
    ctx.textBaseline = "middle";
    ctx.font = `550 ${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    for (const { at, type } of this.#marks) {
      const x = Math.round(plot.valToPos(at, "x", true));
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
      const [text, color] = MARKS[type] ?? [type, "--ink-2"];
      ctx.strokeStyle = ctx.fillStyle = this.#color(`var(${color})`);
      ctx.lineWidth = ratio;
      ctx.setLineDash([2 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      if (!hasText) continue;
      const width = ctx.measureText(text).width;
      const isLeft = x + width + 12 * ratio > bbox.left + bbox.width;
      line = x < right ? line + 1 : 0;
      right = Math.max(right, x + width + 12 * ratio);
      const [left, top] = [isLeft ? x - width - 6 * ratio : x + 6 * ratio, bbox.top + (9 + line * 14) * ratio];
      ctx.setLineDash([]);
      ctx.lineWidth = 5 * ratio;
      ctx.lineJoin = "round";
      ctx.strokeStyle = this.#color("var(--surface)");
      ctx.strokeText(text, left, top);
      ctx.fillText(text, left, top);
    }
    ctx.restore();
  }

  #point({ cursor, bbox }) {
    const at = cursor.idx;
    const [times, deliveries, events, p50, p95, delay] = this.#values;
    this.#tip.hidden = at === null || at === undefined || cursor.left < 0 || times[at] === undefined;
    if (this.#tip.hidden) return;
    const lines = [seconds(times[at]), `${unit(deliveries[at] ?? NaN)} deliveries/s`, `${unit(events[at] ?? NaN)} events/s`, `p95 ${duration(p95[at] ?? NaN)}, p50 ${duration(p50[at] ?? NaN)}`, `95 % written within ${duration(delay[at] ?? NaN)}`];
    this.#tip.replaceChildren(...lines.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
    const width = bbox.width / devicePixelRatio;
    const isRight = cursor.left > width - 190;
    const x = AXIS + cursor.left + (isRight ? -12 - this.#tip.offsetWidth : 12);
    this.#tip.style.transform = `translate(${Math.round(x)}px, 16px)`;
  }

  #resize() {
    const width = this.#element?.clientWidth;
    if (!width) return;
    for (const plot of this.#plots) if (plot.width !== width) plot.setSize({ width, height: plot.height });
  }
}
