// The column of people: who is here, and how far their key is trusted.

import { avatar, button, el, emptyState, timeOf } from "../../lib/ui.js";
import { trustLine } from "./trust-marks.js";

export function peopleView({ own, signOut, copyAddress }) {
  const count = el("span");
  const here = el("ul");
  const away = el("ul");
  const awayTitle = el("h2", { id: "away", text: "Not here now" });
  const nobody = emptyState({
    title: "Nobody else is here",
    text: "Open this page in a private window, and take another name there.",
    button: "Copy the address",
    press: copyAddress,
  });
  const node = el("nav", { class: "dir", aria: { labelledby: "here" } },
    el("h1", { class: "vh", text: "End-to-end chat" }),
    el("h2", { id: "here" }, "Here now ", count), here, nobody, awayTitle, away,
    el("div", { class: "me" },
      el("p", {}, el("b", { text: `You are ${own.name} on this browser.` }), " The private key was made here, and no script can export it."),
      button("Sign out", { low: true, press: signOut })));

  /** `unread` is a map of ids to counts. */
  function show(list, openId, unread) {
    const focused = node.contains(document.activeElement) ? document.activeElement.dataset.person : undefined;
    const [present, absent] = [list.filter(({ isHere }) => isHere), list.filter(({ isHere }) => !isHere)];
    const entry = (person) => personEntry(person, person.id === openId, unread.get(person.id) ?? 0);
    count.textContent = present.length;
    here.replaceChildren(...present.map(entry));
    away.replaceChildren(...absent.map(entry));
    here.hidden = present.length === 0;
    nobody.hidden = present.length > 0;
    away.hidden = awayTitle.hidden = absent.length === 0;
    if (focused) node.querySelector(`[data-person="${focused}"]`)?.focus();
  }

  return { node, show };
}

function personEntry({ id, name, trust, isHere, conversation }, isOpen, unread) {
  const last = conversation.items.list.findLast(({ kind }) => kind === "text");
  return el("li", {}, el("a", { href: `#${id}`, "aria-current": isOpen && "page", data: { person: id } },
    avatar(id, name, { isHere }),
    el("b", { text: name }),
    last ? el("time", { text: timeOf(last.time) }) : el("span"),
    trustLine(trust),
    unread > 0 && el("span", { class: "n" }, String(unread), el("span", { class: "vh", text: unread === 1 ? " new message" : " new messages" }))));
}
