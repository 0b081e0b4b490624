// The layers on the left: switches, and under each the attack that it stops.

import { button, chip, el, icon, toggle } from "../../lib/ui.js";
import { LAYERS } from "./layers.js";

/**
 * `change(layer, isOn)` resolves with false if it did not happen. `attack(layer)` resolves with a
 * result of attacks.js. Without `hasDoor` the open door stays shut, and says why.
 */
export function layersView({ change, attack, showDoor, hasDoor }) {
  const count = el("span");
  const rows = new Map();
  const doorSwitch = toggle("Open door", false, (isOn) => showDoor(isOn));
  const door = layerRow({ id: "door", icon: "door", title: "Open door", text: hasDoor ? "The key and secret lie in the page. Only to see why not." : "Start this example without --tls to try it: under TLS no signed request passes." }, doorSwitch, "Watch it fail");
  door.node.classList.add("open-door");
  doorSwitch.disabled = !hasDoor;
  if (!hasDoor) door.place.replaceChildren();
  for (const layer of LAYERS) {
    const control = toggle(layer.title, false, (isOn) => change(layer.id, isOn));
    rows.set(layer.id, layerRow(layer, control, "Try it"));
  }
  const node = el("section", { class: "layers-col", id: "layers", "aria-labelledby": "layers-title" },
    el("div", { class: "layers-head" }, el("h2", { id: "layers-title", text: "Layers" }),
      el("p", { class: "small dim" }, count, " ", el("em", { text: "Try it" }), " runs the attack")),
    el("ol", { class: "layers" }, door.node, [...rows.values()].map((row) => row.node)),
    el("p", { class: "layers-note", text: "Switching a layer writes the list anew, and deletes what was stored before." }));

  function layerRow({ id, icon: sign, title, text }, control, word) {
    const place = el("span", { class: "try" });
    const panel = el("div", { class: "attack", role: "status", hidden: true });
    const line = el("li", { class: "layer", data: { layer: id } },
      el("span", { class: "mark", aria: { hidden: true } }, icon(sign)), el("h3", { id: `layer-${id}`, text: title }), control,
      el("p", { class: "what", text }), place, panel);
    const row = { node: line, control, place, panel, word, title };
    row.idle = () => place.replaceChildren(button(word, { low: true, "aria-describedby": `layer-${id}`, press: () => run(id, row) }));
    row.idle();
    return row;
  }

  async function run(id, row, pressed = row.node.contains(document.activeElement)) {
    for (const other of [door, ...rows.values()]) if (other !== row) other.panel.hidden = true;
    row.place.replaceChildren(chip("trying …", "warn", "clock"));
    let found;
    try {
      found = await attack(id);
    } catch (error) {
      found = { held: null, headline: "It could not be tried.", text: error.message, rows: [] };
    }
    showResult(id, row, found);
    if (pressed) row.panel.querySelector("button")?.focus();
  }

  function showResult(id, row, { held, headline, text, rows: facts }) {
    const tone = held === null ? "unknown" : held ? "held" : "broken";
    row.panel.className = `attack new ${tone}`;
    row.panel.hidden = false;
    const isOn = row.control.getAttribute("aria-checked") === "true";
    row.triedWith = isOn;
    const other = id === "door" ? null : isOn && held ? button("Switch off and watch it get in", { kind: "quiet", low: true, press: () => flip(id, row, false) })
      : !isOn && held === false ? button("Switch on, and try again", { kind: "quiet", low: true, press: () => flip(id, row, true) }) : null;
    row.panel.replaceChildren(
      el("div", { class: "shout" }, icon(held ? "shield" : "warn"), el("p", {}, el("b", { text: headline }), text)),
      facts.length > 0 ? el("dl", {}, facts.map(([term, value]) => [el("dt", { text: term }), el("dd", {}, isCode(term) ? el("code", { text: value }) : value)])) : "",
      el("div", { class: "again" }, button("Try again", { low: true, press: () => run(id, row) }), other ?? ""));
    if (held === null) return row.idle();
    const answer = facts.find(([term]) => term === "Answer")?.[1]?.match(/^\d+/)?.[0];
    const word = `${held ? "held" : "got in"}${answer ? `, ${answer}` : ""}`;
    // The chip opens and closes the result.
    const again = el("button", { class: `chip ${held ? "accent" : "bad"}`, type: "button", "aria-describedby": `layer-${id}`, aria: { expanded: true } },
      icon(held ? "shield" : "warn"), word);
    again.addEventListener("click", () => {
      const isOpen = row.panel.hidden;
      for (const other of [door, ...rows.values()]) other.panel.hidden = true;
      row.panel.hidden = !isOpen;
      markOpen();
    });
    row.place.replaceChildren(again);
    markOpen();
  }

  function forget(row) {
    row.triedWith = undefined;
    row.panel.hidden = true;
    row.idle();
  }

  function markOpen() {
    for (const { place, panel } of [door, ...rows.values()]) place.querySelector(".chip")?.setAttribute("aria-expanded", !panel.hidden);
  }

  async function flip(id, row, isOn) {
    const pressed = row.node.contains(document.activeElement);
    const buttons = row.panel.querySelectorAll("button");
    buttons.forEach((each) => (each.disabled = true));
    row.control.set(isOn);
    if ((await change(id, isOn)) === false) {
      row.control.set(!isOn);
      buttons.forEach((each) => (each.disabled = false));
      return;
    }
    await run(id, row, pressed);
  }

  return {
    node,
    setDoor: (isOn) => doorSwitch.set(isOn),
    /** While one is being switched, all stay as they are. */
    show(layers, { isReady, isSwitching }) {
      for (const [id, row] of rows) {
        const { node: line, control } = row;
        line.classList.toggle("on", layers[id]);
        if (!isSwitching) control.set(layers[id]);
        control.disabled = !isReady || isSwitching;
        // A result counts for the layer as it was.
        if (!isSwitching && row.triedWith !== undefined && row.triedWith !== layers[id]) forget(row);
      }
      const on = Object.values(layers).filter(Boolean).length;
      count.textContent = `${on} of ${LAYERS.length} on.`;
    },
  };
}

const isCode = (term) => ["It sent", "Answer", "Origin", "It looked for", "There it says", "It found"].includes(term);
