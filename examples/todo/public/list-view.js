// The list on the right: who can read it, its items, and what the server sees.

import { avatar, button, caughtUp, el, icon, iconButton, toast } from "../../lib/ui.js";
import { changes, inOrder, isFull, MAX_TEXT } from "./changes.js";
import { captionOf, knowledgeOf, readersOf } from "./layers.js";

export function listView({ room, wire, notices, lockPanel, openShare }) {
  const readers = el("p", { class: "readers-line", role: "status" });
  const title = el("h1", { id: "title" });
  const sum = el("span");
  const jump = el("a", { class: "chip accent jump", href: "#layers" });
  jump.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("layers").scrollIntoView({ behavior: "smooth" });
  });
  const faces = el("p", { class: "faces" });
  const field = el("input", { class: "field", placeholder: "Add something", autocomplete: "off", maxlength: MAX_TEXT, enterkeyhint: "done" });
  const form = el("form", { class: "composer" },
    el("label", { class: "grow" }, el("span", { class: "vh", text: "Add something" }), field), button("Add", { kind: "primary", type: "submit" }));
  const items = el("ul", { class: "items", aria: { label: "To do", live: "polite" } });
  const empty = el("p", { class: "nothing", hidden: true, text: "Nothing to do. Write the first thing above." });
  const away = el("ul", { class: "away", aria: { live: "polite" } });
  const paper = el("section", { class: "card paper", "aria-labelledby": "title" },
    el("div", { class: "head" }, el("div", {}, title, el("p", { class: "sum" }, sum, jump)),
      el("div", { class: "row" }, faces, iconButton("people", "People and invitation", openShare))),
    form, away, items, empty);
  const node = el("div", { class: "list-col" }, readers, notices, lockPanel.node, paper, wire.node);
  const rows = new Map();
  let ghost = null;
  // What the panel says while it shows an attack.
  let intruder = null;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    if (isFull(room().shown())) return toast("This list is full. Remove something first.", { icon: "warn" });
    room().change(changes.add(field.value, byMe()));
    field.value = "";
  });
  const byMe = () => ({ id: room().model.me.id, name: room().model.me.name });

  function row(item) {
    const box = el("input", { type: "checkbox" });
    const text = el("span");
    const by = el("span", { class: "by" });
    const remove = iconButton("close", `Remove ${item.text}`, () => {
      const next = line.nextElementSibling ?? line.previousElementSibling;
      room().change(changes.remove(item.id));
      (next?.querySelector("input") ?? field).focus();
    }, { class: "iconbtn remove" });
    box.addEventListener("change", () => room().change(changes.check(item.id, box.checked)));
    const line = el("li", { class: "new" }, el("label", {}, box, text), by, remove);
    return { line, box, text, by };
  }

  function showItems(state, fresh, waiting) {
    const ordered = inOrder(state.items);
    const wanted = ordered.map((item) => {
      if (!rows.has(item.id)) rows.set(item.id, row(item));
      const { line, box, text, by } = rows.get(item.id);
      box.checked = item.done;
      if (text.textContent !== item.text) text.textContent = item.text;
      const isFresh = fresh.has(item.id);
      const isMine = item.by.id === room().model.me.id;
      const isWaiting = waiting.has(item.id);
      by.textContent = isWaiting ? "waits here" : `${isMine ? "you" : item.by.name}${isFresh ? ", just now" : ""}`;
      line.classList.toggle("fresh", isFresh);
      line.classList.toggle("waiting", isWaiting);
      line.classList.toggle("looted", ["attacker"].includes(item.by.id));
      return line;
    });
    for (const [id, { line }] of rows) {
      if (state.items.some((item) => item.id === id)) continue;
      line.remove();
      rows.delete(id);
    }
    if (ghost) wanted.unshift(ghost);
    // Only what has moved is moved: a focus inside a line stays.
    wanted.forEach((line, i) => items.children[i] !== line && items.insertBefore(line, items.children[i] ?? null));
    empty.hidden = wanted.length > 0;
  }

  return {
    node,
    focus: () => field.focus(),
    /** The item of an attack that was refused. It is shown here only. */
    showGhost(text) {
      ghost?.remove();
      ghost = text ? el("li", { class: "ghost new" }, el("p", {}, icon("no"), el("s", { text })), el("span", { class: "by", text: "refused, never arrived" }),
        iconButton("close", `Forget ${text}`, () => this.showGhost(null), { class: "iconbtn remove" })) : null;
      if (ghost) items.prepend(ghost);
      empty.hidden = items.children.length > 0;
    },
    show() {
      const { model, shown } = room();
      const state = shown();
      const { layers } = model.list;
      const { tone, icon: sign, lead, text } = readersOf(layers);
      const line = `${lead} ${text} ${openAt(model)}`;
      if (readers.textContent !== line || !readers.classList.contains(tone)) {
        readers.className = `readers-line ${tone}`;
        readers.replaceChildren(icon(sign), el("span", {}, el("b", { text: lead }), ` ${text} ${openAt(model)}`));
      }
      // Nobody reads what this page holds before its person agrees.
      readers.hidden = model.lock === "dropped";
      paper.hidden = Boolean(model.lock) || (!model.isLoaded && state.items.length === 0 && model.line !== "reconnecting" && model.line !== "offline");
      title.textContent = state.title || "Our list";
      document.title = `${state.title || "Our list"} · To-do in layers`;
      const done = state.items.filter((item) => item.done).length;
      sum.textContent = `${done} of ${state.items.length} done`;
      const on = Object.values(layers).filter(Boolean).length;
      jump.textContent = `${on} ${on === 1 ? "layer" : "layers"} on`;
      showFaces(model.people);
      const waiting = new Set(room().waitingItems());
      showItems(state, model.fresh, waiting);
      away.replaceChildren(...(model.away > 0 ? [caughtUp(model.away, "change")] : []));
    },
    explain() {
      if (intruder) return wire.explain(intruder);
      const { model, codec } = room();
      wire.explain(knowledgeOf(model.list.layers, codec?.latest?.version ?? 1));
    },
    showFrame(text, bytes, isOwn = true) {
      intruder = null;
      wire.show(text, { bytes, caption: isOwn ? captionOf(room().model.list.layers, "Your") : "The newest version, as it came to this browser" });
      this.explain();
    },
    showIntruder(text, isHeld) {
      intruder = isHeld ? { knows: "who asked, from which page, and that nobody allowed it", cannot: "" }
        : { knows: "a request that looks as good as yours", cannot: "" };
      wire.show(text, { caption: isHeld ? "The intruder’s request, turned away" : "The intruder’s request, and it got in" });
      this.explain();
    },
  };

  function showFaces(people) {
    const all = people.slice(0, 5).map(({ id, user, name, isMe, device }) => {
      const face = avatar(user ?? id, name ?? "?");
      face.title = isMe ? "you" : `${name}, ${device}`;
      return face;
    });
    faces.replaceChildren(...all);
  }
}

function openAt({ people }) {
  if (people.length === 0) return "";
  const others = people.filter(({ isMe }) => !isMe).map(({ name, device }) => `on ${name}’s ${device}`);
  return `It is open here${others.length === 0 ? " only" : ` and ${others.slice(0, 3).join(", ")}${others.length > 3 ? ` and ${others.length - 3} more` : ""}`}.`;
}
