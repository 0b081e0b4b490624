// What the page has to say, above the table. One note of each kind.

import { el, icon, iconButton, notice, NOTICES } from "/lib/ui.js";

const TEXTS = {
  polling: () => notice("info", { title: "The live stream is blocked here", text: "This page asks every 5 seconds instead. Everything works, a little later." }),
  gap: () => notice("info", { title: "Some changes are gone here", text: "The newest table was loaded anew." }),
  full: () => notice("info", { title: "All seats are taken", text: "You see everything. This page takes a seat for you as soon as one is free." }),
  back: () => notice("info", { title: "The server had lost this table", text: "This tab had the newest one, and put it back." }),
  late: () => notice("warn", { title: "Your card came too late", text: "The table had moved on before it arrived. Lay another one." }),
  shut: () => notice("warn", { title: "Something here does not open", text: "It was sealed with another key, or altered. Your table stays as it was, and replaces it.", icon: "lock" }),
  shutAlone: () => NOTICES.keyWrong("What lies on this table is sealed with another key. Nothing was changed. Ask for the link again."),
  storage: () => notice("warn", { title: "This browser keeps nothing", text: "Keep the link: after a reload this tab has forgotten the key." }),
  otherTab: () => NOTICES.otherDevice("You sit here in two tabs. A card laid in one shows in the other."),
  otherKey: ({ link }) => notice("warn", {
    title: "That link leads to another table", text: "This tab stays at its table. Leave it first, or open the link in a new tab.", icon: "key",
    action: { text: "Open in a new tab", press: () => window.open(link, "_blank", "noopener") },
  }),
  otherKeyShort: () => notice("warn", { title: "That link has no whole key", text: "This tab stays at its table.", icon: "key" }),
};

export function noteList() {
  const node = el("div", { class: "notes", aria: { live: "polite" } });
  const shown = new Map();

  function drop(kind) {
    shown.get(kind)?.remove();
    shown.delete(kind);
    node.hidden = shown.size === 0;
  }

  function put(kind, content) {
    drop(kind);
    const row = el("div", { class: "note new" }, content, iconButton("close", "Dismiss", () => drop(kind)));
    shown.set(kind, row);
    node.append(row);
    node.hidden = false;
  }

  node.hidden = true;
  return {
    node,
    drop,
    show(kind, details = {}) {
      if (kind === "missed") put(kind, missed(details.count));
      else if (!shown.has(kind) || details.link) put(kind, TEXTS[kind](details));
    },
    set(kind, isOn) {
      if (isOn !== shown.has(kind)) isOn ? this.show(kind) : drop(kind);
    },
    clear: () => [...shown.keys()].forEach(drop),
  };
}

const missed = (count) => el("p", { class: "notice" }, icon("clock"),
  el("b", { text: `${count} ${count === 1 ? "change" : "changes"} came while you were away` }));
