// Comparing keys: one line of words for each person, and a code for another phone.

import { avatar, dialog, el, sealMark } from "../../lib/ui.js";
import { qr, verifyLink } from "../../lib/words.js";
import { wordsOf } from "./words-of-keys.js";

/** `key` is the peer's key in question: the pinned one, or another that came. */
export async function openCompare({ own, person, key, onMatch, onDiffer }) {
  const people = [{ id: own.id, name: `You, ${own.name}`, key: own.publicText }, { id: person.id, name: person.name, key }];
  people.sort((a, b) => (a.id < b.id ? -1 : 1));
  const words = await Promise.all(people.map(({ id, key: of }) => wordsOf(id, of)));
  const link = await verifyLink(new URL("/verify", location.origin).href, people);
  const isNew = person.pin.key !== key;
  const list = people.map(({ id, name }, i) => el("div", { class: "line-of-words" },
    el("h3", { text: name }),
    el("ol", { class: `eight${isNew && id === person.id ? " fresh" : ""}`, aria: { label: `Words for ${name}` } },
      words[i].map((word) => el("li", { text: word })))));
  const { node } = dialog({
    title: `Do you and ${person.name} see the same words?`,
    body: [
      el("p", { class: "lead" }, "Read both lines to each other, by phone or face to face. ", el("b", { text: "Not in this chat:" }),
        " somebody in between could change them."),
      el("div", { class: "compare" },
        el("div", { class: "both" }, list),
        el("figure", {}, el("div", { class: "qr" }, qr(link, "Code to compare keys")),
          el("figcaption", { text: `Side by side? Let ${person.name}’s camera open this.` }))),
    ],
    actions: [
      { text: "Both lines match", kind: "primary", icon: "shield", press: onMatch },
      { text: "They differ", kind: "bad", press: onDiffer },
      { text: "Not now", kind: "quiet" },
    ],
    foot: [sealMark(), el("span", {}, el("b", { text: "What the server sees: " }),
      "the public keys, so it could work out these words. It cannot make another key that gives the same.")],
  });
  node.classList.add("comparing");
  node.prepend(el("div", { class: "pair", aria: { hidden: true } }, people.map(({ id, name }) => avatar(id, id === own.id ? own.name : name))));
}
