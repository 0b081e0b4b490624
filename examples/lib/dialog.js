// Dialogs, toasts, and what screen readers are told.

import { el, icon } from "./dom.js";

const TOAST_MS = 4000;

/** A live region has to be there before its text. */
function region(id, properties) {
  let node = document.getElementById(id);
  if (!node) {
    node = el("div", { id, ...properties });
    document.body.append(node);
  }
  return node;
}

export function announce(text) {
  const node = region("announcer", { class: "vh", role: "status", "aria-live": "polite" });
  // The same text twice is two messages.
  node.textContent = "";
  requestAnimationFrame(() => (node.textContent = text));
}

/** Ready before the first message. */
export function prepareRegions() {
  region("announcer", { class: "vh", role: "status", "aria-live": "polite" });
  region("toasts", { class: "toasts", role: "log", "aria-live": "polite", "aria-label": "Messages" });
}

export function toast(text, { icon: name = "check" } = {}) {
  const place = region("toasts", { class: "toasts", role: "log", "aria-live": "polite", "aria-label": "Messages" });
  const node = el("p", { class: "toast" }, icon(name), text);
  place.append(node);
  setTimeout(() => node.remove(), TOAST_MS);
  return node;
}

/** The browser keeps the focus inside, closes on Escape, and gives the focus back. */
export function dialog({ title, lead, body, actions = [], foot, onClose = () => {} }) {
  const node = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title" });
  const close = (result) => node.close(result);
  const buttons = actions.map(({ text, kind = "", press, keep, icon: name, ...rest }, i) =>
    el("button", {
      class: `btn ${kind}`.trim(), type: "button", autofocus: i === 0 && !body, ...rest,
      on: { click: async () => {
        const stays = (await press?.()) === false;
        if (!keep && !stays) close(text);
      } },
    }, name && icon(name), text));
  node.append(
    ...[
      el("button", { class: "iconbtn shut", type: "button", aria: { label: "Close" }, on: { click: () => close() } }, icon("close")),
      el("h2", { id: "dialog-title", text: title }),
      lead && el("p", { class: "lead", text: lead }),
      body,
      buttons.length > 0 && el("div", { class: "foot" }, buttons),
      foot && el("div", { class: "aswell" }, foot),
    ].flat().filter(Boolean),
  );
  node.addEventListener("close", () => {
    node.remove();
    onClose(node.returnValue);
  });
  document.querySelectorAll("dialog.dialog").forEach((other) => other.close());
  document.body.append(node);
  node.showModal();
  return { node, close };
}
