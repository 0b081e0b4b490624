// Three ticks that open: the handshake as people see it, and how far the keys are used up.

import { el, icon } from "../../lib/ui.js";
import { MAX_MESSAGES } from "./session.js";

const SVG = "http://www.w3.org/2000/svg";
const STEPS = ["Keys met", "Both proved", "Sealed"];
const STOPPED = { differs: "Words differ", changed: "Not the key you know" };
const DONE = { sealed: 3, answering: 1, offering: 0, spent: 0, idle: 0, away: 0, offline: 0, stopped: 1 };

export function ticks() {
  const list = el("ol", { aria: { label: "Handshake" } });
  const side = el("span");
  const node = el("div", { class: "shake" }, list, side);
  let shown = "";

  function show({ phase, used, name, trust }) {
    const signature = [phase, used, name, trust].join();
    if (signature === shown) return;
    const wasSealed = shown.startsWith("sealed");
    shown = signature;
    node.classList.toggle("stop", phase === "stopped");
    // The ticks open one after the other, once: not again for each message.
    node.classList.toggle("opens", phase === "sealed" && !wasSealed);
    list.replaceChildren(...STEPS.map((text, i) => step(text, i, phase, trust)));
    side.replaceChildren(...sideOf(phase, used, name));
  }

  return { node, show };
}

function step(text, i, phase, trust) {
  if (phase === "stopped" && i === 1) {
    return el("li", { class: "no" }, el("i", {}, icon("close")), STOPPED[trust] ?? "Your key is swapped");
  }
  const isDone = i < DONE[phase];
  const isNext = !isDone && i === DONE[phase] && ["offering", "answering"].includes(phase);
  return el("li", { class: isDone ? "" : isNext ? "todo next" : "todo" },
    el("i", {}, icon(isDone ? "check" : "more")), text, !isDone && el("span", { class: "vh", text: ": not yet" }));
}

function sideOf(phase, used, name) {
  if (phase === "sealed") {
    return [ring(used), el("b", { class: "vh", text: "Keys used for " }), `${used} of ${MAX_MESSAGES}`, el("span", { class: "wide", text: ", then new keys" })];
  }
  return [{
    offering: `Waiting for ${name}’s browser`,
    answering: `Waiting for ${name}’s browser`,
    spent: "New keys with the next message",
    idle: "Keys are made for the first message",
    away: "",
    offline: "New keys once you are connected",
    stopped: "",
  }[phase]];
}

function ring(used) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "ring");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const circle = (attributes) => {
    const node = document.createElementNS(SVG, "circle");
    for (const [name, value] of Object.entries({ cx: 8, cy: 8, r: 6, ...attributes })) node.setAttribute(name, value);
    return node;
  };
  svg.append(circle({}));
  if (used > 0) {
    svg.append(circle({ class: "arc", pathLength: 100, "stroke-dasharray": `${(used * 100) / MAX_MESSAGES} 100`, transform: "rotate(-90 8 8)" }));
  }
  return svg;
}
