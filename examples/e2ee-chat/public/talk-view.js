// The talk with one person: head, ticks, lines, and the composer, or what has to be decided first.

import { autoGrow, avatar, button, dayOf, el, icon, iconButton, notice } from "../../lib/ui.js";
import { dayLine, linesView } from "./lines-view.js";
import { ticks } from "./ticks.js";
import { trustChip } from "./trust-marks.js";
import { wordsOf } from "./words-of-keys.js";

const MAX_CHARACTERS = 1500;

export function talkView({ compare, say, typing, sendAgain, back }) {
  const place = el("div", { class: "grow" });
  const face = el("span");
  const compareButton = button("", { icon: "qr", low: true, press: () => compare(), label: "Compare" });
  compareButton.append(el("span", { class: "lbl", text: "Compare" }));
  const backButton = iconButton("back", "All people", back);
  backButton.classList.add("backbtn");
  const head = el("header", { class: "talk-head" }, backButton, face, place, compareButton);
  const handshake = ticks();
  const lines = linesView({ sendAgain });
  const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", aria: { label: "The conversation" } }, lines.node, dayLine());
  const typingLine = el("p", { class: "typing", role: "status" });
  const above = el("div", { class: "above" });
  const foot = el("div", { class: "talk-foot" });
  const { node: composer, input } = composerOf({ say, typing });
  const node = el("main", { class: "talk", id: "main" }, head, handshake.node, scroll, typingLine, above, foot);
  let shownFoot;

  /** `focus`: `{ sid, n, isMine }` of the message whose frame is shown. */
  function show(person, focus) {
    const { conversation, id, name, trust, isHere } = person;
    face.replaceChildren(avatar(id, name, { isHere }));
    place.replaceChildren(el("h1", {}, name, " ", trustChip(trust)), el("p", { text: whereabouts(conversation) }));
    handshake.show({ phase: conversation.phase, used: conversation.used, name, trust });
    lines.show(conversation, focus);
    showTyping(conversation.isTyping ? name : "");
    showAbove(conversation, person);
    showFoot(person);
    input.placeholder = placeholderOf(conversation, person);
    input.setAttribute("aria-label", `Message to ${name}`);
  }

  function showTyping(name) {
    if ((typingLine.dataset.name ?? "") === name) return;
    typingLine.dataset.name = name;
    typingLine.replaceChildren(...(name ? [el("span", { class: "dots", aria: { hidden: true } }, el("i"), el("i"), el("i")), `${name} is typing`] : []));
  }

  function showAbove({ items, phase }, { isHere, name }) {
    const undelivered = items.count("undelivered");
    const shown = undelivered === 0 || !isHere || phase === "stopped" ? "" : `${undelivered} ${name}`;
    if ((above.dataset.shown ?? "") === shown) return;
    above.dataset.shown = shown;
    above.replaceChildren(...(shown ? [notice("info", {
      title: `${name} is here again`,
      text: undelivered === 1 ? "One message was not delivered." : `${undelivered} messages were not delivered.`,
      action: { text: "Send again", press: sendAgain },
    })] : []));
  }

  function showFoot(person) {
    const { trust, pin, id } = person;
    const kind = trust === "changed" || trust === "differs" ? `${trust} ${id} ${pin.offered}` : "composer";
    if (kind === shownFoot) return;
    shownFoot = kind;
    foot.replaceChildren(kind === "composer" ? composer : halt(person, compare));
  }

  return { node, show, focus: () => input.focus({ preventScroll: true }) };
}

function placeholderOf({ phase }, { name, isHere, trust }) {
  if (phase === "stopped") return "Nothing is sent now";
  if (!isHere) return `${name} is not here`;
  return trust === "verified" ? `Sealed for ${name}` : `Message to ${name}`;
}

function whereabouts({ isLive, isHere }) {
  if (!isLive) return "no connection";
  return isHere ? "here now" : "not here now";
}

function composerOf({ say, typing }) {
  const input = el("textarea", { class: "field grow", rows: "1", maxlength: String(MAX_CHARACTERS), enterkeyhint: "send" });
  const fit = autoGrow(input);
  const send = () => {
    const text = input.value.trim();
    if (text === "") return;
    say(text);
    input.value = "";
    fit();
    input.focus();
  };
  input.addEventListener("input", () => input.value.trim() && typing());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  const node = el("form", { class: "composer", on: { submit: (event) => { event.preventDefault(); send(); } } }, input,
    el("button", { class: "btn primary", type: "submit", aria: { label: "Send" } }, icon("send")));
  return { node, input };
}

/** In the composer's place: nobody can type past it. */
function halt(person, compare) {
  const { name, trust, pin, id } = person;
  const isChanged = trust === "changed";
  const known = pin.verified ? "verified" : "saw first";
  const words = el("dl", { class: "diff" });
  if (isChanged) {
    const row = (label, key, tag) => {
      const value = el("dd", {}, el(tag, { text: "…" }));
      wordsOf(id, key).then((list) => (value.firstChild.textContent = `${list.slice(0, 4).join(" ")} …`));
      return el("div", {}, el("dt", { text: label }), value);
    };
    words.append(row(`Since ${dayOf(pin.since).toLowerCase()}`, pin.key, "span"), row("Now", pin.offered, "b"));
  }
  return el("section", { class: "halt", role: "alert", aria: { labelledby: "halt-title" } },
    el("h2", { id: "halt-title" }, icon("warn"), isChanged ? `This is not the key you ${known}` : "Your words differ"),
    el("p", { text: isChanged
      ? `${name} may have a new device. Or somebody is in between. Nothing is sent until you have compared.`
      : "Somebody may be in between. Nothing is sent. Compare again on another way, or meet." }),
    words,
    el("div", { class: "foot" }, button(isChanged ? "Compare now" : "Compare again", { kind: "primary", icon: "qr", press: () => compare() })));
}
