// The fixed parts of the page: the way of a message, who can read it, and what is left out.

import { card, el, icon } from "/lib/ui.js";

const STEPS = [
  ["plain", "user", "Backend", "plain text, signed"],
  ["sealing", "lock", "Sealcast", "seals each event"],
  ["sealed", "hidden", "The wire", "ciphertext"],
  ["plain", "eye", "This tab", "opens it"],
];

/** `pass()` lights the steps one after the other. */
export function steps() {
  const items = STEPS.map(([kind, name, title, text]) =>
    el("li", { class: kind }, icon(name), el("b", { text: title }), el("span", { text })));
  const node = el("ol", { class: "path", aria: { label: "The way of a message" } }, items);
  return {
    node,
    pass() {
      node.classList.remove("passing");
      requestAnimationFrame(() => node.classList.add("passing"));
    },
  };
}

const READERS = [
  [true, "tabs with access to the channel"],
  [true, "the backend, its author"],
  [true, "the server, and anyone with its master key"],
  [false, "clients without access"],
  [false, "a capture, a proxy or a log of a tab’s WebSocket"],
];

export function readersCard({ url }) {
  const list = el("ul", { class: "readers" }, READERS.map(([isYes, text]) =>
    el("li", { class: isYes ? "yes" : "no" }, icon(isYes ? "check" : "close"), el("span", { class: "vh", text: isYes ? "can: " : "cannot: " }), text)));
  const staysHere = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::|$)/.test(url);
  return card("Who can read a message", list, el("p", { class: "dim small" },
    "The key comes with the answer of the auth endpoint, and the backend writes in plain text: both ways need TLS.",
    staysHere && " Here nothing leaves this machine."));
}

/** In place of roles and key, beside a Sealcast of somebody else. */
export function withoutOwn() {
  return card("Roles and “Rotate now”", el("p", { class: "small dim" }, "These need a Sealcast of the example’s own: "), el("code", { class: "small", text: "node examples/quickstart/server.mjs" }));
}
