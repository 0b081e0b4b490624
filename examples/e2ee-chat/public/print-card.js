// The words of the open conversation's two keys, beside it.

import { card, dayOf, el } from "../../lib/ui.js";
import { trustChip } from "./trust-marks.js";
import { wordsOf } from "./words-of-keys.js";

export function printCard({ own }) {
  const node = el("div");
  let shown = "";

  function show(person) {
    const signature = person ? [person.id, person.name, person.trust, person.pin.key, person.pin.verified].join() : "";
    if (signature === shown) return;
    shown = signature;
    if (!person) return node.replaceChildren();
    const { id, name, trust, pin } = person;
    const box = card(`${name}’s key`, wordList(id, pin.key, `Words for ${name}`), el("p", { text: sentence(pin, trust, name) }),
      el("h3", { class: "mine-too", text: "Yours" }), wordList(own.id, own.publicText, "Words for you"));
    box.classList.add("print");
    box.firstChild.append(trustChip(trust));
    node.replaceChildren(box);
  }

  return { node, show };
}

function wordList(id, key, label) {
  const list = el("ul", { class: "words", aria: { label } });
  wordsOf(id, key).then((words) => list.replaceChildren(...words.map((word) => el("li", { text: word }))));
  return list;
}

function sentence({ since, verified }, trust, name) {
  const day = (date) => {
    const text = dayOf(date);
    return ["Today", "Yesterday"].includes(text) ? text.toLowerCase() : `on ${text}`;
  };
  return {
    verified: `Compared ${day(verified)}. Should ${name}’s key change, this chat stops and says so.`,
    unverified: `Seen first ${day(since)}. Compare the words once: until then the server could have swapped keys.`,
    changed: "These were the words until now. No message is sealed for the new key.",
    differs: "You two see different words. Nothing is sent.",
  }[trust];
}
