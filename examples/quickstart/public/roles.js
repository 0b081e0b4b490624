// Who may read: three roles to try, each answered for real.

import { card, el } from "/lib/ui.js";

export const ROLES = {
  staff: "may read",
  guest: "may not: 403",
  fault: "the backend fails: 500",
};

export function rolesCard({ role, onChange }) {
  const choices = Object.entries(ROLES).map(([name, hint]) => {
    const radio = el("input", { type: "radio", name: "role", value: name, on: { change: () => onChange(name) } });
    radio.checked = name === role;
    return el("label", { class: "choice" }, radio, el("span", {}, el("b", { text: label(name) }), el("span", { class: "small", text: hint })));
  });
  return card("Who may read",
    el("fieldset", { class: "choices" }, el("legend", { class: "vh", text: "Your role" }), choices),
    el("p", { class: "dim small" }, "The role is a claim of your token. One rule reads it: ", el("code", { text: "private-encrypted-{claims.role}.*" })));
}

const label = (name) => name.replace(/^./, (letter) => letter.toUpperCase());
