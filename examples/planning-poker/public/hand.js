// The own cards: radio buttons, so that arrow keys work.

import { button, el, icon } from "/lib/ui.js";
import { CARDS, codeOf, NO_CARD, spokenOf } from "./deck.js";
import { isFullFor, seatOf } from "./table.js";

export function handView({ player, actions }) {
  const inputs = CARDS.map((label) => el("input", {
    type: "radio", name: "card", value: codeOf(label), aria: { label: spokenOf(codeOf(label)) },
    on: { change: ({ target }) => actions.vote(target.value) },
  }));
  const deck = el("div", { class: "deck" }, CARDS.map((label, i) =>
    el("label", {}, inputs[i], el("span", { aria: { hidden: true } }, label === "break" ? icon("cup") : label))));
  const hint = el("p", { class: "small dim" });
  const cards = el("fieldset", { class: "card hand" }, el("legend", { class: "vh", text: "Your card" }),
    el("div", { class: "head" }, el("h2", { text: "Your card" }), hint), deck);
  const seat = el("section", { class: "card hand watching", aria: { label: "Your seat" } },
    el("p", {}, el("b", { text: "You are watching." }), " Watchers lay no card."),
    button("Take a seat", { kind: "primary", press: () => actions.role(0) }));
  const node = el("div", {}, cards, seat);

  return {
    node,
    show({ table }) {
      const own = seatOf(table, player);
      seat.hidden = own?.watches !== 1;
      cards.hidden = !seat.hidden || isFullFor(table, player);
      hint.textContent = table.up ? "The cards are up. Changing yours shows at once" : "Change it as often as you like until the cards turn";
      for (const input of inputs) input.checked = own !== undefined && own.card !== NO_CARD && input.value === own.card;
    },
  };
}
